"""Photographs that are copies of ones on which something is measured: who learns from them knows the answers.

Photographs of the web are in several datasets, under other names and encoded anew. Two count as one photograph if small
grey copies of them, one perhaps mirrored, correlate by LEAST or more.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from landmarks.datasets.photographs import Photographs
from landmarks.errors import ImageError

SIDE, LEAST = 32, 0.98
"""Pixels a side of the small copies, and the correlation."""
HELD = ("val", "test")
"""The parts of a dataset that something is measured on."""


class Held:
    """The photographs of some datasets that are for measuring alone."""

    def __init__(self, datasets: Sequence[Photographs]) -> None:
        """Photographs that cannot be decoded have no copies."""
        self.names: list[str] = []
        small = [np.zeros((0, SIDE * SIDE), np.float32)]
        for data in datasets:
            for name in [name for part in HELD for name in data.names(part)]:
                try:
                    small.append(thumbnail(data.pixels(name))[None])
                except ImageError:
                    continue
                self.names.append(f"{data.name}: {name}")
        self._small = np.concatenate(small)

    def copy_of(self, pixels: np.ndarray) -> str:
        """Which of them a photograph (H, W, 3) uint8 RGB is a copy of; empty for none."""
        if not self.names:
            return ""
        alike = np.maximum(*(self._small @ thumbnail(side) for side in (pixels, pixels[:, ::-1])))
        return self.names[int(alike.argmax())] if alike.max() >= LEAST else ""


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A photograph (H, W, 3) uint8 as a vector (SIDE * SIDE,) of mean 0 and length 1; all 0 if it is of one grey."""
    small = cv2.resize(np.ascontiguousarray(pixels), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = small.mean(axis=2, dtype=np.float32).ravel()
    grey -= grey.mean()
    length = float(np.linalg.norm(grey))
    return np.asarray(grey / length if length > 1e-3 else np.zeros_like(grey))
