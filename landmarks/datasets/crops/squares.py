"""Where the faces of a table are: the canonical square of each row."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from landmarks.datasets.table import BOX, points_of
from landmarks.geometry import FACE_BOX, face_squares
from landmarks.schemes import POINTS_5, SCHEMES, Scheme


def canonical_squares(table: pd.DataFrame, crop_scale: float) -> np.ndarray:
    """(N, 4) face squares of a table's rows; NaN where a row does not say where its face is.

    From the first scheme of which a row has all that eyes, nose and mouth corners are made of; else, upright, from
    points that reach from an eye to a mouth corner, as in a profile; else from the box.
    """
    squares = FACE_BOX.squares(table[BOX].to_numpy(float), crop_scale)  # NaN where there is no box
    for scheme in reversed(SCHEMES.values()):
        partly = _partial_anchors(table, scheme)
        reach = ~np.isnan(partly[:, :2, 0]).all(axis=1) & ~np.isnan(partly[:, 3:, 0]).all(axis=1)
        low, high = np.nanmin(partly[reach], axis=1), np.nanmax(partly[reach], axis=1)
        side = (high - low).max(axis=1, initial=0) * crop_scale
        squares[reach] = np.column_stack([(low + high) / 2, np.maximum(side, 1e-3), np.zeros(len(side))])
    anchors = anchors_of(table)
    given = ~np.isnan(anchors).any(axis=(1, 2))
    if given.any():
        squares[given] = face_squares(anchors[given], POINTS_5, crop_scale)
    return squares


def anchors_of(table: pd.DataFrame) -> np.ndarray:
    """(N, 5, 2): each row's face as five points, from the first scheme that has all that they are made of; else NaN."""
    anchors = np.full((len(table), len(POINTS_5), 2), np.nan)
    for scheme in SCHEMES.values():
        absent = np.isnan(anchors).any(axis=(1, 2))
        found = scheme.anchors(points_of(table, scheme)[absent])
        found[np.isnan(found).any(axis=(1, 2))] = np.nan
        anchors[absent] = found
    return anchors


def _partial_anchors(table: pd.DataFrame, scheme: Scheme) -> np.ndarray:
    """(N, 5, 2): as `Scheme.anchors`, each from those of its points that are labelled."""
    points = points_of(table, scheme)
    groups = (scheme.left_eye, scheme.right_eye, scheme.nose, scheme.mouth_left, scheme.mouth_right)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of groups without a labelled point
        return np.stack([np.nanmean(points[:, list(group)], axis=1) for group in groups], axis=1)
