"""Validation faces that are decoded once, for networks that are measured on them one after the other."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from landmarks import metrics
from landmarks.datasets.dataset import read_dataset
from landmarks.datasets.table import points_of
from landmarks.detection.create import create_detector
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError
from landmarks.geometry import middle_box
from landmarks.inference.backend import load_backend
from landmarks.inference.config import AnnotatorConfig
from landmarks.inference.locate import locate
from landmarks.metrics import THRESHOLD
from landmarks.models.config import NetworkConfig
from landmarks.models.store import Model
from landmarks.schemes import SCHEMES, Scheme


@dataclass(frozen=True)
class HeldOut:
    """The validation faces of a folder, decoded, in the boxes of the default detector, as `landmarks annotate` meets
    them; where it finds none, the whole image."""

    name: str
    scheme: Scheme
    pictures: list[np.ndarray]
    squares: np.ndarray
    """(N, 4)"""
    true: np.ndarray
    """(N, K, 2)"""

    def errors(self, model: Model) -> dict[str, float]:
        """Mean errors, plain and without the mean shift, and share of failures, over the inter-ocular distance."""
        backend = load_backend(copy.deepcopy(model), "cpu")  # it folds the network's layers, in place
        predicted = locate(backend, self.pictures, np.arange(len(self.pictures)), self.squares).points[self.scheme.name]
        size = metrics.interocular(self.true, self.scheme)
        plain = metrics.nme(metrics.point_errors(predicted, self.true, size))
        centred = metrics.without_shift(predicted, self.true, size)
        return {
            "error": float(plain.mean()),
            "shift_free": float(metrics.nme(metrics.point_errors(centred, self.true, size)).mean()),
            "failures": metrics.failure_rate(plain, THRESHOLD),
        }


def scheme_of(table: pd.DataFrame, config: NetworkConfig, where: str | Path) -> Scheme:
    """The first of a network's schemes of which faces have all points. Raises DataError."""
    for name in config.schemes:
        if np.isfinite(points_of(table, SCHEMES[name])).all(axis=(1, 2)).any():
            return SCHEMES[name]
    raise DataError(f"{where}: no validation face with {' or '.join(config.schemes)}")


def held_out(folder: str | Path, config: NetworkConfig) -> HeldOut:
    """Raises DataError, ImageError of an image that cannot be read."""
    dataset = read_dataset(folder)
    rows = np.flatnonzero((dataset.table["split"] == "val").to_numpy())
    scheme = scheme_of(dataset.table.iloc[rows], config, folder)
    true = points_of(dataset.table.iloc[rows], scheme)
    given = np.isfinite(true).all(axis=(1, 2))
    whole = WholeImage()
    detector = create_detector(str(AnnotatorConfig.detector))
    pictures, squares = [], []
    for row in rows[given]:
        picture = dataset.image(row)
        found, rule = detector(picture, dataset.table["image"].iloc[row]), detector.rule
        if not len(found):
            found, rule = whole(picture), whole.rule
        pictures.append(picture)
        squares.append(rule.squares(middle_box(found.boxes, picture), config.crop_scale)[0])
    return HeldOut(Path(folder).name, scheme, pictures, np.stack(squares), true[given])
