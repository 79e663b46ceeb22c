"""Faces side by side: what each arm finds in the same faces, a row a face and a column an arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from landmarks import metrics
from landmarks.atomic import write_bytes
from landmarks.drawing.draw import Style, contact_sheet, draw
from landmarks.faces import Faces
from landmarks.schemes import scheme_of_size

TRUTH = "annotated"
STYLE = Style(box=False, label=False, scale=1.5)


def faces_page(
    crops: Sequence[np.ndarray], points: Mapping[str, np.ndarray], truth: np.ndarray | None = None, cell: int = 224
) -> np.ndarray:
    """A page of faces: a column an arm in the order of `points`, after the truth if given. -> (H, W, 3) uint8 RGB.

    crops: N times (h, w, 3) uint8 RGB; points: by arm, (N, K, 2) pixels of the crops; truth: (N, K, 2), from which each
    picture's caption tells the arm's mean error; cell: pixels of a picture's longer side. Raises ValueError if they do
    not fit each other.
    """
    columns = ({} if truth is None else {TRUTH: truth}) | dict(points)
    wanted = (len(crops), *next(map(np.shape, points.values()), ())[1:2], 2)
    for name, found in columns.items():
        if np.shape(found) != wanted:
            raise ValueError(f"the points of {name!r} must have shape {wanted}, not {np.shape(found)}")
    pictures, captions = [], []
    for face, crop in enumerate(crops):
        for name, found in columns.items():
            pictures.append(_drawn(crop, found[face], cell))
            captions.append(name if truth is None or name == TRUTH else f"{name}, {_error(found[face], truth[face])}")
    return contact_sheet(pictures, max(1, len(columns)), cell, captions)


def write_page(page: np.ndarray, path: Path) -> None:
    """Write a page in the format of the path's suffix; whole or not at all. page: (H, W, 3) uint8 RGB."""
    write_bytes(path, cv2.imencode(path.suffix, page[..., ::-1])[1].tobytes())


def _drawn(crop: np.ndarray, points: np.ndarray, cell: int) -> np.ndarray:
    """A crop scaled to the cell first, so that its dots are as sharp as those of its neighbours. points: (K, 2)."""
    zoom = cell / max(crop.shape[:2])
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(crop, None, fx=zoom, fy=zoom, interpolation=how)
    moved = (np.asarray(points, float) + 0.5) * zoom - 0.5  # pixel centres at integers
    box = np.array([[0, 0, picture.shape[1], picture.shape[0]]])
    return draw(picture, Faces(box, moved[None], np.array([np.nan]), scheme=scheme_of_size(len(points))), STYLE)


def _error(points: np.ndarray, truth: np.ndarray) -> str:
    """Mean error in % of the inter-ocular distance. points, truth: (K, 2)."""
    scheme = scheme_of_size(len(truth))
    errors = metrics.point_errors(points[None], truth[None], metrics.interocular(truth[None], scheme))
    return f"{100 * metrics.nme(errors)[0]:.1f} %"
