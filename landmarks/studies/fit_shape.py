"""The mean face in three dimensions, from faces whose 68 points are labelled in pictures alone.

    python -m landmarks.studies.fit_shape prepared/300w

prints the table in `landmarks.mean_shape`. A face in many poses under scaled orthographic projection gives a matrix of
rank three, which factors into poses and a shape (Tomasi and Kanade, IJCV 1992); the camera's axes are orthogonal, which
tells the shape up to a rotation and a reflection. From there poses and shape are fitted in turns, each point weighted
by the inverse of the variance of what no rigid face explains: lips and jaw move, so they count less. Mirrored faces are
added, so that the shape is symmetric. It looks straight ahead where the mean of the faces does; the nose is in front.
"""

from __future__ import annotations

import argparse

import numpy as np

from landmarks.datasets.dataset import load_crops
from landmarks.datasets.table import points_of
from landmarks.schemes import POINTS_68

OUTER_EYES = (36, 45)
"""Whose distance is 1."""
TURNS, STEPS = 40, 4
"""Times that shape and poses are fitted in turns, and steps of the poses in each."""
LEAST_SPREAD = 0.02
"""Added to what no rigid face explains, so that no point decides alone."""


def fit_shape(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """points: (N, 68, 2) pixels -> shape (68, 3): x to the right, y down, z away from the camera, the outer corners of
    the eyes 1 apart; weights (68,), the largest 1."""
    mirrored = points[:, list(POINTS_68.swap)] * [-1, 1]
    faces = np.concatenate([points, mirrored])
    weights = np.ones(len(POINTS_68))
    shape, turns = _factorise(_centred(faces, weights))
    for _ in range(TURNS):
        shape = _straight(_centred(shape[None], weights)[0], turns)
        flat = _centred(faces, weights)
        turns, sizes = _poses(flat, shape, weights)
        flat = flat / sizes[:, None, None]
        normal = np.einsum("nca,ncb->ab", turns[:, :2], turns[:, :2])
        shape = np.linalg.solve(normal, np.einsum("nca,nkc->ka", turns[:, :2], flat).T).T
        shape = (shape + shape[list(POINTS_68.swap)] * [-1, 1, 1]) / 2
        rest = flat - np.einsum("nca,ka->nkc", turns[:, :2], shape)
        eyes = np.linalg.norm(shape[OUTER_EYES[0]] - shape[OUTER_EYES[1]])
        weights = 1 / ((rest**2).sum(axis=2).mean(axis=0) + (LEAST_SPREAD * eyes) ** 2)
        weights /= weights.max()
    return _centred(shape[None] / eyes, weights)[0], weights


def _centred(points: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, K, D) less the weighted mean of each face's points."""
    return points - (points * weights[:, None]).sum(axis=1, keepdims=True) / weights.sum()


def _factorise(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centred faces (N, K, 2) -> a first shape (K, 3) and rotations (N, 3, 3) by Tomasi and Kanade."""
    faces = faces / np.sqrt((faces**2).sum(axis=(1, 2), keepdims=True))
    left, values, right = np.linalg.svd(faces.transpose(0, 2, 1).reshape(-1, faces.shape[1]), full_matrices=False)
    cameras = (left[:, :3] * values[:3]).reshape(-1, 2, 3)
    x, y = cameras[:, 0], cameras[:, 1]

    def products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Coefficients of the six numbers of a symmetric matrix L in a L b."""
        pairs = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
        return np.stack([a[:, i] * b[:, j] + (a[:, j] * b[:, i] if i != j else 0) for i, j in pairs], axis=1)

    system = np.concatenate([products(x, x) - products(y, y), products(x, y)])
    a, b, c, ab, ac, bc = np.linalg.svd(system, full_matrices=False)[2][-1]
    metric = np.array([[a, ab, ac], [ab, b, bc], [ac, bc, c]]) * np.sign(a + b + c)
    scales, axes = np.linalg.eigh(metric)
    root = axes * np.sqrt(np.maximum(scales, 1e-6 * scales.max()))
    return np.linalg.solve(root, right[:3]).T, _rotations(cameras @ root)


def _rotations(maps: np.ndarray) -> np.ndarray:
    """The rotations (N, 3, 3) whose first two rows are nearest to maps (N, 2, 3)."""
    left, _, right = np.linalg.svd(maps, full_matrices=False)
    rows = left @ right
    return np.concatenate([rows, np.cross(rows[:, :1], rows[:, 1:2])], axis=1)


def _straight(shape: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """The shape turned so that the mean rotation is none, the nose towards the camera."""
    left, _, right = np.linalg.svd(turns.mean(axis=0))
    shape = shape @ (left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right).T
    return shape * [1, 1, -np.sign(shape[30, 2] - shape[list(OUTER_EYES), 2].mean())]


def _poses(faces: np.ndarray, shape: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (N, 3, 3) and sizes (N,) of least weighted error: the depths that the pictures lack are those that the
    last pose gives, so that each step is an orthogonal Procrustes problem."""
    inverse = np.linalg.pinv(shape * np.sqrt(weights)[:, None]) * np.sqrt(weights)
    turns = _rotations(np.einsum("nkc,dk->ncd", faces, inverse))
    for _ in range(STEPS):
        flat = np.einsum("kd,ncd->nkc", shape, turns[:, :2])
        sizes = (weights[:, None] * flat * faces).sum(axis=(1, 2)) / (weights[:, None] * flat**2).sum(axis=(1, 2))
        depths = sizes[:, None] * (turns[:, 2] @ shape.T)
        full = np.concatenate([faces, depths[..., None]], axis=2)
        left, _, right = np.linalg.svd(np.einsum("k,nka,kb->nab", weights, full, shape))
        left[:, :, 2] *= np.linalg.det(left @ right)[:, None]
        turns = left @ right
    return turns, sizes


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit the mean face in three dimensions.")
    parser.add_argument("data", help="prepared folder with faces of 68 points")
    crops = load_crops(parser.parse_args().data)
    points = points_of(crops.table.iloc[crops.part("train")], POINTS_68)
    shape, weights = fit_shape(points[np.isfinite(points).all(axis=(1, 2))])
    for row in np.column_stack([shape, weights]):
        print("    (" + ", ".join(f"{value:.3f}" for value in row) + "),")


if __name__ == "__main__":
    main()
