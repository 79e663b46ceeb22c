"""How a head is turned, in degrees, from its landmarks.

A rigid face (`landmarks.mean_shape`) is laid over the points under scaled orthographic projection, as POS does
(DeMenthon and Davis, IJCV 1995): the linear map of least weighted error, and the rotation nearest to it (its polar
factor).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from landmarks.mean_shape import MEAN_SHAPE, WEIGHTS
from landmarks.schemes import POINTS_5, POINTS_68, SCHEMES, Scheme


def head_angles(points: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Yaw, pitch and roll of faces. points: (N, K, 2) pixels -> (N, 3) float32 degrees; NaN where points are not
    finite, or all one.

    Roll is how the face is turned in the image, positive clockwise, -180 to 180. Yaw and pitch are those of the face
    turned upright: yaw is positive where it looks to the right of the image, -90 to 90; pitch where it looks up. Zero
    is how the mean face of 300-W looks. From all points of 68, of other schemes from the five that stand for the face.
    """
    if scheme is not POINTS_68:
        points, scheme = scheme.anchors(points), POINTS_5
    shape, solve = _model(scheme.name)
    finite = np.isfinite(points).all(axis=(1, 2))
    points = np.where(finite[:, None, None], points, shape[:, :2]).astype(np.float64)
    maps = np.einsum("nkc,ka->nca", points - points.mean(axis=1, keepdims=True), solve)
    left, sizes, right = np.linalg.svd(maps, full_matrices=False)
    x, y = np.moveaxis(left @ right, 1, 0)
    depth = np.cross(x, y)
    yaw, pitch = np.arcsin(np.clip(depth[:, 0], -1, 1)), -np.arctan2(depth[:, 1], depth[:, 2])
    roll = np.arctan2(y[:, 0], x[:, 0])
    angles = np.degrees(np.stack([yaw, pitch, roll], axis=1)).astype(np.float32)
    angles[~finite | (sizes[:, 0] < 1e-6)] = np.nan
    return angles


@lru_cache
def _model(scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """Points (K, 3) of the mean face, and (K, 3) with which centred points are multiplied for the linear map (2, 3)."""
    shape, weights = np.array(MEAN_SHAPE), np.array(WEIGHTS)
    if scheme != POINTS_68.name:
        shape = POINTS_68.anchors(shape)
        weights = np.ones(len(SCHEMES[scheme]))
    centred = shape - weights @ shape / weights.sum()
    root = np.sqrt(weights)[:, None]
    return shape, np.linalg.pinv(centred * root).T * root
