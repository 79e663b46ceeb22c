"""A decoded image and its orientation: stored pixels to upright ones, upright points to stored ones and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from landmarks.errors import ImageError

_TURNS = {
    # EXIF orientation: transpose?, (mirror x?, mirror y?). Stored pixels become upright when they are mirrored, then
    # transposed; upright points become stored ones when they are transposed, then mirrored.
    1: (False, (False, False)),
    2: (False, (True, False)),
    3: (False, (True, True)),
    4: (False, (False, True)),
    5: (True, (False, False)),
    6: (True, (False, True)),
    7: (True, (True, True)),
    8: (True, (True, False)),
}
ORIENTATIONS = tuple(_TURNS)
"""The orientations that EXIF knows."""


@dataclass(frozen=True, eq=False)
class Image:
    """One decoded image, upright: the EXIF orientation of its file is already applied."""

    pixels: np.ndarray
    """(H, W, 3) uint8 RGB."""
    orientation: int = 1
    """EXIF orientation 1..8 of the file; 1: stored upright."""
    note: str = ""
    """One sentence about what was left out, such as the other pictures of an animation, or about damage."""
    damage: str = ""
    """What the decoder complained of, where part of the picture is lost; empty for a sound image."""
    reduction: int = 1
    """The image has so many times as many pixels a side as `pixels`, rounded up: it was decoded only so far."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the upright image; where not given, those of `pixels`."""

    def __post_init__(self) -> None:
        if self.size == (0, 0):
            object.__setattr__(self, "size", self.pixels.shape[1::-1])

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as the file stores them, before the orientation is applied."""
        return (self.height, self.width) if is_turned(self.orientation) else self.size


def from_array(array: np.ndarray, name: str) -> Image:
    """Wrap an upright (H, W, 3) uint8 RGB array; anything else is an ImageError. `name` is for messages."""
    if not isinstance(array, np.ndarray):
        kind = f"a {type(array).__name__}"
    elif array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        kind = f"{array.dtype} of shape {array.shape}"
    else:
        return Image(np.ascontiguousarray(array))
    raise ImageError(name, "unreadable", f"an image must be a NumPy array (H, W, 3) of uint8, RGB; this is {kind}")


def to_stored(points: np.ndarray, image: Image) -> np.ndarray:
    """Map points (..., 2) from upright pixels to the pixels the file stores; pixel centres at integers."""
    transpose, _ = _TURNS[image.orientation]
    points = np.asarray(points)
    return _mirror(points[..., [1, 0]] if transpose else points, image)


def to_upright(points: np.ndarray, image: Image) -> np.ndarray:
    """Map points (..., 2) from the pixels the file stores to upright pixels: the inverse of `to_stored`."""
    transpose, _ = _TURNS[image.orientation]
    points = _mirror(np.asarray(points), image)
    return points[..., [1, 0]] if transpose else points


def from_reduced(points: np.ndarray, image: Image) -> np.ndarray:
    """Map points (..., 2) from the pixels of `image.pixels` to those of the upright image; pixel centres at integers.

    The last column of a reduced picture may stand for fewer pixels than the others; mirroring makes it the first.
    """
    points = np.asarray(points)
    points = points.astype(np.result_type(points, np.float32))
    return ((points + 0.5) * image.reduction - 0.5 + _first_column(image)).astype(points.dtype)


def reduce_squares(squares: np.ndarray, image: Image) -> np.ndarray:
    """Map face squares (N, 4) from the upright image to the pixels of `image.pixels`."""
    centres = (squares[:, :2] + 0.5 - _first_column(image)) / image.reduction - 0.5
    return np.concatenate([centres, squares[:, 2:3] / image.reduction, squares[:, 3:]], axis=1)


def _first_column(image: Image) -> np.ndarray:
    """By how much the first column and row of a reduced picture begin before the image does: (2,) 0 or less."""
    transpose, mirrored = _TURNS[image.orientation]
    lacking = np.array(image.size) - image.reduction * np.array(image.pixels.shape[1::-1])
    return np.where(mirrored[::-1] if transpose else mirrored, lacking, 0)


def _mirror(points: np.ndarray, image: Image) -> np.ndarray:
    """Mirror points (..., 2) in the stored frame, as the orientation asks; floating, a copy."""
    points = points.astype(np.result_type(points, np.float32))
    last = np.array(image.stored_size, points.dtype) - 1
    return np.where(_TURNS[image.orientation][1], last - points, points)


def is_turned(orientation: int) -> bool:
    """Whether width and height change places when an image of this EXIF orientation is turned upright."""
    return _TURNS[orientation][0]


def turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, 3) -> upright pixels."""
    transpose, (mirror_x, mirror_y) = _TURNS[orientation]
    if mirror_x or mirror_y:
        pixels = cv2.flip(pixels, -1 if mirror_x and mirror_y else int(mirror_x))
    return cv2.transpose(pixels) if transpose else pixels
