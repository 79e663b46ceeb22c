"""Measures of landmarks, attributes and quantities, with their uncertainty: pure functions, shares rather than per
cent.

Errors are NaN where a true point is not labelled, and such points count in no measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from landmarks.geometry import face_squares
from landmarks.schemes import Scheme

THRESHOLD = 0.1
"""Errors above this share of the normaliser are failures; where areas under the CED end."""
ABSTENTION = (0.6, 0.7, 0.8, 0.9, 0.95)
"""Probabilities below which an attribute might be called uncertain."""


def interocular(points: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Normaliser: distance of the two inter-ocular landmarks. points: (N, K, 2) -> (N,) pixels."""
    left, right = scheme.interocular
    return np.linalg.norm(points[:, left] - points[:, right], axis=-1)


def extent_size(points: np.ndarray) -> np.ndarray:
    """Normaliser "box": sqrt(w h) of the landmarks' bounding box. points: (N, K, 2) -> (N,) pixels."""
    width, height = np.moveaxis(np.fmax.reduce(points, axis=1) - np.fmin.reduce(points, axis=1), -1, 0)
    return np.sqrt(width * height)


def face_errors(predicted: np.ndarray, true: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Mean error of each face as a share of the face size, to which quality is fitted. (N, K, 2), (N, K, 2) -> (N,).

    The face size is the larger side of the extent of eyes, nose and mouth corners. NaN where a face was not found.
    """
    size = face_squares(true, scheme, 1.0)[:, 2]
    return np.linalg.norm(predicted - true, axis=-1).mean(axis=1) / size


def point_errors(predicted: np.ndarray, true: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """Euclidean error of each landmark as a share of the normaliser. (N, K, 2), (N, K, 2), (N,) -> (N, K).

    A prediction that is NaN is infinitely wrong: a face that was not found is a failure, not a gap in the figures.
    Where the truth is NaN, the error is.
    """
    distance = np.linalg.norm(predicted - true, axis=-1)
    failed = np.isnan(predicted).any(axis=-1) & ~np.isnan(true).any(axis=-1)
    return np.where(failed, np.inf, distance) / normaliser[:, None]


def nme(errors: np.ndarray) -> np.ndarray:
    """Normalised mean error of each face over its labelled points, at least one. errors: (N, K) -> (N,)."""
    return np.nanmean(errors, axis=-1)


def failure_rate(errors: np.ndarray, threshold: float = THRESHOLD) -> float:
    """Share of errors above the threshold; of faces with (N,) errors, of landmarks with (N, K)."""
    return float(np.mean(errors[~np.isnan(errors)] > threshold))


def ced(errors: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Cumulative error distribution: share of errors at or below each threshold. -> shape of thresholds."""
    known = np.sort(errors[~np.isnan(errors)])
    return np.searchsorted(known, thresholds, side="right") / len(known)


def auc(errors: np.ndarray, threshold: float = THRESHOLD) -> float:
    """Area under the CED from 0 to the threshold, over the threshold: exact, as the CED is a step function."""
    return float(np.nanmean(np.clip(threshold - errors, 0, None)) / threshold)


def mean_shift(predicted: np.ndarray, true: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """Mean error vector over all faces and points, as a share of the normaliser. -> (2,)."""
    return np.nanmean((predicted - true) / normaliser[:, None, None], axis=(0, 1))


def without_shift(predicted: np.ndarray, true: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """Predictions with the mean error vector taken out: two numbers for the whole set. -> (N, K, 2)."""
    return predicted - mean_shift(predicted, true, normaliser) * normaliser[:, None, None]


def accuracy(predicted: np.ndarray, true: np.ndarray) -> float:
    """Share of labels that are right. (N,), (N,) integers."""
    return float(np.mean(predicted == true))


def balanced_accuracy(predicted: np.ndarray, true: np.ndarray) -> float:
    """Mean over the classes that occur of the share of that class that is right."""
    return float(np.mean([np.mean(predicted[true == label] == label) for label in np.unique(true)]))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two arrays of one shape; ties share their mean rank; 0 where one is constant."""
    ranks = [pd.Series(np.ravel(values)).rank().to_numpy() for values in (a, b)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Guo et al., ICML 2017): mean gap between confidence and accuracy over equally wide
    bins of confidence, weighted by their faces. confidence: (N,) in 0 to 1; correct: (N,) bool."""
    rows = reliability(confidence, correct, np.linspace(0, 1, bins + 1))
    return float(sum(row["share"] * abs(row["predicted"] - row["true"]) for row in rows))


def abstention(confidence: np.ndarray, guess: np.ndarray, true: np.ndarray) -> list[dict[str, float]]:
    """What answers of at least some probabilities are worth: their share and accuracies. confidence: (N,) of the guess;
    guess, true: (N,) classes."""
    sure = {least: confidence >= least for least in ABSTENTION}
    return [
        {
            "probability": least,
            "share": float(answered.mean()),
            "accuracy": accuracy(guess[answered], true[answered]),
            "balanced_accuracy": balanced_accuracy(guess[answered], true[answered]),
        }
        for least, answered in sure.items()
        if answered.any()
    ]


def reliability(predicted: np.ndarray, true: np.ndarray, edges: np.ndarray) -> list[dict[str, float]]:
    """What was predicted beside what came true, by bins of the prediction; empty bins are left out.

    predicted, true: (N,); edges: (B + 1,) increasing; values outside belong to the outer bins.
    """
    places = np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, len(edges) - 2)
    return [
        {
            "share": float(np.mean(places == place)),
            "predicted": float(predicted[places == place].mean()),
            "true": float(true[places == place].mean()),
        }
        for place in np.unique(places)
    ]


def bootstrap(
    statistic: Callable[[np.ndarray], float], count: int, rounds: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron, 1979) of a statistic of faces.

    statistic: index array (n,) of the drawn faces -> value; count: number of faces. -> (low, high).
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(count, size=count)) for _ in range(rounds)]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return float(low), float(high)


def with_intervals(
    measures: Mapping[str, Callable[[np.ndarray], float]], count: int, rounds: int
) -> dict[str, dict[str, Any]]:
    """Each measure's value of all faces and its 95 % interval, as plain values; see `bootstrap`."""
    everything = np.arange(count)
    return {
        name: {"value": measure(everything), "interval": list(bootstrap(measure, count, rounds))}
        for name, measure in measures.items()
    }


def mean_absolute_error(predicted: np.ndarray, true: np.ndarray) -> float:
    """Of numbers of faces, in their unit. (N,), (N,) -> ()."""
    return float(np.abs(predicted - true).mean())
