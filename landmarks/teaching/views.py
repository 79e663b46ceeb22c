"""A detector that looks at a photograph three times: as it is, mirrored, and enlarged. How sure it is in all of them
tells faces that are hard to see from what looks like one, better than a single look and better than whether another
detector agrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from landmarks.detection.base import Detections, Detector
from landmarks.detection.overlap import overlaps

ENLARGED = 1.6
"""By how much the third look's copy is larger."""
SAME = 0.4
"""Boxes of two looks that overlap more are of the same face."""


class Views:
    """What a detector finds in three looks; a face's score is the mean of theirs, 0 where a look does not find it."""

    def __init__(self, detector: Detector, larger: Detector) -> None:
        """larger: the same detector, which takes copies ENLARGED times as large."""
        self.detector, self.larger, self.name, self.rule = detector, larger, detector.name, detector.rule

    @property
    def least_side(self) -> int | None:
        return self.larger.least_side

    def settings(self) -> dict[str, Any]:
        return {**self.detector.settings(), "views": ["whole", "mirrored", ENLARGED]}

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        """image: (H, W, 3) uint8 RGB."""
        width = image.shape[1]
        mirrored = self.detector(np.ascontiguousarray(image[:, ::-1]), name)
        back = mirrored.boxes.copy()
        back[:, [0, 2]] = width - 1 - mirrored.boxes[:, [2, 0]]
        larger, zoom = self._enlarge(image)
        found = self.larger(larger, name)
        scaled = (found.boxes.reshape(-1, 2, 2) + 0.5) / zoom - 0.5
        looks = [self.detector(image, name), Detections(back, mirrored.scores)]
        return mean_of([*looks, Detections(scaled.reshape(-1, 4), found.scores)])

    def _enlarge(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The image, larger if it is no larger than the first look's copy, and by how much in x and y (2,)."""
        height, width = image.shape[:2]
        most = self.larger.least_side or max(height, width)
        factor = min(ENLARGED, most / max(height, width))
        if factor <= 1:
            return image, np.ones(2)
        copy = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
        return copy, np.array([copy.shape[1] / width, copy.shape[0] / height])


def mean_of(looks: Sequence[Detections]) -> Detections:
    """The faces of several looks at one image: boxes are means, weighted by scores; scores are means over all looks."""
    boxes = np.concatenate([look.boxes for look in looks]).astype(float)
    scores = np.concatenate([look.scores for look in looks]).astype(float)
    owners = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    table, free = overlaps(boxes, boxes), np.ones(len(boxes), bool)
    means: list[np.ndarray] = []
    sure: list[float] = []
    for i in np.argsort(-scores, kind="stable"):
        if not free[i]:
            continue
        same = free & (table[i] > SAME)
        same[i] = True
        free &= ~same
        best = [scores[same & (owners == owner)].max(initial=0.0) for owner in range(len(looks))]
        means.append(np.average(boxes[same], axis=0, weights=scores[same]))
        sure.append(float(np.mean(best)))
    return Detections(np.array(means).reshape(-1, 4), np.array(sure))
