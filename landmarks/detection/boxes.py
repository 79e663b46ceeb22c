"""Boxes from a file instead of a detector."""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.detection.base import Detections
from landmarks.errors import DataError
from landmarks.geometry import BOX, FACE_BOX, BoxRule


class BoxFile:
    """Boxes from a CSV file with the columns image, x0, y0, x1, y1 and perhaps score; others are ignored.

    An image of another name than those in the file has no faces, nor has one in a row without coordinates.
    rule: of the detector that made the boxes. Raises DataError naming the line that is wrong.
    """

    name = "boxes"

    def __init__(self, path: str | Path, rule: BoxRule = FACE_BOX) -> None:
        self.rule = rule
        self._rows: dict[str, list[tuple[float, ...]]] = {}
        for image, row in _read_boxes(Path(path)):
            self._rows.setdefault(image, []).append(row)
        self.digest = hashlib.sha256(repr(self._rows).encode()).hexdigest()
        """Tells one file of boxes from another."""

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        rows = np.array(self._rows.get(name, []), np.float32).reshape(-1, 5)
        return Detections(rows[:, :4], rows[:, 4])

    def settings(self) -> dict[str, Any]:
        return {"digest": self.digest}


def _read_boxes(path: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Image name and (x0, y0, x1, y1, score) of each row with coordinates. Raises DataError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"image", *BOX} - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path} line 1: the column {sorted(missing)[0]} is missing; wanted image,x0,y0,x1,y1")
            for row in reader:
                if any(row[name] != "" for name in BOX):
                    yield row["image"], _parse_box(row, f"{path} line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file of boxes ({error})") from error


def _parse_box(row: dict[str, str], where: str) -> tuple[float, ...]:
    """x0, y0, x1, y1, score of a row of a file of boxes. Raises DataError."""
    try:
        x0, y0, x1, y1 = box = tuple(float(row[name]) for name in BOX)
        score = float(row.get("score") or "nan")
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: a coordinate or the score is not a number ({error})") from error
    if not (row["image"] and all(map(math.isfinite, box)) and x0 < x1 and y0 < y1):
        raise DataError(f"{where}: a box needs an image name, finite numbers, x0 < x1 and y0 < y1")
    return *box, score
