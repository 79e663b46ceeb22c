"""From a face to a crop and back.

A face square is (centre x, centre y, side, angle): a square in the image, turned clockwise (as seen, y down)
by `angle` radians. A crop matrix (2, 3) maps image pixels to crop pixels. Pixel centres are at integers, so an
image w pixels wide spans -0.5 to w - 0.5 and a mirrored x is w - 1 - x.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landmarks.schemes import Scheme

BOX = ("x0", "y0", "x1", "y1")
"""What the numbers of a box are called in tables and files: left, upper, right, lower side in pixels."""
LONGEST_SIDE = 32_766
"""Of an image that OpenCV 4 warps, in pixels."""


@dataclass(frozen=True)
class BoxRule:
    """How the boxes of one source become face squares; constants fitted on training faces."""

    shift_x: float = 0.0
    """Centre of the landmarks' extent minus box centre, as a share of the box size sqrt(w h)."""
    shift_y: float = 0.0
    extent: float | None = None
    """Larger side of the landmarks' extent over box size; None: the square around the box is the face square."""

    def squares(self, boxes: np.ndarray, crop_scale: float) -> np.ndarray:
        """boxes: (N, 4) x0 y0 x1 y1 in pixels -> upright face squares (N, 4), `crop_scale` extents wide."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        size = np.sqrt(np.maximum(width * height, 0))
        x = (boxes[:, 0] + boxes[:, 2]) / 2 + self.shift_x * size
        y = (boxes[:, 1] + boxes[:, 3]) / 2 + self.shift_y * size
        side = np.maximum(width, height) if self.extent is None else crop_scale * self.extent * size
        return np.stack([x, y, np.maximum(side, 1e-3), np.zeros_like(x)], axis=1)

    def boxes(self, squares: np.ndarray, crop_scale: float) -> np.ndarray:
        """The square boxes (N, 4) that become these upright face squares (N, 4), the inverse of `squares`."""
        x, y, side, _ = np.asarray(squares, np.float64).T
        size = side if self.extent is None else side / (crop_scale * self.extent)
        x, y = x - self.shift_x * size, y - self.shift_y * size
        return np.stack([x - size / 2, y - size / 2, x + size / 2, y + size / 2], axis=1)


FACE_BOX = BoxRule(shift_y=0.067, extent=0.433)
"""What a detector's box, from the forehead to the chin, is like: CenterFace's constants."""


def middle_box(boxes: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Of boxes (N, 4), at least one, that nearest to the middle of the picture (H, W, 3) in units of its size -> (4,).

    Neighbours may be larger than the face that an image was cut out for.
    """
    height, width = picture.shape[:2]
    offset = (boxes[:, :2] + boxes[:, 2:]) / 2 - [(width - 1) / 2, (height - 1) / 2]
    size = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6))
    return boxes[(np.linalg.norm(offset, axis=1) / size).argmin()]


def roll(points: np.ndarray, scheme: Scheme) -> np.ndarray:
    """In-plane rotation of faces. points: (N, K, 2) -> (N,) radians, clockwise as seen; 0 is upright.

    The direction from eye to eye and the direction from eyes to mouth turned by a quarter are added: in a profile
    the first nearly vanishes and the second decides.
    """
    left_eye, right_eye, _, mouth_left, mouth_right = np.moveaxis(scheme.anchors(points), -2, 0)
    across = right_eye - left_eye
    down = (mouth_left + mouth_right) / 2 - (left_eye + right_eye) / 2
    direction = across + np.stack([down[..., 1], -down[..., 0]], axis=-1)
    return np.arctan2(direction[..., 1], direction[..., 0])


def face_squares(points: np.ndarray, scheme: Scheme, scale: float) -> np.ndarray:
    """The canonical face squares. points: (N, K, 2) pixels -> (N, 4).

    Upright with the face; centred on the extent of eye centres, nose tip and mouth corners; the side is `scale` times
    that extent's larger side.
    """
    points = np.asarray(points, np.float64)
    angle = roll(points, scheme)
    upright = rotate(scheme.anchors(points), -angle)
    low, high = upright.min(axis=1), upright.max(axis=1)
    centre = rotate(((low + high) / 2)[:, None], angle)[:, 0]
    side = np.maximum((high - low).max(axis=1) * scale, 1e-3)
    return np.concatenate([centre, side[:, None], angle[:, None]], axis=1)


