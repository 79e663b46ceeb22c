"""Where a training crop lies in its picture, and where the faces lie in it. Places are measured from the corner."""

from __future__ import annotations

import math

import cv2
import numpy as np

from landmarks.geometry import grid_cells
from landmarks.models.facegrid import STRIDES
from landmarks.schemes import POINTS_5

LEAST_INSIDE = 0.5
"""A face is learned if at least this share of its box is in the crop."""
LEAST_RATIO = 0.6
"""A face is learned if its shorter side is at least this share of the smallest size."""


def crop_matrix(centre: np.ndarray, at: np.ndarray, zoom: float, angle: float, mirror: bool) -> np.ndarray:
    """(2, 3) picture -> crop: `centre` comes to lie at `at`, `zoom` times as large, turned by `angle` radians."""
    cos, sin = zoom * math.cos(angle), zoom * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    if mirror:
        linear[:, 0] *= -1
    return np.concatenate([linear, (at - linear @ centre)[:, None]], axis=1)


def move_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 5, 2) in the picture -> in the crop; a mirroring matrix swaps left and right."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[:, list(POINTS_5.swap)] if np.linalg.det(matrix[:, :2]) < 0 else moved


def move_boxes(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(N, 4) in the picture -> in the crop: the box of the turned ellipse that just fits into the box."""
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    centre = centre @ matrix[:, :2].T + matrix[:, 2]
    half = np.sqrt(half**2 @ (matrix[:, :2] ** 2).T)
    return np.concatenate([centre - half, centre + half], axis=1)


def cut(
    picture: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: tuple[int, ...], smooth: bool
) -> np.ndarray:
    """The crop (h, w, 3) uint8 RGB of a picture (H, W, 1 or 3) uint8. size: (w, h); border: colour of what is outside.

    smooth: pixels are averaged before the picture shrinks much; else it may alias, as copies of other programs do.
    """
    height, width = picture.shape[:2]
    inverse = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0], [size[0], 0], [0, size[1]], size]) @ inverse[:, :2].T + inverse[:, 2]
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, (width, height))
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, (width, height))
    region = picture[low[1] : high[1], low[0] : high[0]]
    if min(region.shape[:2]) == 0:
        return np.full((size[1], size[0], 3), border, np.uint8)
    shrink = int(1 / math.sqrt(abs(np.linalg.det(matrix[:, :2]))) + 0.3) if smooth else 1
    if shrink >= 2 and min(region.shape[:2]) >= shrink:
        h, w = region.shape[0] // shrink, region.shape[1] // shrink
        region = cv2.resize(region[: h * shrink, : w * shrink], (w, h), interpolation=cv2.INTER_AREA)
    else:
        shrink = 1
    region = np.ascontiguousarray(region)
    if region.ndim == 2 or region.shape[2] == 1:
        region = cv2.cvtColor(region, cv2.COLOR_GRAY2RGB)
    # From the region's pixels, counted from their centres, to the crop's.
    linear = matrix[:, :2] * shrink
    offset = matrix[:, :2] @ low + matrix[:, 2] + linear @ [0.5, 0.5] - 0.5
    whole = np.concatenate([linear, offset[:, None]], axis=1)
    return cv2.warpAffine(
        region, whole, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=border
    )


def sort_out(
    boxes: np.ndarray, ignore: np.ndarray, size: tuple[int, int], smallest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which faces of a crop are to be learned, and which to be ignored; the rest is not in it.

    boxes: (N, 4) in the crop, ignore: (N,) bool, size: (w, h) -> (N,) bool twice. Faces smaller than `smallest`, or cut
    by too much, are ignored.
    """
    clipped = np.clip(boxes, 0, np.array([*size, *size], float))
    sides, seen = boxes[:, 2:] - boxes[:, :2], (clipped[:, 2:] - clipped[:, :2]).prod(axis=1)
    area = np.maximum(sides.prod(axis=1), 1e-6)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle_in = ((centre > 0) & (centre < size)).all(axis=1)
    large = (np.sqrt(area) >= smallest) & (sides.min(axis=1, initial=np.inf) >= LEAST_RATIO * smallest)
    learn = ~ignore & large & middle_in & (seen >= LEAST_INSIDE * area)
    return learn, ~learn & (seen > 0)


def crop_cells(side: int) -> np.ndarray:
    """Centre x, y and stride of the cells (C, 3) float32 of a crop of side x side pixels, in the network's order."""
    return grid_cells(side, side, STRIDES)


def ignored_cells(boxes: np.ndarray, side: int) -> np.ndarray:
    """Boxes to ignore (N, 4) -> (cells,) bool: whose centre is in one; on the two finest grids also those near one."""
    places = crop_cells(side)
    if not len(boxes):
        return np.zeros(len(places), bool)
    reach = np.where(places[:, 2] <= STRIDES[1], places[:, 2] / 2, 0)[:, None]
    middle, half = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2
    near = [abs(places[:, axis, None] - middle[:, axis]) <= np.maximum(half[:, axis], reach) for axis in (0, 1)]
    return (near[0] & near[1]).any(axis=1)
