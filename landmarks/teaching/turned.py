"""A detector that looks at a photograph four times, each time turned by a quarter more: so it finds the faces of people
who lie or stand on their heads, which detectors trained on upright ones miss."""

from __future__ import annotations

from typing import Any

import numpy as np

from landmarks.detection.base import Detections, Detector
from landmarks.detection.search import suppress

TURNS = 4


class Turned:
    """What a detector finds in a photograph turned by 0, 90, 180 and 270 degrees; of boxes that overlap much, the one
    with the highest score."""

    def __init__(self, detector: Detector) -> None:
        self.detector, self.name, self.rule = detector, detector.name, detector.rule

    @property
    def least_side(self) -> int | None:
        return self.detector.least_side

    def settings(self) -> dict[str, Any]:
        return {**self.detector.settings(), "turns": TURNS}

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        """image: (H, W, 3) uint8 RGB."""
        boxes, scores = [], []
        for turns in range(TURNS):
            found = self.detector(np.ascontiguousarray(np.rot90(image, turns)), name)
            boxes.append(turned_back(found.boxes, turns, image.shape[:2]))
            scores.append(found.scores)
        joined, every = np.concatenate(boxes), np.concatenate(scores)
        keep = suppress(joined, every)
        return Detections(joined[keep], every[keep])


def turned_back(boxes: np.ndarray, turns: int, shape: tuple[int, ...]) -> np.ndarray:
    """Boxes (N, 4) of an image turned by `np.rot90(image, turns)` -> where they are in the image of `shape` (H, W)."""
    boxes = boxes.copy()
    for turn in reversed(range(turns)):
        width = shape[1] if turn % 2 == 0 else shape[0]  # of the image before this turn
        x0, y0, x1, y1 = boxes.T
        boxes = np.stack([width - 1 - y1, x0, width - 1 - y0, x1], axis=1)
    return boxes
