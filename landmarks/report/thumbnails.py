"""Small pictures of faces for a page: where to cut, how far to decode, and the JPEG files themselves."""

from __future__ import annotations

import numpy as np

from landmarks.geometry import crop_matrices, extract_crop
from landmarks.images import Image, reduce_squares

MARGIN, MARGIN_OF_POINTS = 1.25, 2.0
"""Side of a picture over the larger side of what it shows: the box with the landmarks, or these alone."""
LEAST_SIDE, MOST_SIDE = 96, 384
"""Of a picture in pixels; a face of fewer pixels has a smaller one."""
BYTES_PER_PIXEL = 0.2
"""Of a picture's JPEG file, about, at most: photographs of faces have 0.12 to 0.2."""
QUALITY = 80
"""Of JPEG."""


def picture_side(count: int, most_bytes: int) -> int:
    """The side in pixels at which so many pictures take about `most_bytes` together."""
    side = (most_bytes / max(count, 1) / BYTES_PER_PIXEL) ** 0.5
    return int(np.clip(side // 16 * 16, LEAST_SIDE, MOST_SIDE))


def squares_around(boxes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Upright squares around faces with some margin. boxes: (N, 4), points: (N, K, 2), pixels -> (N, 4) face squares.

    What is NaN does not count; a face of which nothing is finite has a square of NaN.
    """
    corners = np.concatenate([boxes.reshape(-1, 2, 2), points], axis=1).astype(np.float64)  # (N, K + 2, 2)
    bad = ~np.isfinite(corners).all(axis=2, keepdims=True)
    low = np.where(bad, np.inf, corners).min(axis=1)
    high = np.where(bad, -np.inf, corners).max(axis=1)
    margin = np.where(np.isfinite(boxes).all(axis=1), MARGIN, MARGIN_OF_POINTS)
    with np.errstate(invalid="ignore"):
        centre, side = (low + high) / 2, np.maximum((high - low).max(axis=1) * margin, 2.0)
    squares = np.concatenate([centre, side[:, None], np.zeros((len(side), 1))], axis=1)
    squares[~np.isfinite(squares).all(axis=1)] = np.nan
    return squares


def whole_image(width: int, height: int) -> np.ndarray:
    """The square around a whole image: (1, 4)."""
    return np.array([[(width - 1) / 2, (height - 1) / 2, max(width, height, 1), 0.0]])


def least_side(size: tuple[int, int], squares: np.ndarray, side: int) -> int:
    """A long side in pixels to which an image may be decoded, for pictures of `side` pixels of its squares (N, 4)."""
    smallest = squares[:, 2].min(initial=np.inf, where=np.isfinite(squares[:, 2]))
    return max(1, round(max(size) * min(1.0, side / smallest)))


def cut(image: Image, squares: np.ndarray, side: int) -> list[bytes]:
    """JPEG files of the squares of an image, black outside it. squares: (N, 4), finite; of at most `side` pixels."""
    import simplejpeg

    found = []
    for square, whole in zip(reduce_squares(squares, image), squares):
        size = int(np.clip(round(whole[2]), 16, side))
        picture = extract_crop(image.pixels, crop_matrices(square, size)[0], size)
        found.append(simplejpeg.encode_jpeg(picture, QUALITY, "RGB", "420"))
    return found
