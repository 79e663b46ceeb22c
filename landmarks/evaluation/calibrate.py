"""Fit the constants that make a network's certainty honest, on validation faces.

Expected errors are fitted to the errors of faces in boxes as detectors give them; quality also to faces in bad boxes,
faces too small or too blurred to see, and squares beside the face, which are no faces; probabilities to labels.

Few faces say little. Constants that the weights had before, or those that their training started from, weigh as much
as 50 faces (`shrinkage`). Without such constants fewer than `LEAST_FACES` faces with points are refused. And the
constants say how little is known. With n validation faces:
- expected errors are raised by n / (n - 1), the predictive mean of exponentially distributed errors;
- one face's worth of belief holds the curves' slopes where the network's own cues would have them;
- a probability is fitted as if one further face of each class had been seen at random among the n (Laplace's rule of
  succession), quality as if one more good and one more bad face had (Platt, 1999).
All of it vanishes as n grows. Below `FEW_FACES` faces with points or `FEW_OF_CLASS` of a class a warning says so.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from landmarks.datasets.crops.cutting import CACHE_SCALE, CACHE_SIZE
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.labels import class_counts, label_counts, mirrored
from landmarks.datasets.table import labels_of, points_of
from landmarks.errors import DataError, unknown
from landmarks.evaluation.placement import Placement, locate_crops
from landmarks.evaluation.shrinkage import held_errors, held_quality, held_softmax
from landmarks.geometry import face_squares
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.locate import Located, locate
from landmarks.models.calibration import (
    QUALITY_THRESHOLD,
    Calibration,
    ErrorCurve,
    Limits,
    QualityCurve,
    Softmax,
    mean_log,
)
from landmarks.models.heads import NEVER
from landmarks.models.store import Model, load_model, save_model
from landmarks.schemes import ABSENT, SCHEMES
from landmarks.training.start import forget_unseen

TYPICAL = Placement(scale=(0.85, 1.4), shift=0.1)
"""As detectors' boxes and whole pictures of faces lie."""
BAD = (Placement(scale=(0.4, 0.6)), Placement(scale=(2.0, 3.0)), Placement(shift=0.5), Placement(angle=90))
SMALL = (0.03, 0.06)
"""Factors that leave a cached face about 1.5 and 3 pixels between eyes and mouth."""


FEW_FACES = 100
"""Validation faces with points below which expected errors and quality are rough."""
LEAST_FACES = 10
"""Validation faces with points below which nothing is fitted without earlier constants: of 3, expected errors come out
up to twice too large and half of all faces doubtful (docs/review.md)."""
FEW_OF_CLASS = 20
"""Validation faces of a class below which probabilities of its attribute are rough."""
HALF_TRUST = 50
"""Training faces of a class at which half of its prior is taken out: see `equal_priors`."""


def calibrate_file(
    weights: str | Path, data: Sequence[str | Path], out: str | Path, limits: Mapping[str, Limits] | None = None
) -> Model:
    """Calibrate a weights file on the validation parts of prepared folders, write it with its constants to `out` and
    return what was written: `about["calibrated_on"]` counts the faces of each task and class.

    limits: where attributes are uncertain; None for those of the weights. Raises ValueError for limits of what is none
    of the network's attributes, DataError for fewer than `LEAST_FACES` where there are no earlier constants, and the
    errors of its parts.
    """
    model = load_model(weights)
    calibrated = bool(model.calibration.attributes)
    model = replace(model, calibration=model.earlier)
    for name in limits or ():
        if name not in model.network.config.attributes:
            raise ValueError(unknown("attribute", name, model.network.config.attributes))
    crops = load_crops(*data)
    _check_enough(model, crops)
    if "labels" not in model.about and not calibrated:  # nothing else says what it learnt from
        forget_unseen(model.network, crops.table.iloc[crops.part("train")])
    calibration = calibrate(load_backend(copy.deepcopy(model), "cpu"), crops)
    calibration = replace(calibration, limits=model.calibration.limits if limits is None else limits)
    faces = label_counts(crops.table.iloc[crops.part("val")], model.network.config.tasks, model.network.config.declared)
    save_model(model.network, out, {**model.about, "calibrated_on": faces}, calibration)
    return load_model(Path(out))


