"""Photographs with drawn faces, and the run and page of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from landmarks.report.report import write_report
from tests.helpers.faces import draw_face, write_png
from tests.helpers.runs import run_over

EVIL = "<img src=x onerror=alert()> 99.png"


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Path:
    """24 faces, one of them in a file with a name that is HTML; an image without a face, and one that is broken."""
    folder = tmp_path_factory.mktemp("gallery") / "photographs"
    for number in range(23):
        write_png(folder / f"face {number}.png", draw_face(number)[0])
    write_png(folder / EVIL, draw_face(99)[0])
    write_png(folder / "none.png", draw_face(5)[0])
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    return folder


@pytest.fixture(scope="session")
def run(photographs) -> Path:
    """Their run with its page."""
    out = run_over(photographs, photographs.parent / "run")
    write_report(out)
    return out
