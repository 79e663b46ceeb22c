"""Faces and their surroundings, cut out of a dataset's images once for all epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.left_out import COPY, NOWHERE, UNSEEN, LeftOut
from landmarks.datasets.table import BOX
from landmarks.errors import DataError, ImageError
from landmarks.geometry import FACE_BOX, crop_matrices, extract_crop, middle_box, transform
from landmarks.schemes import SCHEMES

if TYPE_CHECKING:
    from landmarks.datasets.dataset import Dataset
    from landmarks.detection.base import Detector

CACHE_SIZE = 192
"""Side of a cached crop in pixels."""
CACHE_SCALE = 4.0
"""Side of a cached crop over the larger side of the landmarks' extent: room for every augmentation."""


def cut_faces(
    dataset: Dataset,
    rows: np.ndarray,
    path: Path,
    left_out: LeftOut,
    progress: Callable[[int, int], None],
    detector: Detector | None,
) -> tuple[pd.DataFrame, list[int]]:
    """Cut the faces of some rows and write them to a file of pixels, of which the last ones stay unused where an image
    is left out. Returns the table of those cut, points and boxes in crop pixels, and the rows without a usable image.
    """
    table = dataset.table.copy()  # in which found boxes are put down
    squares = canonical_squares(table.iloc[rows], CACHE_SCALE) * [1, 1, 1, 0]  # unturned
    matrices = crop_matrices(squares, CACHE_SIZE)
    pixels = np.lib.format.open_memmap(path, "w+", np.uint8, (len(rows), CACHE_SIZE, CACHE_SIZE, 3))
    moved = {name: table[name].copy() for name in [*SCHEMES, *BOX]}
    kept: list[int] = []
    dropped: list[int] = []
    seen: dict[bytes, str] = {}
    for done, row in enumerate(rows.tolist()):
        progress(done, len(rows))
        name, matrix = table["image"].iloc[row], matrices[done : done + 1]
        unplaced = not np.isfinite(matrix).all()
        if unplaced and detector is None:  # stays in the table, for its labels
            left_out.add(name, NOWHERE, f"{name}: neither points nor a box say where the face is")
            continue
        try:
            image = _read_once(dataset, name, seen)
        except _LeftOutFace as error:
            left_out.add(name, error.reason, str(error))
            dropped.append(row)
            continue
        if unplaced and detector is not None:
            found = detector(image, name)
            if not len(found):
                left_out.add(name, UNSEEN, f"{name}: the detector finds no face")
                continue
            square = detector.rule.squares(middle_box(found.boxes, image), CACHE_SCALE)
            table.loc[table.index[row], BOX] = FACE_BOX.boxes(square, CACHE_SCALE)[0]
            matrix = crop_matrices(square, CACHE_SIZE)
        pixels[len(kept)] = extract_crop(image, matrix[0], CACHE_SIZE)
        for column, values in _in_crop(table.iloc[row], matrix).items():
            moved[column].iloc[row] = values
        kept.append(row)
    pixels.flush()
    progress(len(rows), len(rows))
    return table.assign(**moved).iloc[kept], dropped


class _LeftOutFace(Exception):
    """Why a face is left out. reason: the word that it is counted under."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def _read_once(dataset: Dataset, name: str, seen: dict[bytes, str]) -> np.ndarray:
    """The pixels of an image (H, W, 3). seen: names by the digest of their bytes. Raises _LeftOutFace."""
    try:
        data = dataset.files.read(name)
        image = images.decode(data, name).pixels
    except (DataError, ImageError) as error:
        status = error.status if isinstance(error, ImageError) else "missing"
        raise _LeftOutFace(status, str(error)) from error
    original = seen.setdefault(hashlib.sha256(data).digest(), name)
    if original != name:
        raise _LeftOutFace(COPY, f"{name} is a copy of {original}")
    return image


def _in_crop(row: pd.Series, matrix: np.ndarray) -> dict[str, Any]:
    """A row's points and box in the pixels of its crop, by column. matrix: (1, 2, 3)."""
    corners = row[list(BOX)].to_numpy(float).reshape(1, 2, 2)
    points = {name: transform(matrix, row[name][None])[0] for name in SCHEMES if row[name] is not None}
    return points | dict(zip(BOX, transform(matrix, corners).ravel()))
