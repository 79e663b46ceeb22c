"""The face boxes of an image, found in copies of it by a network that sees faces of some sizes only."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from landmarks.detection.base import Detections

STRIDE = 32
"""The networks want sides that are multiples of this."""
MIN_SIDE = 320
"""A smaller image is enlarged to this long side, so that its small faces are seen."""
COARSE_SIDE, COARSE_BORDER = 128, 32
"""Long side and black border of the copy on which faces are sought that fill the image; best of those tried."""
COARSE_SHARE = 0.5
"""The coarse look is for boxes at least this large, as a share of the image's long side; others are left out."""
MOST_ENLARGED = 2.0
"""By how much `fit` makes a small picture larger: photographs gain, and face crops stay quick."""
MAX_OVERLAP = 0.3
"""Of two boxes whose intersection over union is larger, the one with the lower score goes."""

Find = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(H, W, 3) uint8 RGB, sides multiples of STRIDE -> boxes (N, 4) measured from the image's corner, scores (N,)."""


def search(image: np.ndarray, find: Find, max_side: int) -> Detections:
    """The faces of an image (H, W, 3) uint8 RGB, by two looks at copies of it.

    The networks do not see faces larger than about 250 pixels, nor such as fill the image to its border. So a coarse
    look at a small copy with a border adds the faces that are large in the image.
    """
    size = (image.shape[1], image.shape[0])
    fine = _resize(image, min(max(*size, MIN_SIDE), max_side))
    boxes, scores = _look(fine, find, size, border=0)
    large, large_scores = _look(_resize(fine, COARSE_SIDE), find, size, border=COARSE_BORDER)
    is_large = (large[:, 2:] - large[:, :2]).max(axis=1, initial=0) >= COARSE_SHARE * max(size)
    boxes, scores = np.concatenate([boxes, large[is_large]]), np.concatenate([scores, large_scores[is_large]])
    keep = suppress(boxes, scores)
    return Detections(boxes[keep] - 0.5, scores[keep])


def _look(copy: np.ndarray, find: Find, size: tuple[int, int], border: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces of a scaled copy -> boxes (N, 4) measured from the corner of the image, w x h = `size`, and scores (N,)."""
    height, width = copy.shape[:2]
    right, bottom = border + -(width + 2 * border) % STRIDE, border + -(height + 2 * border) % STRIDE
    boxes, scores = find(cv2.copyMakeBorder(copy, border, bottom, border, right, cv2.BORDER_CONSTANT))
    corners = (boxes.reshape(-1, 2, 2) - border) * (size[0] / width, size[1] / height)
    return corners.reshape(-1, 4), scores


def shrink(image: np.ndarray, side: int) -> tuple[np.ndarray, tuple[float, float]]:
    """A copy of at most `side` pixels a side, and how many of the image's are one of its own, in x and y.

    The image is halved as often as it can be, then taken bilinearly: OpenCV does both several times faster than it
    averages over parts of pixels. A last odd row or column is left out.
    """
    halvings = 0
    while max(image.shape[:2]) >= 2 * side and min(image.shape[:2]) >= 2:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        halvings += 1
        image = cv2.resize(image[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    height, width = image.shape[0] << halvings, image.shape[1] << halvings
    if max(image.shape[:2]) > side:
        image = cv2.resize(image, _scaled(image, side), interpolation=cv2.INTER_LINEAR)
    return image, (width / image.shape[1], height / image.shape[0])


def fit(image: np.ndarray, side: int) -> tuple[np.ndarray, tuple[float, float]]:
    """A copy of at most `side` pixels a side, and how many of the image's are one of its own, in x and y.

    A large image is shrunk as by `shrink`, a small one enlarged, by no more than MOST_ENLARGED.
    """
    small, (across, down) = shrink(image, side)
    longest = max(small.shape[:2])
    copy = _resize(small, min(side, round(MOST_ENLARGED * longest))) if longest < side else small
    return copy, (across * small.shape[1] / copy.shape[1], down * small.shape[0] / copy.shape[0])


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    """The image with a long side of `side` pixels."""
    return cv2.resize(
        image,
        _scaled(image, side),
        interpolation=cv2.INTER_AREA if side < max(image.shape[:2]) else cv2.INTER_LINEAR,
    )


def _scaled(image: np.ndarray, side: int) -> tuple[int, int]:
    """Width and height of the image with a long side of `side` pixels."""
    zoom = side / max(image.shape[:2])
    return max(1, round(image.shape[1] * zoom)), max(1, round(image.shape[0] * zoom))


def suppress(boxes: np.ndarray, scores: np.ndarray, max_overlap: float = MAX_OVERLAP) -> np.ndarray:
    """Indices of the boxes that no box of higher score overlaps much. boxes: (N, 4), scores: (N,)."""
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return np.array(cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, max_overlap), int)