def calibrate(backend: Backend, crops: Crops) -> Calibration:
    """The constants of a network, held to those that it has. Tasks without validation labels keep those.

    How many faces taught each class, and how often each was drawn, is what the weights say of their training; where
    they do not say, how many the training parts of the data hold. Warnings say which tasks and classes have few
    validation faces. Faces of which not all points are labelled do not count for expected errors. Raises DataError
    without validation faces with points.
    """
    rows = crops.part("val")
    table = crops.table.iloc[rows]
    where = ", ".join(str(folder) for folder in crops.folders)
    if not backend.config.schemes:
        raise DataError(f"{where}: the network has no landmarks, there is nothing to calibrate")
    canonical = canonical_squares(table, backend.config.crop_scale)
    seen = locate_crops(backend, crops, rows, TYPICAL.squares(canonical))
    earlier = backend.calibration
    curves, rough, held = dict(earlier.errors), list[str](), list[str]()
    for name in backend.config.schemes:
        errors = _errors(seen, crops, rows, name)
        given = ~np.isnan(errors).any(axis=1)
        if name == backend.config.schemes[0] and not given.any():
            raise DataError(f"{where}: no validation face with {name}; nothing to calibrate on")
        if given.any():
            fitted = fit_errors(seen.error_cues[name][given], errors[given])
            curves[name] = held_errors(fitted, earlier.errors.get(name), int(given.sum()))
        if given.sum() < FEW_FACES:
            told = held if name in earlier.errors else rough
            told.append(f"{name} ({given.sum()} faces, fewer than {FEW_FACES})")
    attributes = dict(earlier.attributes)
    for name in backend.config.attributes:
        attribute = backend.config.attribute(name)
        labels = labels_of(table, attribute)
        never = np.flatnonzero((seen.logits[name] <= NEVER / 2).all(axis=0)) if len(rows) else np.zeros(0, int)
        labels[np.isin(labels, never)] = ABSENT  # what it never answers says nothing of how sure it may be
        counts = np.bincount(labels[labels != ABSENT], minlength=len(attribute))
        if counts.any():
            taught, drawn = (_counts(backend, crops, name, fact) for fact in ("labels", "drawn"))
            bias = equal_priors(mirrored(taught, attribute), never, mirrored(drawn, attribute))
            fit = fit_softmax(seen.logits[name][labels != ABSENT], labels[labels != ABSENT], bias, never)
            attributes[name] = held_softmax(fit, earlier.attributes.get(name), int(counts.sum()))
        rare = [f"{counts[code]} {attribute.labels[code]!r}" for code in np.flatnonzero(counts < FEW_OF_CLASS)
                if code not in never]  # fmt: skip
        if rare:
            told = held if name in earlier.attributes else rough
            told.append(f"{name} ({', '.join(rare)}, fewer than {FEW_OF_CLASS})")
    for few, what in ((rough, "these are rough"), (held, "these stay near the earlier constants of the weights")):
        if few:
            warnings.warn(f"{where}: few validation faces, so that {what}: {'; '.join(few)}", stacklevel=2)
    first = curves[backend.config.schemes[0]]
    return Calibration(curves, _quality(backend, crops, rows, canonical, first), attributes)


def _check_enough(model: Model, crops: Crops) -> None:
    """Raise DataError for too few validation faces where there are no earlier constants."""
    for name in model.network.config.schemes[:1]:
        true = points_of(crops.table.iloc[crops.part("val")], SCHEMES[name])
        faces = int(np.isfinite(true).all(axis=(1, 2)).sum())
        if 0 < faces < LEAST_FACES and name not in model.calibration.errors:
            where = ", ".join(str(folder) for folder in crops.folders)
            raise DataError(
                f"{where}: {faces} validation faces with {name}, and the weights have no earlier constants to which so "
                f"few could be held; give {LEAST_FACES} or more, with further prepared folders (--data), or start the "
                "training from calibrated weights (--start compact)"
            )


def _counts(backend: Backend, crops: Crops, name: str, fact: str) -> np.ndarray:
    """(C,) float64: training faces of each class of an attribute, as the weights' fact `labels` counts them, or `drawn`
    as often as they were drawn. Weights of before there was `drawn` drew all alike, as far as they say."""
    attribute = backend.config.attribute(name)
    for known in (backend.about.get(fact, {}).get(name), backend.about.get("labels", {}).get(name)):
        if isinstance(known, dict) and set(known) == set(attribute.labels):
            return np.array([float(known[label]) for label in attribute.labels])
    return class_counts(crops.table.iloc[crops.part("train")], attribute)


