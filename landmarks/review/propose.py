"""Where a network sees the landmarks of a face whose box a person has drawn, or which a person has turned."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.corrections.correction import Box, checked_box
from landmarks.detection.base import Detections
from landmarks.errors import LandmarksError
from landmarks.formats.layout import Layout
from landmarks.geometry import FACE_BOX, BoxRule, face_squares
from landmarks.inference.annotator import Annotator
from landmarks.models.config import NetworkConfig
from landmarks.review.shown import plain_value
from landmarks.schemes import UNCERTAIN, Scheme
from landmarks.scores import AttributeScores

AROUND = 1.5
"""Boxes of surroundings on each side of a face that the network is shown."""


@dataclass
class DrawnBoxes:
    """In place of a detector: boxes come from a person, and are like those of detectors."""

    name: str = "drawn"
    rule: BoxRule = FACE_BOX
    least_side: int | None = None

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return Detections(np.zeros((0, 4)), np.zeros(0))

    def settings(self) -> dict[str, Any]:
        return {}


class Proposals:
    """A network for one run's landmarks, and for those of its attributes and quantities that it knows. It is loaded
    when it is first asked; threads may share it."""

    def __init__(self, weights: str | Path, layout: Layout) -> None:
        self.weights, self.layout = weights, layout
        self._annotator: Annotator | None = None
        self._lock = threading.Lock()

    def annotator(self) -> Annotator:
        """Raises LandmarksError if the network cannot be loaded or lacks the run's landmarks."""
        from landmarks.inference.backend import load_backend

        with self._lock:
            if self._annotator is None:
                backend = load_backend(self.weights)
                tasks = shared_tasks(self.layout, backend.config)
                self._annotator = Annotator(backend, DrawnBoxes(), scheme=len(self.layout.scheme), tasks=tasks)
            return self._annotator

    def __call__(self, pixels: np.ndarray, box: Box, quarters: int = 0) -> dict[str, Any]:
        """Landmarks, attributes and quantities of the face in a box of an image (H, W, 3), as the page takes them.

        quarters: quarter turns, clockwise, by which the face is turned in the image. Raises LandmarksError.
        """
        x0, y0, x1, y1 = checked_box(box)
        height, width = pixels.shape[:2]
        reach = AROUND * max(x1 - x0, y1 - y0)
        left, top = max(int(x0 - reach), 0), max(int(y0 - reach), 0)
        part = pixels[top : max(int(y1 + reach), 0), left : max(int(x1 + reach), 0)]
        if not part.size or x1 < 0 or y1 < 0 or x0 >= width or y0 >= height:
            raise LandmarksError("the box lies outside the picture; draw it around a face")
        corners = turn(np.array([[x0 - left, y0 - top], [x1 - left, y1 - top]]), part.shape, quarters)
        turned = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        (faces,) = self.annotator().predict([np.ascontiguousarray(np.rot90(part, quarters))], [turned[None]])
        points = turn_back(faces.points[0].astype(float), part.shape, quarters) + np.array([left, top])
        if not np.isfinite(points).all():
            raise LandmarksError("the network finds no landmarks there; move them by hand")
        labels = {name: _label(scores) for name, scores in faces.attributes.items()}
        numbers = {name: plain_value(quantity.values[0]) for name, quantity in faces.quantities.items()}
        return {"points": points.round(3).tolist(), "attributes": labels, "quantities": numbers}


def _label(scores: AttributeScores) -> dict[str, Any]:
    """Of the first face, as the page takes it: what is uncertain has no label."""
    label = scores.labels[0].item()
    return {"label": None if label == UNCERTAIN else label, "probability": round(float(scores.confidence[0]), 4)}


def shared_tasks(layout: Layout, config: NetworkConfig) -> list[str]:
    """The attributes and quantities of a run that a network knows and means the same by."""
    attributes = [
        name for name in layout.attributes
        if name in config.attributes and config.attribute(name) == layout.attribute(name)
    ]  # fmt: skip
    return attributes + [name for name, one in layout.quantities.items() if config.quantities.get(name) == one]


def turn(points: np.ndarray, shape: tuple[int, ...], quarters: int) -> np.ndarray:
    """Points (..., 2) of an image of this shape after `np.rot90(image, quarters)`."""
    height, width = shape[:2]
    for _ in range(quarters % 4):
        points = np.stack([points[..., 1], width - 1 - points[..., 0]], axis=-1)
        height, width = width, height
    return points


def turn_back(points: np.ndarray, shape: tuple[int, ...], quarters: int) -> np.ndarray:
    """The inverse of `turn`."""
    turned = shape[:2] if quarters % 2 == 0 else shape[1::-1]
    return turn(points, turned, -quarters)


def box_around(points: np.ndarray, scheme: Scheme) -> Box:
    """A box as a detector would give it for a face with these landmarks, (K, 2)."""
    x, y, side, _ = face_squares(points[None], scheme, 1.0)[0].tolist()
    size = side / (FACE_BOX.extent or 1)
    y -= FACE_BOX.shift_y * size
    return x - size / 2, y - size / 2, x + size / 2, y + size / 2
