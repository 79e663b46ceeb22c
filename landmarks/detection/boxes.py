"""Boxes from a file instead of a detector."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.detection.base import Detections
from landmarks.detection.box_names import Matching, alone, clean, match_names
from landmarks.detection.box_table import read_box_table
from landmarks.geometry import FACE_BOX, BoxRule


class BoxFile:
    """Boxes from a CSV file with the columns image, x0, y0, x1, y1 and perhaps score; others are ignored.

    An image of another name than those in the file has no faces, nor has one in a row without coordinates; `match`
    finds the images that the file calls otherwise. Without it, the first image that has no row is told in a warning.
    See `read_box_table` for what else is read.
    rule: of the detector that made the boxes. Raises DataError naming the line that is wrong.
    """

    name = "boxes"
    least_side = None

    def __init__(self, path: str | Path, rule: BoxRule = FACE_BOX) -> None:
        self.rule, self.path = rule, Path(path)
        self._rows = read_box_table(self.path)
        rows = {name: boxes for name, boxes in self._rows.items() if boxes}
        self.digest = hashlib.sha256(repr(rows).encode("utf-8", "surrogatepass")).hexdigest()
        """Tells one file of boxes from another."""
        self._cleaned = alone(self._rows, clean)
        self.matching = Matching({}, {}, frozenset())
        self._told = False
        """Whether the user has been told of images that the file does not name, or will be."""

    @property
    def names(self) -> list[str]:
        """The images that the file names, as it writes them."""
        return list(self._rows)

    def match(self, images: Iterable[str]) -> Matching:
        """Learn the names of all images that are known before a run; gives back how the file's were understood."""
        self.matching = match_names(self._rows, images)
        self._told = True
        return self.matching

    def resolve(self, image: str) -> str | None:
        """What the file calls an image; None if it does not name it."""
        if image in self._rows:
            return image
        return self.matching.aliases.get(image) or self._cleaned.get(image)

    def count(self, name: str) -> int:
        """Number of boxes under a name of the file."""
        return len(self._rows[name])

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        row = self.resolve(name)
        if row is None and not self._told:
            self._told = True
            names = ", ".join(map(repr, self.names[:2])) or "no image"
            warnings.warn(f"{self.path}: has no row for {name!r}, but for {names}, ...: no faces there", stacklevel=2)
        rows = np.array(self._rows.get(row or "", []), np.float32).reshape(-1, 5)
        return Detections(rows[:, :4], rows[:, 4])

    def settings(self) -> dict[str, Any]:
        return {"digest": self.digest}
