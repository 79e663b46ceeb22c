"""Fit the constants that make a network's certainty honest, on validation faces.

Expected errors are fitted to the errors of faces in boxes as detectors give them; quality also to faces in bad boxes,
faces too small or too blurred to see, and squares beside the face, which are no faces; probabilities to labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from landmarks.datasets.dataset import CACHE_SCALE, CACHE_SIZE, Crops, load_crops
from landmarks.datasets.samples import canonical_squares
from landmarks.datasets.table import labels_of, points_of
from landmarks.errors import DataError
from landmarks.evaluation.robustness import Placement, locate_crops
from landmarks.geometry import face_squares
from landmarks.inference.backend import Backend, TorchBackend
from landmarks.inference.locate import Located, locate
from landmarks.models.calibration import QUALITY_THRESHOLD, Calibration, ErrorCurve, QualityCurve, Softmax
from landmarks.models.store import load_model, save_model
from landmarks.schemes import ABSENT, ATTRIBUTES, SCHEMES

TYPICAL = Placement(scale=(0.85, 1.4), shift=0.1)
"""As detectors' boxes and whole pictures of faces lie."""
BAD = (Placement(scale=(0.4, 0.6)), Placement(scale=(2.0, 3.0)), Placement(shift=0.5), Placement(angle=90))
SMALL = (0.03, 0.06)
"""Factors that leave a cached face about 1.5 and 3 pixels between eyes and mouth."""


def calibrate_file(weights: str | Path, data: Sequence[str | Path], out: str | Path) -> Calibration:
    """Calibrate a weights file on the validation parts of prepared folders and write it with its constants to `out`.

    Raises the errors of its parts.
    """
    model = load_model(weights)
    crops = load_crops(*data)
    calibration = calibrate(TorchBackend(load_model(weights)), crops)
    save_model(model.network, out, model.about, calibration)
    return calibration


def calibrate(backend: Backend, crops: Crops) -> Calibration:
    """The constants of a network. Raises DataError without validation faces that have points."""
    rows = crops.part("val")
    table = crops.table.iloc[rows]
    canonical = canonical_squares(table, backend.config.crop_scale)
    seen = locate_crops(backend, crops, rows, TYPICAL.squares(canonical))
    curves = {}
    for name in backend.config.schemes:
        errors = _errors(seen, crops, rows, name)
        given = ~np.isnan(errors).any(axis=1)
        if given.any():
            curves[name] = fit_errors(seen.error_cues[name][given], errors[given])
    attributes = {}
    for name in backend.config.attributes:
        labels = labels_of(table, ATTRIBUTES[name])
        if (labels != ABSENT).any():
            learnt = labels_of(crops.table.iloc[crops.part("train")], ATTRIBUTES[name])
            bias = equal_priors(learnt[learnt != ABSENT], len(ATTRIBUTES[name]))
            attributes[name] = fit_softmax(seen.logits[name][labels != ABSENT], labels[labels != ABSENT], bias)
    first = backend.config.schemes[0]
    if first not in curves:
        where = ", ".join(str(folder) for folder in crops.folders)
        raise DataError(f"{where}: no validation face with {first}; nothing to calibrate on")
    return Calibration(curves, _quality(backend, crops, rows, canonical, curves[first]), attributes)


def _quality(
    backend: Backend, crops: Crops, rows: np.ndarray, canonical: np.ndarray, curve: ErrorCurve
) -> QualityCurve:
    """From faces in typical and bad boxes, faces too small to see, and as many squares that hold no face."""
    name = backend.config.schemes[0]
    expected, good = [], []

    def add(seen: Located, errors: np.ndarray) -> None:
        given = ~np.isnan(errors).any(axis=1)
        expected.append(curve(seen.error_cues[name])[given])
        good.append(errors[given].mean(axis=1) < QUALITY_THRESHOLD)

    for seed, placement in enumerate((TYPICAL, *BAD)):
        seen = locate_crops(backend, crops, rows, placement.squares(canonical, seed))
        add(seen, _errors(seen, crops, rows, name))
    for factor in SMALL:
        pictures = [_blurred(crops.picture(row), factor) for row in rows]
        seen = locate(backend, pictures, np.arange(len(rows)), TYPICAL.squares(canonical))
        add(seen, _errors(seen, crops, rows, name))
    seen = locate_crops(backend, crops, rows, beside_face(canonical))
    add(seen, np.ones_like(_errors(seen, crops, rows, name)))
    return fit_quality(np.concatenate(expected), np.concatenate(good))


