"""How good a network is on a dataset: its predictions, and figures of them with their uncertainty."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from landmarks import metrics
from landmarks.datasets.dataset import Dataset
from landmarks.datasets.table import labels_of, points_of
from landmarks.errors import DataError, ImageError
from landmarks.inference.detect import Detector, WholeImage
from landmarks.inference.locate import PASSES, locate
from landmarks.models.network import Network
from landmarks.schemes import ABSENT, ATTRIBUTES, POSE, SCHEMES, Scheme

THRESHOLD = 0.1
CHUNK = 256
"""Images in memory at once."""


@dataclass(frozen=True)
class Predictions:
    """What a network predicts for N annotated faces, beside the truth."""

    table: pd.DataFrame
    """The N rows."""
    points: dict[str, np.ndarray]
    """(N, K, 2) image pixels by scheme; NaN where the image could not be read."""
    probabilities: dict[str, np.ndarray]
    """(N, C) by attribute."""
    boxes: np.ndarray
    """(N, 4): the box used."""
    fallback: np.ndarray
    """(N,) bool: the detector found nothing and the whole image was taken."""


def predict_dataset(
    network: Network,
    dataset: Dataset,
    split: str = "test",
    detector: Detector | None = None,
    passes: int = PASSES,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Predictions:
    """Predict every face of a split. The box is never made from its points.

    detector: whose largest face is taken, and where it finds none the whole image; None: the whole image always.
    Raises DataError if the split is empty.
    """
    rows = np.flatnonzero((dataset.table["split"] == split).to_numpy())
    if not len(rows):
        raise DataError(f"{dataset.files.root}: no faces in the split {split!r}")
    whole = WholeImage()
    config = network.config
    points = {name: np.full((len(rows), len(SCHEMES[name]), 2), np.nan) for name in config.schemes}
    probabilities = {
        name: np.full((len(rows), len(ATTRIBUTES[name])), np.nan, np.float32) for name in config.attributes
    }
    boxes, fallback = np.full((len(rows), 4), np.nan), np.zeros(len(rows), bool)
    for low in range(0, len(rows), CHUNK):
        report(low, len(rows))
        pictures, squares, places = [], [], []
        for place in range(low, min(low + CHUNK, len(rows))):
            try:
                picture = dataset.image(rows[place])
            except ImageError as error:
                warnings.warn(f"counted as a failure: {error}", stacklevel=2)
                continue
            found = detector(picture, dataset.table["image"].iloc[rows[place]]) if detector else whole(picture)
            fallback[place] = len(found) == 0
            rule = whole.rule if fallback[place] or detector is None else detector.rule
            found = whole(picture) if fallback[place] else found
            boxes[place] = found.boxes[0]
            squares.append(rule.squares(found.boxes[:1], config.crop_scale)[0])
            pictures.append(picture)
            places.append(place)
        if not places:
            continue
        seen = locate(network, pictures, np.arange(len(pictures)), np.stack(squares), passes)
        for name in points:
            points[name][places] = seen.points[name]
        for name in probabilities:
            probabilities[name][places] = seen.probabilities[name]
    report(len(rows), len(rows))
    return Predictions(dataset.table.iloc[rows], points, probabilities, boxes, fallback)


def evaluate(predictions: Predictions, rounds: int = 1000) -> dict:
    """All figures of predictions as plain values for JSON: shares, with 95 % bootstrap intervals over faces."""
    figures: dict = {
        "faces": len(predictions.table),
        "fallback": int(predictions.fallback.sum()),
        "landmarks": {},
        "attributes": {},
    }
    for name, predicted in predictions.points.items():
        true = points_of(predictions.table, SCHEMES[name])
        given = ~np.isnan(true).any(axis=(1, 2))
        if given.any():
            part = predictions.table[given]
            figures["landmarks"][name] = _points_figures(predicted[given], true[given], SCHEMES[name], part, rounds)
    for name, probabilities in predictions.probabilities.items():
        true = labels_of(predictions.table, ATTRIBUTES[name])
        given = (true != ABSENT) & ~np.isnan(probabilities).any(axis=1)
        if given.any():
            guess = probabilities[given].argmax(axis=1)
            figures["attributes"][name] = _attribute_figures(guess, true[given], ATTRIBUTES[name].labels, rounds)
    return figures


def _points_figures(predicted, true, scheme: Scheme, table: pd.DataFrame, rounds: int) -> dict:
    normaliser = metrics.interocular(true, scheme)
    plain = metrics.point_errors(predicted, true, normaliser)
    centred = metrics.point_errors(metrics.without_shift(predicted, true, normaliser), true, normaliser)
    box = metrics.point_errors(predicted, true, metrics.extent_size(true))
    shift = metrics.mean_shift(predicted, true, normaliser)
    curve = np.linspace(0, THRESHOLD, 51)
    figures: dict = {
        "normaliser": f"inter-ocular: {' to '.join(scheme.points[i] for i in scheme.interocular)}",
        "interocular": _error_figures(plain, rounds),
        "shift_free": {"shift": [float(v) for v in shift], **_error_figures(centred, rounds)},
        "box": {"nme": float(metrics.nme(box).mean())},
        "by_landmark": dict(zip(scheme.points, (float(v) for v in plain.mean(axis=0)))),
        "ced": {"thresholds": curve.tolist(), "shares": metrics.ced(metrics.nme(plain), curve).tolist()},
        "slices": {},
    }
    for name in (POSE.name, "glasses", "gender", "source"):
        figures["slices"][name] = _slices(table, name, plain, centred, box)
    return figures


def _error_figures(errors: np.ndarray, rounds: int) -> dict:
    """errors: (N, K) shares -> mean, failure rates, AUC, each with its interval."""
    face = metrics.nme(errors)
    measures = {
        "nme": lambda i: float(face[i].mean()),
        "failure_rate_faces": lambda i: metrics.failure_rate(face[i], THRESHOLD),
        "failure_rate_landmarks": lambda i: metrics.failure_rate(errors[i], THRESHOLD),
        "auc": lambda i: metrics.auc(face[i], THRESHOLD),
    }
    return _with_intervals(measures, len(face), rounds)


def _attribute_figures(guess: np.ndarray, true: np.ndarray, labels: tuple[str, ...], rounds: int) -> dict:
    measures = {
        "accuracy": lambda i: metrics.accuracy(guess[i], true[i]),
        "balanced_accuracy": lambda i: metrics.balanced_accuracy(guess[i], true[i]),
    }
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (true, guess), 1)
    recall = {label: float(np.mean(guess[true == c] == c)) for c, label in enumerate(labels) if (true == c).any()}
    return {
        **_with_intervals(measures, len(true), rounds),
        "faces": len(true),
        "recall": recall,
        "confusion": confusion.tolist(),
    }


def _with_intervals(measures: dict[str, Callable[[np.ndarray], float]], count: int, rounds: int) -> dict:
    everything = np.arange(count)
    return {
        name: {"value": measure(everything), "interval": list(metrics.bootstrap(measure, count, rounds))}
        for name, measure in measures.items()
    }


def _slices(table: pd.DataFrame, name: str, plain: np.ndarray, centred: np.ndarray, box: np.ndarray) -> dict:
    """Figures of each group of faces that a column makes."""
    if name in ATTRIBUTES:
        codes = labels_of(table, ATTRIBUTES[name])
        groups = {label: codes == code for code, label in enumerate(ATTRIBUTES[name].labels)}
    else:
        groups = {str(value): (table[name] == value).to_numpy() for value in sorted(table[name].unique())}
    return {
        label: {
            "faces": int(mask.sum()),
            "nme": float(metrics.nme(plain[mask]).mean()),
            "failure_rate_faces": metrics.failure_rate(metrics.nme(plain[mask]), THRESHOLD),
            "shift_free_nme": float(metrics.nme(centred[mask]).mean()),
            "shift_free_failure_rate_faces": metrics.failure_rate(metrics.nme(centred[mask]), THRESHOLD),
            "box_nme": float(metrics.nme(box[mask]).mean()),
        }
        for label, mask in groups.items()
        if mask.any()
    }
