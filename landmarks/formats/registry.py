"""All formats, by the names that `--format` takes."""

from __future__ import annotations

from landmarks.formats.format import Format
from landmarks.formats.own import jsonl, parquet, tables
from landmarks.formats.tools import coco, cvat, labelstudio, pts, yolo

FORMATS: dict[str, Format] = {
    "parquet": parquet.FORMAT,
    "jsonl": jsonl.FORMAT,
    "csv": tables.FORMAT,
    "coco": coco.FORMAT,
    "labelstudio": labelstudio.FORMAT,
    "cvat": cvat.FORMAT,
    "yolo": yolo.FORMAT,
    "pts": pts.FORMAT,
}
"""The one that holds most first: of several in a folder it is read."""
