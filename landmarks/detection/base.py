"""What a detector is, and what it finds.

Boxes are in pixels of the image given, pixel centres at integers. They may reach over its border where a face does:
cutting them off there would move their centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from landmarks.geometry import BoxRule


@dataclass(frozen=True)
class Detections:
    """N face boxes of one image: largest first; ties go to the leftmost, then the topmost."""

    boxes: np.ndarray
    """(N, 4) float32: x0, y0, x1, y1 in pixels of the image."""
    scores: np.ndarray
    """(N,) float32; NaN where nothing was scored."""

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float32).reshape(-1)
        if len(boxes) != len(scores):
            raise ValueError(f"{len(boxes)} boxes but {len(scores)} scores")
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        order = np.lexsort([boxes[:, 1], boxes[:, 0], -width * height])
        object.__setattr__(self, "boxes", boxes[order])
        object.__setattr__(self, "scores", scores[order])

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, most: int | None = None, smallest: float = 0.0) -> Detections:
        """The `most` largest of the boxes of at least `smallest` pixels: sqrt(width x height)."""
        sides = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0)
        keep = np.flatnonzero(np.sqrt(sides.prod(axis=1)) >= smallest)[:most]
        return Detections(self.boxes[keep], self.scores[keep])


class Detector(Protocol):
    """Finds the face boxes of an image. Threads may share it; a process that was forked off may not."""

    name: str
    rule: BoxRule
    """How its boxes become face squares."""

    @property
    def least_side(self) -> int | None:
        """A long side in pixels that is enough for it: of a larger image it may be given a smaller copy. None: it wants
        every image as it is."""

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        """image: (H, W, 3) uint8 RGB; name: what a file of boxes calls it, of no meaning to other detectors."""

    def settings(self) -> dict[str, Any]:
        """What its boxes depend on beside the image and `rule`, such as a threshold, as JSON takes it."""
