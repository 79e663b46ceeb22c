"""Exported graphs, each made once: torch takes seconds for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from landmarks.export.file import PARTS, part_path
from landmarks.export.graph import Graphs
from landmarks.models.store import Model, load_model


def graphs_in(path: Path) -> Graphs:
    """The graphs of an exported file and of its parts beside it."""
    found = {part: part_path(path, part) for part in PARTS}
    return Graphs({part: file.read_bytes() for part, file in found.items() if file.is_file()}, parity=0.0)


def take_instead(monkeypatch: pytest.MonkeyPatch, weights: str | Path, graphs: Graphs) -> None:
    """Where those weights are exported, take these graphs. Other weights cannot be exported then."""
    sha256 = load_model(weights).sha256

    def export_model(model: Model, wanted: object = PARTS) -> Graphs:
        assert model.sha256 == sha256, "these are graphs of other weights"
        return graphs

    for module in ("landmarks.export.write", "landmarks.export.graph"):
        monkeypatch.setattr(f"{module}.export_model", export_model)