def _quality(
    backend: Backend, crops: Crops, rows: np.ndarray, canonical: np.ndarray, curve: ErrorCurve
) -> QualityCurve:
    """From faces in typical and bad boxes, faces too small to see, and as many squares that hold no face."""
    name = backend.config.schemes[0]
    earlier = backend.calibration
    before = earlier.errors.get(name, curve)
    expected, good, raised = [], [], []

    def add(seen: Located, errors: np.ndarray) -> None:
        given = ~np.isnan(errors).any(axis=1)
        expected.append(curve(seen.error_cues[name])[given])
        raised.append(mean_log(expected[-1]) - mean_log(before(seen.error_cues[name])[given]))
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
    fitted = fit_quality(np.concatenate(expected), np.concatenate(good), views=len(good))
    known = earlier.quality if name in earlier.errors else None
    return held_quality(fitted, known, len(good[0]), float(np.concatenate(raised).mean()))


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

    error_cues: (N, K, 2), errors: (N, K). A prior worth one face keeps cues that say nothing at no weight, and the
    expectation is raised by N / (N - 1), for one face by 2.
    """
    faces, points = errors.shape
    x = np.column_stack([np.ones(errors.size), error_cues.reshape(-1, 2)])
    prior = np.array([np.log(max(errors.mean(), 1e-6)) - error_cues[..., 0].mean(), 1.0, 0.0])
    distance = errors.ravel()

    def slopes(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ratio = distance * np.exp(-np.clip(x @ beta, -12, 3))
        return x.T @ (1 - ratio), (x * ratio[:, None]).T @ x

    constant, *weights = (float(value) for value in _newton(slopes, prior, ridge=float(points)))
    return ErrorCurve(constant + float(np.log(faces / max(faces - 1, 0.5))), *weights)


def fit_quality(errors: np.ndarray, good: np.ndarray, views: int = 1) -> QualityCurve:
    """errors: (N, K) expected; good: (N,) bool -> logistic regression on their mean log.

    Good and bad faces weigh the same, however many there are, and one more of each is taken to be the other way
    (Platt, 1999). views: in how many of the N places each face stands."""
    x = np.column_stack([np.ones(len(errors)), np.log(np.maximum(errors, 1e-6)).mean(axis=1)])
    count = np.where(good, good.sum(), (~good).sum())
    weight, others = 0.5 / count * len(good), 1 / (count / views + 2)
    target = np.where(good, 1 - others, others)

    def slopes(beta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        return x.T @ (weight * (share - target)), (x * (weight * share * (1 - share))[:, None]).T @ x

    return QualityCurve(*(float(value) for value in _newton(slopes, np.array([-5.0, -2.0]), ridge=1e-2)))


def equal_priors(
    counts: np.ndarray, never: Collection[int] | np.ndarray = (), drawn: np.ndarray | None = None
) -> np.ndarray:
    """What to add to logits so that no class is favoured for being frequent: minus the log of its share of the draws in
    training (Menon et al., "Long-tail learning via logit adjustment", ICLR 2021), as far as its share can be trusted.

    counts: (C,) training faces of each class, mirrored ones counted, too; never: classes that the network never
    answers; drawn: (C,) how often each was drawn, None for as often as it is there -> (C,), mean 0 over the others,
    0 for these.

    Other people's faces have other shares; and a rare pose should not be called a frequent one. But a class that n
    faces taught is hardly known if n is small, and would be called at random: it gets n / (n + HALF_TRUST) of its
    adjustment, nothing at 0 faces, half at 50, nearly all at 1,000. Of 10,000 faces, a class with 1 gains 0.2, with 10
    1.2, with 50 2.7, and none gains more than 3.2.
    """
    counts = np.asarray(counts, float)
    known = np.array([code not in never for code in range(len(counts))])
    drawn = counts if drawn is None else np.asarray(drawn, float)
    share = np.maximum(drawn, 0.5) / max(drawn.sum(), 1)
    bias = np.where(known, -np.log(share) * counts / (counts + HALF_TRUST), 0.0)
    return np.where(known, bias - bias[known].mean(), 0.0) if known.any() else bias


def fit_softmax(
    logits: np.ndarray, labels: np.ndarray, bias: np.ndarray, never: Collection[int] | np.ndarray = ()
) -> Softmax:
    """logits: (N, C), labels: (N,), bias: (C,), never: classes that are never answered and not among the labels -> with
    that bias the temperature of least cross-entropy over the N faces and one face of each class that looks like any."""
    bias = np.round(bias, 4)
    known = [code for code in range(len(bias)) if code not in never]
    own = np.searchsorted(known, labels)
    adjusted = (np.asarray(logits, np.float64) + bias)[:, known]

    def cross_entropy(log_temperature: float) -> float:
        scaled = adjusted / np.exp(log_temperature)
        low = np.logaddexp.reduce(scaled, axis=1, keepdims=True) - scaled  # minus the logs of the probabilities
        return float(low[np.arange(len(labels)), own].sum() + low.mean(axis=0).sum())

    low, high = -2.0, 3.0
    for _ in range(30):  # ternary search: the cross-entropy is convex in the inverse temperature, so it has one valley
        third = (high - low) / 3
        if cross_entropy(low + third) < cross_entropy(high - third):
            high -= third
        else:
            low += third
    return Softmax(round(float(np.exp((low + high) / 2)), 4), tuple(float(b) for b in bias))


def _newton(
    slopes: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], start: np.ndarray, ridge: float
) -> np.ndarray:
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