def rotate(points: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Turn points (N, K, 2) about the origin by `angle` (N,) radians, clockwise as seen."""
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def crop_matrices(squares: np.ndarray, size: int) -> np.ndarray:
    """Matrices that map image pixels to the pixels of `size` x `size` crops. squares: (N, 4) -> (N, 2, 3)."""
    squares = np.asarray(squares, np.float64).reshape(-1, 4)
    x, y, side, angle = squares.T
    zoom = size / side
    cos, sin = zoom * np.cos(angle), zoom * np.sin(angle)
    middle = (size - 1) / 2
    return np.stack(
        [
            np.stack([cos, sin, middle - cos * x - sin * y], axis=1),
            np.stack([-sin, cos, middle + sin * x - cos * y], axis=1),
        ],
        axis=1,
    )


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverse of affine maps (N, 2, 3) -> (N, 2, 3)."""
    linear = np.linalg.inv(matrices[..., :2])
    return np.concatenate([linear, -linear @ matrices[..., 2:]], axis=-1)


def transform(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply affine maps (N, 2, 3) to points (N, K, 2) -> (N, K, 2)."""
    return points @ np.swapaxes(matrices[..., :2], -1, -2) + matrices[..., None, :, 2]


def flip_points(points: np.ndarray, width: int, scheme: Scheme) -> np.ndarray:
    """Points (..., K, 2) of an image `width` pixels wide, after the image was mirrored left to right."""
    mirrored = points[..., list(scheme.swap), :].copy()
    mirrored[..., 0] = width - 1 - mirrored[..., 0]
    return mirrored


def extract_crop(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """The same for one crop. image: (H, W, 3) uint8, matrix: (2, 3) -> (size, size, 3) uint8."""
    return extract_crops([image], np.asarray(matrix)[None], size)[0]


def extract_crops(images: Sequence[np.ndarray], matrices: np.ndarray, size: int) -> np.ndarray:
    """Cut a crop out of each of N images. images: (H, W, 3) uint8, matrices: (N, 2, 3) -> (N, size, size, 3) uint8.

    Outside the image a crop is black. Where the image must shrink by more than 2, its part under the crop is first
    averaged down by a whole factor, so that large faces do not alias. A matrix that is not finite gives black.
    """
    matrices = np.asarray(matrices, np.float64).reshape(-1, 2, 3)
    crops = np.empty((len(matrices), size, size, 3), np.uint8)
    finite = np.isfinite(matrices).all(axis=(1, 2))
    crops[~finite] = 0
    rows = np.flatnonzero(finite).tolist()
    shrunk = _shrink_under_crops([images[row] for row in rows], matrices[rows], size)
    for row, (image, matrix) in zip(rows, shrunk):
        cv2.warpAffine(
            image, matrix, (size, size), dst=crops[row], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
    return crops


def _shrink_under_crops(
    images: Sequence[np.ndarray], matrices: np.ndarray, size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of each image the part under its crop, averaged over factor x factor pixels where that is 2 or more, and the
    matrix for it. What can be reckoned for all at once is: by itself it takes as long as the pixels do."""
    factors = (1 / np.maximum(np.hypot(matrices[:, 0, 0], matrices[:, 1, 0]), 1e-9)).astype(int)
    sides = np.array([image.shape[1::-1] for image in images]).reshape(-1, 2)
    too_long = sides.max(axis=1) > LONGEST_SIDE
    large = np.flatnonzero((factors >= 2) | too_long)
    if not len(large):
        yield from zip(images, matrices)
        return
    factor = np.repeat(factors[large, None], 2, axis=1)
    # A strip may be thinner than the factor; since it must be cut, all there is across it is averaged.
    factor = np.where(too_long[large, None], np.clip(factor, 1, sides[large]), factor)
    linear, shift = matrices[large, :, :2], matrices[large, :, 2:]
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64) - 0.5
    corners = transform(invert(matrices[large]), corners[None])
    low = np.clip(np.floor(corners.min(axis=1)).astype(int) - factor, 0, sides[large])
    high = np.clip(np.ceil(corners.max(axis=1)).astype(int) + factor, 0, sides[large])
    counts = (high - low) // factor
    # A small pixel's centre lies (factor - 1) / 2 pixels after the first of those it averages.
    shift = shift + linear @ (low + (factor - 1) / 2)[..., None]
    small = np.concatenate([linear * factor[:, None], shift], axis=-1)
    place = np.full(len(matrices), -1)
    place[large] = np.where((counts >= 1).all(axis=1), np.arange(len(large)), -1)
    for image, matrix, long, i in zip(images, matrices, too_long, place):
        if i < 0:  # A long one lies outside its crop: a black pixel has as much to show.
            yield (np.zeros_like(image[:1, :1]) if long else image), matrix
            continue
        (x, y), (columns, rows), (across, down) = low[i], counts[i], factor[i]
        part = image[y : y + rows * down, x : x + columns * across]
        yield cv2.resize(part, (int(columns), int(rows)), interpolation=cv2.INTER_AREA), small[i]


@lru_cache(maxsize=16)
def grid_cells(height: int, width: int, strides: tuple[int, ...]) -> np.ndarray:
    """The cells of a detector's grids over an image: (C, 3) float32 centre x, y, measured from the image's corner, and
    stride. Grid after grid as `strides` has them, row by row; parts of cells are left out.

    Most images of a run are of a few sizes, so the same array is given again: it is not to be written to.
    """
    grids = []
    for stride in strides:
        rows, columns = np.indices((height // stride, width // stride)).reshape(2, -1)
        grids.append(np.stack([(columns + 0.5) * stride, (rows + 0.5) * stride, np.full(len(rows), stride)], axis=1))
    return np.concatenate(grids).astype(np.float32)
