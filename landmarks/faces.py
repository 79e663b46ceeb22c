"""Faces: what was found in one image, as one struct of arrays with an empty value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from landmarks.schemes import ATTRIBUTES, POINTS_5, Attribute, Scheme


@dataclass(frozen=True)
class AttributeScores:
    """One attribute of N faces."""

    attribute: Attribute
    probabilities: np.ndarray
    """(N, C) float32; each row sums to 1."""

    @property
    def indices(self) -> np.ndarray:
        """(N,) int64: the most probable class of each face."""
        return self.probabilities.argmax(axis=1)

    @property
    def labels(self) -> np.ndarray:
        """(N,) str: its text, such as `smiling`."""
        return np.asarray(self.attribute.labels)[self.indices]

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float32: its probability."""
        return self.probabilities.max(axis=1, initial=0)


@dataclass(frozen=True)
class Faces:
    """N faces of one image. Pixels of the upright image (EXIF orientation applied), pixel centres at integers."""

    boxes: np.ndarray
    """(N, 4) float32: x0, y0, x1, y1 as the detector gave them."""
    points: np.ndarray
    """(N, K, 2) float32: x, y of each landmark."""
    scores: np.ndarray
    """(N,) float32: the detector's score; NaN where there was no detector."""
    attributes: dict[str, AttributeScores] = field(default_factory=dict)
    scheme: Scheme = POINTS_5
    point_errors: np.ndarray | None = None
    """(N, K) float32: expected error of each point as a share of the face size, which is the larger side of the extent
    of eyes, nose and mouth corners; None if the network is not calibrated."""
    quality: np.ndarray | None = None
    """(N,) float32: probability that the points' mean error is below a tenth of the face size; low for what is no face;
    None if the network is not calibrated."""

    def __post_init__(self) -> None:
        n, k = len(self.boxes), len(self.scheme)
        shapes = {"boxes": (n, 4), "points": (n, k, 2), "scores": (n,), "point_errors": (n, k), "quality": (n,)}
        for name, shape in shapes.items():
            if getattr(self, name) is None and name in ("point_errors", "quality"):
                continue
            array = np.asarray(getattr(self, name), dtype=np.float32)
            if array.shape != shape:
                raise ValueError(f"{name} must have shape {shape}, not {array.shape}")
            object.__setattr__(self, name, array)
        for name, scores in self.attributes.items():
            shape = (n, len(scores.attribute))
            if scores.probabilities.shape != shape:
                raise ValueError(f"{name} probabilities must have shape {shape}, not {scores.probabilities.shape}")

    @classmethod
    def empty(cls, scheme: Scheme = POINTS_5, attributes: tuple[str, ...] = (), calibrated: bool = False) -> Faces:
        """No faces, with the same fields as any other result of a network (that is calibrated)."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            points=np.zeros((0, len(scheme), 2), np.float32),
            scores=np.zeros(0, np.float32),
            attributes={
                name: AttributeScores(ATTRIBUTES[name], np.zeros((0, len(ATTRIBUTES[name])), np.float32))
                for name in attributes
            },
            scheme=scheme,
            point_errors=np.zeros((0, len(scheme)), np.float32) if calibrated else None,
            quality=np.zeros(0, np.float32) if calibrated else None,
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index) -> Faces:
        """The faces that an integer, slice, mask or index array picks; always a Faces."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        return Faces(
            boxes=self.boxes[index],
            points=self.points[index],
            scores=self.scores[index],
            attributes={
                name: AttributeScores(scores.attribute, scores.probabilities[index])
                for name, scores in self.attributes.items()
            },
            scheme=self.scheme,
            point_errors=None if self.point_errors is None else self.point_errors[index],
            quality=None if self.quality is None else self.quality[index],
        )

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def to_frame(self) -> pd.DataFrame:
        """A row a face: face, x0 y0 x1 y1, score, quality, NAME_x NAME_y NAME_error of each landmark, then each
        attribute's label and that label's probability. Without quality and errors where there are none."""
        columns: dict[str, np.ndarray] = {"face": np.arange(len(self))}
        columns.update(zip(("x0", "y0", "x1", "y1"), self.boxes.T))
        columns["score"] = self.scores
        if self.quality is not None:
            columns["quality"] = self.quality
        for i, name in enumerate(self.scheme.points):
            columns[f"{name}_x"], columns[f"{name}_y"] = self.points[:, i, 0], self.points[:, i, 1]
            if self.point_errors is not None:
                columns[f"{name}_error"] = self.point_errors[:, i]
        for name, scores in self.attributes.items():
            columns[name] = scores.labels
            columns[f"{name}_probability"] = scores.confidence
        return pd.DataFrame(columns)
