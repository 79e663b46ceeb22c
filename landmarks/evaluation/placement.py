"""First squares that lie as badly as one says beside the canonical ones, and what a network sees in cached faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landmarks.datasets.dataset import Crops
from landmarks.datasets.table import points_of
from landmarks.inference.backend import Backend
from landmarks.inference.config import PASSES
from landmarks.inference.locate import Located, locate
from landmarks.schemes import Scheme


@dataclass(frozen=True)
class Placement:
    """How first squares lie, beside the canonical ones."""

    scale: tuple[float, float] = (1.0, 1.0)
    """Factor on the side, drawn log-uniformly."""
    shift: float = 0.0
    """How far off centre, in any direction, as a share of the canonical side."""
    angle: float = 0.0
    """How far the square is turned away from the upright face, degrees."""

    def squares(self, canonical: np.ndarray, seed: int = 0) -> np.ndarray:
        """canonical: (N, 4) -> first squares (N, 4)."""
        generator = np.random.default_rng(seed)
        squares = canonical.copy()
        count = len(squares)
        direction = generator.uniform(0, 2 * np.pi, count)
        offset = np.stack([np.cos(direction), np.sin(direction)], axis=1) * self.shift * squares[:, 2:3]
        squares[:, :2] += offset
        low, high = np.log(self.scale)
        squares[:, 2] *= np.exp(generator.uniform(low, high, count))
        squares[:, 3] += np.radians(self.angle)
        return squares


def validation_faces(crops: Crops, scheme: Scheme) -> tuple[np.ndarray, np.ndarray]:
    """Those all of whose points are labelled: rows (N,), and points (N, K, 2) in pixels of the cached crops."""
    rows = crops.part("val")
    true = points_of(crops.table.iloc[rows], scheme)
    given = ~np.isnan(true).any(axis=(1, 2))
    return rows[given], true[given]


def locate_crops(
    backend: Backend, crops: Crops, rows: np.ndarray, squares: np.ndarray, passes: int = PASSES
) -> Located:
    """What a network sees in cached faces, given first squares (N, 4) in the pixels of the cached crops."""
    pictures = [crops.picture(row) for row in rows]
    return locate(backend, pictures, np.arange(len(rows)), squares, passes)
