"""Aligned face chips: small square pictures in which the eyes, nose and mouth corners lie where the template says."""

from __future__ import annotations

import errno
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from landmarks.atomic import scratch_path, write_bytes
from landmarks.faces import Faces
from landmarks.formats.text import safe_path
from landmarks.geometry import extract_crop
from landmarks.schemes import Scheme

if TYPE_CHECKING:
    from landmarks.record import Record

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Left eye, right eye, nose, left and right mouth corner (of the image) in a chip of TEMPLATE_SIZE pixels: (5, 2) x, y,
pixel centres at integers. It is the one that most face recognition networks are trained on (ArcFace, 112 x 112)."""
TEMPLATE_SIZE = 112
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)
"""Errors after which no other chip can be written either."""


def template(size: int) -> np.ndarray:
    """TEMPLATE for chips of another size: (5, 2) pixels."""
    return (TEMPLATE + 0.5) * (size / TEMPLATE_SIZE) - 0.5


def chip_matrices(points: np.ndarray, scheme: Scheme, size: int) -> np.ndarray:
    """Similarities that map image pixels to the pixels of `size` x `size` chips. points: (N, K, 2) -> (N, 2, 3).

    Each brings a face's five anchors as close to the template as turning, scaling and shifting can (least squares);
    nothing is mirrored or sheared. Landmarks that are NaN or all in one place give a matrix that is NaN.
    """
    source = scheme.anchors(np.asarray(points, np.float64))  # (N, 5, 2)
    target = template(size)
    source_mean, target_mean = source.mean(axis=1), target.mean(axis=0)
    a, b = source - source_mean[:, None], target - target_mean
    # As complex numbers a similarity is one factor, and least squares a division.
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = (a**2).sum(axis=(1, 2))
        cos = (a * b).sum(axis=(1, 2)) / scale
        sin = (a[..., 0] * b[:, 1] - a[..., 1] * b[:, 0]).sum(axis=1) / scale
    linear = np.stack([np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=-2)  # (N, 2, 2)
    shift = target_mean - (linear @ source_mean[..., None])[..., 0]
    return np.concatenate([linear, shift[..., None]], axis=-1)


def extract_chips(image: np.ndarray, faces: Faces, size: int) -> list[np.ndarray | None]:
    """The chip of each face. image: (H, W, 3) uint8 RGB -> (size, size, 3) uint8, black outside the image.

    None for a face whose landmarks do not exist.
    """
    matrices = chip_matrices(faces.points, faces.scheme, size)
    return [extract_crop(image, matrix, size) if np.isfinite(matrix).all() else None for matrix in matrices]


def check_chips(size: int, suffix: str) -> None:
    """Raises ValueError for chips that cannot be written."""
    if not 8 <= size <= 4096:
        raise ValueError(f"chips must have 8 to 4096 pixels a side, not {size}")
    if suffix not in (".png", ".jpg"):
        raise ValueError(f"chips are .png or .jpg, not {suffix!r}")


@dataclass(frozen=True)
class Chips:
    """Writes chips into a folder, as IMAGE.FACE.png in the image's folders; each appears whole or not at all."""

    folder: Path
    size: int = TEMPLATE_SIZE
    suffix: str = ".png"
    """`.png` or `.jpg`."""

    name: ClassVar[str] = "chips"

    def __post_init__(self) -> None:
        check_chips(self.size, self.suffix)

    def settings(self) -> dict[str, Any]:
        return {"size": self.size, "suffix": self.suffix}

    def write(self, record: Record) -> None:
        """Write the chips of a record that has pixels. A chip that cannot be written costs a warning, not the run.
        Raises OSError if the disk is full."""
        if record.pixels is None:
            return
        for i, chip in enumerate(extract_chips(record.pixels, record.faces, self.size)):
            if chip is not None:
                self._write(self.folder / f"{safe_path(record.image)}.{i}{self.suffix}", chip)

    def _write(self, path: Path, chip: np.ndarray) -> None:
        try:
            data = cv2.imencode(self.suffix, chip[..., ::-1])[1].tobytes()
            write_bytes(path, data, durable=False, partial=scratch_path(self.folder))
        except OSError as error:
            if error.errno in FULL:
                raise
            warnings.warn(f"{path}: no chip ({error.strerror or error})", stacklevel=2)
