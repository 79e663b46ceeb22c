"""`schema.json`: what the columns of a run's files mean, in which frame coordinates are, and which version of each
format was written."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import landmarks
from landmarks.atomic import PartialFile
from landmarks.formats.layout import IMAGE_COLUMNS, Layout
from landmarks.formats.registry import FORMATS

NAME = "schema.json"
FRAMES = {
    "upright": "pixels of the upright image: the EXIF orientation of its file is applied",
    "original": "pixels as the file stores them: the EXIF orientation is not applied",
}


def schema(layout: Layout, formats: Sequence[str], coords: str) -> dict[str, Any]:
    """The document, as JSON takes it."""
    columns = [dataclasses.asdict(column) for column in layout.columns()]
    return {
        "schema": 1,
        "software": f"landmarks {landmarks.__version__}",
        "coordinates": {
            "frame": coords,
            "meaning": FRAMES[coords],
            "unit": "pixel; x to the right, y down, the centre of the first pixel is 0, 0",
            "left_right": "of the upright image, not of the person: left_eye is the eye with the smaller x in an "
            "upright face; names stay with their landmarks in every frame",
        },
        "order": "images as they were found; in an image the face with the largest box first, of equal ones the left "
        "one, then the upper one",
        "layout": layout.as_dict(),
        "attributes": {name: list(layout.attribute(name).labels) for name in layout.attributes},
        "tables": {
            "faces": [{key: value for key, value in column.items() if key != "part"} for column in columns],
            "images": [{"name": n, "type": type, "meaning": text} for n, (type, text) in IMAGE_COLUMNS.items()],
        },
        "formats": {name: FORMATS[name].about for name in formats},
    }


def write_schema(out: Path, document: dict[str, Any]) -> None:
    file = PartialFile(out / NAME)
    file.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    file.close()


def read_layout(path: Path) -> Layout | None:
    """The layout of a run from the `schema.json` in a folder or up to two above; None if there is none."""
    for folder in (path, *path.absolute().parents[:2]):
        try:
            return Layout.from_dict(_read(folder)["layout"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None


def read_formats(out: Path) -> list[str] | None:
    """The formats that the last run in a folder wrote; None if there is no `schema.json` that says so."""
    try:
        return list(_read(out)["formats"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def read_frame(out: Path) -> str:
    """The frame of the coordinates of the last run in a folder; `upright` if there is no `schema.json` that says so."""
    try:
        return str(_read(out)["coordinates"]["frame"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "upright"


def _read(folder: Path) -> dict[str, Any]:
    return json.loads((folder / NAME).read_text(encoding="utf-8"))