def beside_face(canonical: np.ndarray, seed: int = 0) -> np.ndarray:
    """Squares in the outer part of cached crops, where no face is: (N, 4) -> (N, 4), in pixels of the cached crops."""
    generator = np.random.default_rng(seed)
    extent = CACHE_SIZE / CACHE_SCALE
    direction = generator.uniform(0, 2 * np.pi, len(canonical))
    away = np.stack([np.cos(direction), np.sin(direction)], axis=1) * 1.6 * extent
    middle = np.full((len(canonical), 2), (CACHE_SIZE - 1) / 2)
    side = generator.uniform(0.4, 1.0, len(canonical)) * extent
    return np.column_stack([middle + away, side, np.zeros(len(canonical))])


def _blurred(picture: np.ndarray, factor: float) -> np.ndarray:
    small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _errors(seen: Located, crops: Crops, rows: np.ndarray, name: str) -> np.ndarray:
    """(N, K): distances from the labels as shares of the face size; NaN where absent."""
    true = points_of(crops.table.iloc[rows], SCHEMES[name])
    size = np.full(len(rows), np.nan)
    given = ~np.isnan(true).any(axis=(1, 2))
    size[given] = face_squares(true[given], SCHEMES[name], 1.0)[:, 2]
    return np.linalg.norm(seen.points[name] - true, axis=-1) / size[:, None]


def fit_errors(error_cues: np.ndarray, errors: np.ndarray) -> ErrorCurve:
    """The curve under which errors, taken as exponentially distributed about their expectation, are likeliest.

    error_cues: (N, K, 2), errors: (N, K). A weak prior keeps cues that say nothing at no weight.
    """
    x = np.column_stack([np.ones(errors.size), error_cues.reshape(-1, 2)])
    prior = np.array([np.log(errors.mean()) - error_cues[..., 0].mean(), 1.0, 0.0])
    distance = errors.ravel()

    def slopes(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ratio = distance * np.exp(-np.clip(x @ beta, -12, 3))
        return x.T @ (1 - ratio), (x * ratio[:, None]).T @ x

    return ErrorCurve(*(float(value) for value in _newton(slopes, prior, ridge=1.0)))


def fit_quality(errors: np.ndarray, good: np.ndarray) -> QualityCurve:
    """errors: (N, K) expected; good: (N,) bool -> logistic regression on their mean log.

    Good and bad faces weigh the same, however many there are."""
    x = np.column_stack([np.ones(len(errors)), np.log(np.maximum(errors, 1e-6)).mean(axis=1)])
    weight = np.where(good, 0.5 / max(good.sum(), 1), 0.5 / max((~good).sum(), 1)) * len(good)

    def slopes(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        return x.T @ (weight * (share - good)), (x * (weight * share * (1 - share))[:, None]).T @ x

    return QualityCurve(*(float(value) for value in _newton(slopes, np.array([-5.0, -2.0]), ridge=1e-2)))


def equal_priors(labels: np.ndarray, classes: int) -> np.ndarray:
    """What to add to logits learnt from faces with these labels, so that no class is favoured for being frequent: minus
    the log of its share (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021). -> (classes,), mean 0.

    Other people's faces have other shares; and a rare pose should not be called a frequent one.
    """
    shares = (np.bincount(labels, minlength=classes) + 1) / (len(labels) + classes)
    return np.log(shares).mean() - np.log(shares)


def fit_softmax(logits: np.ndarray, labels: np.ndarray, bias: np.ndarray) -> Softmax:
    """logits: (N, C), labels: (N,), bias: (C,) -> with that bias the temperature of least cross-entropy."""
    bias = np.round(bias, 4)

    def curve(log_temperature: float) -> Softmax:
        return Softmax(round(float(np.exp(log_temperature)), 4), tuple(float(b) for b in bias))

    def cross_entropy(log_temperature: float) -> float:
        shares = curve(log_temperature)(logits)
        return float(-np.log(np.maximum(shares[np.arange(len(labels)), labels], 1e-12)).mean())

    low, high = -2.0, 2.0
    for _ in range(30):  # ternary search: the cross-entropy is convex in the inverse temperature, so it has one valley
        third = (high - low) / 3
        if cross_entropy(low + third) < cross_entropy(high - third):
            high -= third
        else:
            low += third
    return curve((low + high) / 2)


def _newton(slopes, start: np.ndarray, ridge: float) -> np.ndarray:
    """Minimise a convex function plus `ridge` times half the squared distance from `start`; slopes gives gradient and
    Hessian. Steps are held to length 1, which keeps exponentials in range."""
    beta = start.astype(float)
    for _ in range(200):
        gradient, hessian = slopes(beta)
        step = np.linalg.solve(hessian + ridge * np.eye(len(beta)), gradient + ridge * (beta - start))
        step /= max(1.0, np.linalg.norm(step))
        beta = beta - step
        if np.abs(step).max() < 1e-9:
            break
    return beta
