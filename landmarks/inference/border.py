"""What the border of an image takes from the quality of a face: the network answers for what it cannot see, too, and is
sure of it.

Measured on faces of photographs that were cut through their middle at each border (docs/networks.md): where 3 of 5
landmarks are left in the image the network's own quality holds, where 2 are left it says .67 and .16 of the faces are
good; and of half a face, its eyes at the lower border, it makes a whole one that is upside down.
"""

from __future__ import annotations

import numpy as np

from landmarks.geometry import face_squares, roll
from landmarks.schemes import Scheme

ENOUGH, TOO_FEW = 0.6, 0.3
"""Shares of a face's landmarks inside the image from which on its quality is what the network says, and is 0."""
NEAR, FAR = 0.5, 1.0
"""For a face that is turned by more than a quarter: the distance from its centre to the border, as a share of the face
size, up to which its quality is 0, and from which on it is what the network says."""


def border_factors(points: np.ndarray, sizes: np.ndarray, scheme: Scheme) -> np.ndarray:
    """What quality is multiplied with. points: (N, K, 2), sizes: (N, 2) width and height, pixels -> (N,) in 0 to 1.

    0 for a face whose points are not finite.
    """
    finite = np.isfinite(points).all(axis=(1, 2))
    points = np.where(finite[:, None, None], points, 0.0)
    anchors, last = scheme.anchors(points), sizes[:, None] - 0.5
    inside = ((anchors > -0.5) & (anchors < last)).all(axis=2).mean(axis=1)
    squares = face_squares(points, scheme, scale=1.0)
    centres, extents = squares[:, :2], squares[:, 2]
    distance = np.minimum(centres + 0.5, sizes - 0.5 - centres).min(axis=1) / extents
    turned = np.abs(roll(points, scheme)) > np.pi / 2
    factors = _ramp(inside, TOO_FEW, ENOUGH) * np.where(turned, _ramp(distance, NEAR, FAR), 1.0)
    return np.where(finite, factors, 0.0).astype(np.float32)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 up to `low`, 1 from `high` on."""
    return np.clip((values - low) / (high - low), 0.0, 1.0)
