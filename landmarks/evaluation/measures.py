"""How good a network is on a dataset: its predictions, and figures of them with their uncertainty."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmarks import metrics
from landmarks.datasets.dataset import Dataset
from landmarks.datasets.left_out import LeftOut
from landmarks.datasets.table import GROUPS, labels_of, points_of, values_of
from landmarks.declared import merged
from landmarks.detection.base import Detector
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, ImageError
from landmarks.evaluation.quantities import quantity_figures
from landmarks.geometry import face_squares, middle_box
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.config import PASSES
from landmarks.inference.locate import locate
from landmarks.metrics import THRESHOLD
from landmarks.models.store import Model
from landmarks.schemes import ABSENT, ATTRIBUTES, SCHEMES, Declared, Scheme, known_attributes, known_quantities

SLICES = ("pose", "glasses", "gender", "source")
"""Columns by whose groups figures are given, and GROUPS where the data have them."""
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
    errors: dict[str, np.ndarray]
    """(N, K) by scheme that is calibrated: expected errors as shares of the face size."""
    quality: np.ndarray | None
    """(N,); None if the network is not calibrated."""
    boxes: np.ndarray
    """(N, 4): the box used."""
    fallback: np.ndarray
    """(N,) bool: the detector found nothing and the whole image was taken."""
    declared: tuple[Declared, ...] = ()
    """The tasks of network and data beside the built-in ones."""
    values: dict[str, np.ndarray] = field(default_factory=dict)
    """(N,) in its unit by quantity."""


def predict_dataset(
    weights: str | Path | Model | Backend,
    dataset: Dataset,
    split: str = "test",
    detector: Detector | None = None,
    passes: int = PASSES,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Predictions:
    """Predict every face of a split with a network. The box is never made from its points.

    detector: whose face in the middle is taken, for annotated faces are in the middle of their images, and where it
    finds none the whole image; None: the whole image always.
    Faces in images that cannot be read are failures; one warning counts them by reason. Raises DataError if the split
    is empty or if none of its images can be read.
    """
    rows = np.flatnonzero((dataset.table["split"] == split).to_numpy())
    if not len(rows):
        others = ", ".join(sorted(set(dataset.table["split"].dropna())))
        raise DataError(f"{dataset.files.root}: no faces in the split {split!r}; it has {others or 'no faces at all'}")
    whole = WholeImage()
    backend = load_backend(weights)
    config, calibration = backend.config, backend.calibration
    points = {name: np.full((len(rows), len(SCHEMES[name]), 2), np.nan) for name in config.schemes}
    probabilities = {
        name: np.full((len(rows), len(config.attribute(name))), np.nan, np.float32) for name in config.attributes
    }
    values = {name: np.full(len(rows), np.nan, np.float32) for name in config.quantities}
    errors = {name: np.full(points[name].shape[:2], np.nan, np.float32) for name in calibration.errors}
    quality = None if calibration.quality is None else np.full(len(rows), np.nan, np.float32)
    failed = LeftOut()
    boxes, fallback = np.full((len(rows), 4), np.nan), np.zeros(len(rows), bool)
    for low in range(0, len(rows), CHUNK):
        report(low, len(rows))
        pictures, squares, places = [], [], []
        for place in range(low, min(low + CHUNK, len(rows))):
            try:
                picture = dataset.image(rows[place])
            except ImageError as error:
                failed.add(error.path, error.status, str(error))
                continue
            found = detector(picture, dataset.table["image"].iloc[rows[place]]) if detector else whole(picture)
            fallback[place] = len(found) == 0
            rule = whole.rule if fallback[place] or detector is None else detector.rule
            found = whole(picture) if fallback[place] else found
            boxes[place] = middle_box(found.boxes, picture)
            squares.append(rule.squares(boxes[place], config.crop_scale)[0])
            pictures.append(picture)
            places.append(place)
        if not places:
            continue
        seen = locate(backend, pictures, np.arange(len(pictures)), np.stack(squares), passes)
        for name in points:
            points[name][places] = seen.points[name]
        for name in probabilities:
            probabilities[name][places] = calibration.probabilities(name, seen.logits[name])
        for name in values:
            values[name][places] = seen.values[name]
        for name, curve in calibration.errors.items():
            errors[name][places] = curve(seen.error_cues[name])
        if calibration.quality is not None and quality is not None:
            quality[places] = calibration.quality(errors[config.schemes[0]][places])
    report(len(rows), len(rows))
    if len(failed.rows) == len(rows):
        raise DataError(f"{dataset.files.root}: no face of the split {split!r} can be measured: {failed.counts()}")
    if failed.rows:
        warnings.warn(f"counted as failures: of {len(rows)} faces {failed.counts()}", stacklevel=2)
    declared = merged([("the weights", config.declared), (str(dataset.files.root), dataset.declared)])
    table = dataset.table.iloc[rows]
    return Predictions(table, points, probabilities, errors, quality, boxes, fallback, declared, values)


def measure(predictions: Predictions, rounds: int = 1000) -> dict[str, Any]:
    """All figures of predictions as plain values for JSON: shares, with 95 % bootstrap intervals over faces.

    Points that are not labelled do not count, nor faces without the two points of the normaliser. A warning names the
    tasks for which no face has a label; they have no figures.
    """
    figures: dict[str, Any] = {
        "faces": len(predictions.table),
        "fallback": int(predictions.fallback.sum()),
        "landmarks": {},
        "attributes": {},
        "quantities": {},
    }
    for name, predicted in predictions.points.items():
        true = points_of(predictions.table, SCHEMES[name])
        given = np.isfinite(metrics.interocular(true, SCHEMES[name]))
        partly = int((np.isfinite(true).all(axis=2).any(axis=1) & ~given).sum())
        if partly:
            warnings.warn(f"{name}: {partly} faces without the points of the normaliser do not count", stacklevel=2)
        if given.any():
            part = predictions.table[given]
            figures["landmarks"][name] = _points_figures(predicted[given], true[given], SCHEMES[name], part, rounds)
            whole = ~np.isnan(predicted[given] - true[given]).any(axis=(1, 2))
            if name in predictions.errors and whole.any():
                quality = None if predictions.quality is None else predictions.quality[given]
                figures["landmarks"][name]["expected_errors"] = _expected_errors(
                    predicted[given], true[given], SCHEMES[name], predictions.errors[name][given], quality
                )
    attributes = known_attributes(predictions.declared)
    for name, probabilities in predictions.probabilities.items():
        true = labels_of(predictions.table, attributes[name])
        given = (true != ABSENT) & ~np.isnan(probabilities).any(axis=1)
        if given.any():
            figures["attributes"][name] = _attribute_figures(
                probabilities[given], true[given], attributes[name].labels, predictions.table[given], rounds
            )
    quantities = known_quantities(predictions.declared)
    for name, predicted in predictions.values.items():
        true = values_of(predictions.table, quantities[name])
        given = np.isfinite(true) & np.isfinite(predicted)
        if given.any():
            values, part = (predicted[given], true[given]), predictions.table[given]
            figures["quantities"][name] = quantity_figures(*values, quantities[name], _all_groups(part), rounds)
    told = {*figures["landmarks"], *figures["attributes"], *figures["quantities"]}
    every = (*predictions.points, *predictions.probabilities, *predictions.values)
    silent = [name for name in every if name not in told]
    if silent:
        warnings.warn(f"no face has labels for {', '.join(silent)}: no figures of them", stacklevel=2)
    return figures


def _points_figures(
    predicted: np.ndarray, true: np.ndarray, scheme: Scheme, table: pd.DataFrame, rounds: int
) -> dict[str, Any]:
    normaliser = metrics.interocular(true, scheme)
    plain = metrics.point_errors(predicted, true, normaliser)
    centred = metrics.point_errors(metrics.without_shift(predicted, true, normaliser), true, normaliser)
    box = metrics.point_errors(predicted, true, metrics.extent_size(true))
    shift = metrics.mean_shift(predicted, true, normaliser)
    curve = np.linspace(0, THRESHOLD, 51)
    figures: dict[str, Any] = {
        "normaliser": f"inter-ocular: {' to '.join(scheme.points[i] for i in scheme.interocular)}",
        "interocular": _error_figures(plain, rounds),
        "shift_free": {"shift": [float(v) for v in shift], **_error_figures(centred, rounds)},
        "box": {"nme": float(metrics.nme(box).mean())},
        "by_landmark": {
            name: float(np.nanmean(errors))
            for name, errors in zip(scheme.points, plain.T)
            if not np.isnan(errors).all()
        },
        "ced": {"thresholds": curve.tolist(), "shares": metrics.ced(metrics.nme(plain), curve).tolist()},
        "slices": {column: _slices(groups, plain, centred, box) for column, groups in _all_groups(table).items()},
    }
    return figures


def _error_figures(errors: np.ndarray, rounds: int) -> dict[str, Any]:
    """errors: (N, K) shares -> mean, failure rates, AUC, each with its interval."""
    face = metrics.nme(errors)
    measures = {
        "nme": lambda i: float(face[i].mean()),
        "failure_rate_faces": lambda i: metrics.failure_rate(face[i], THRESHOLD),
        "failure_rate_landmarks": lambda i: metrics.failure_rate(errors[i], THRESHOLD),
        "auc": lambda i: metrics.auc(face[i], THRESHOLD),
    }
    return metrics.with_intervals(measures, len(face), rounds)


def _expected_errors(
    predicted: np.ndarray, true: np.ndarray, scheme: Scheme, expected: np.ndarray, quality: np.ndarray | None
) -> dict[str, Any]:
    """How well the network knows its errors, as shares of the face size: rank correlations and what came true of what
    was expected, by tenths. Faces that could not be read are left out."""
    size = face_squares(true, scheme, 1.0)[:, 2]
    errors = np.linalg.norm(predicted - true, axis=-1) / size[:, None]
    read = ~np.isnan(errors).any(axis=1)
    errors, expected = errors[read], expected[read]
    face, face_expected = errors.mean(axis=1), expected.mean(axis=1)
    figures = {
        "mean": float(errors.mean()),
        "mean_expected": float(expected.mean()),
        "rank_correlation_points": metrics.rank_correlation(expected, errors),
        "rank_correlation_faces": metrics.rank_correlation(face_expected, face),
        "reliability_points": metrics.reliability(
            expected.ravel(), errors.ravel(), np.quantile(expected, np.linspace(0, 1, 11))
        ),
    }
    if quality is not None:
        figures["rank_correlation_quality"] = metrics.rank_correlation(quality[read], -face)
        figures["quality_percentiles"] = {p: float(np.percentile(quality[read], p)) for p in (1, 5, 25, 50)}
    return figures


def _attribute_figures(
    probabilities: np.ndarray, true: np.ndarray, labels: tuple[str, ...], table: pd.DataFrame, rounds: int
) -> dict[str, Any]:
    guess, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    measures = {
        "accuracy": lambda i: metrics.accuracy(guess[i], true[i]),
        "balanced_accuracy": lambda i: metrics.balanced_accuracy(guess[i], true[i]),
    }
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, (true, guess), 1)
    recall = {label: float(np.mean(guess[true == c] == c)) for c, label in enumerate(labels) if (true == c).any()}
    return {
        **metrics.with_intervals(measures, len(true), rounds),
        "faces": len(true),
        "recall": recall,
        "confusion": confusion.tolist(),
        "calibration_error": metrics.calibration_error(confidence, guess == true),
        "reliability": metrics.reliability(confidence, guess == true, np.linspace(0, 1, 16)),
        "abstention": metrics.abstention(confidence, guess, true),
        "slices": {
            column: {
                label: {
                    "faces": int(mask.sum()),
                    "accuracy": metrics.accuracy(guess[mask], true[mask]),
                    "balanced_accuracy": metrics.balanced_accuracy(guess[mask], true[mask]),
                    "calibration_error": metrics.calibration_error(confidence[mask], (guess == true)[mask]),
                }
                for label, mask in groups.items()
            }
            for column, groups in _all_groups(table).items()
        },
    }


def _slices(groups: dict[str, np.ndarray], plain: np.ndarray, centred: np.ndarray, box: np.ndarray) -> dict[str, Any]:
    """Landmarks' figures of each group of faces."""
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
    }


def _all_groups(table: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """By the columns by whose groups figures are given, these groups: see `_groups`."""
    return {name: _groups(table, name) for name in (*SLICES, *(name for name in GROUPS if table[name].any()))}


def _groups(table: pd.DataFrame, name: str) -> dict[str, np.ndarray]:
    """The groups of faces that a column makes: label -> (N,) bool; none is empty."""
    if name in ATTRIBUTES:
        codes = labels_of(table, ATTRIBUTES[name])
        groups = {label: codes == code for code, label in enumerate(ATTRIBUTES[name].labels)}
    else:
        values = sorted(set(table[name]) - ({""} if name in GROUPS else set()))
        groups = {str(value): (table[name] == value).to_numpy() for value in values}
    return {label: mask for label, mask in groups.items() if mask.any()}
