"""The measures of an arm and the certainty of a difference: pure functions, shares rather than per cent.

Every measure is a mean over the test faces of one value a face. So a drawn set of faces is a row of weights, and
drawing faces anew for all arms is one product of matrices.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from landmarks import metrics
from landmarks.metrics import THRESHOLD

ROUNDS = 10_000
LEVEL = 0.95
"""Of the intervals."""
SIGNIFICANCE = 0.05
"""Differences are certain whose corrected p-value is below."""
CHUNK = 500
"""Rounds at a time; bounds the memory."""

MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean_error": metrics.nme,
    "failure_landmarks": lambda errors: (errors > THRESHOLD).mean(axis=-1),
    "failure_faces": lambda errors: (metrics.nme(errors) > THRESHOLD).astype(float),
    "auc": lambda errors: np.clip(THRESHOLD - metrics.nme(errors), 0, None) / THRESHOLD,
}
"""By name: (N, 5) errors -> (N,) values of faces, whose mean is the measure. Failures are errors above 10 % of the
inter-ocular distance; the AUC is that of a face's mean error from 0 to 10 %."""


def landmark_errors(vectors: np.ndarray, shift_free: bool = False) -> np.ndarray:
    """Errors from error vectors, as `metrics` counts them. vectors: (S, N, 5, 2) -> (S, N, 5), a share likewise.

    shift_free: the mean error vector of a run, two numbers, is taken out first, as by `metrics.without_shift`.
    """
    errors = []
    for run in np.asarray(vectors, np.float64):
        origin, unit = np.zeros_like(run), np.ones(len(run))
        moved = metrics.without_shift(run, origin, unit) if shift_free and np.isfinite(run).any() else run
        errors.append(metrics.point_errors(moved, origin, unit))
    return np.stack(errors)


def face_values(vectors: np.ndarray, measure: str, shift_free: bool = False) -> np.ndarray:
    """A measure's value of each face in each run. vectors: (S, N, 5, 2) -> (S, N)."""
    return MEASURES[measure](landmark_errors(vectors, shift_free))


def balanced_values(guesses: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Values of faces whose mean is a run's balanced accuracy, and whose spread is that of its influence function.

    guesses: (S, N) classes; labels: (N,) true classes, none absent -> (S, N).
    """
    right = (np.asarray(guesses) == labels).astype(float)
    classes = np.unique(labels)
    values = np.zeros_like(right)
    for label in classes:
        of_class = labels == label
        recall = right[:, of_class].mean(axis=1, keepdims=True)
        values += recall / len(classes) + of_class * (right - recall) / (len(classes) * of_class.mean())
    return values


def seed_spreads(values: Mapping[str, np.ndarray], kinds: Mapping[str, Hashable]) -> dict[str, float]:
    """Standard deviation over seeds that each arm is given: its own or its kind's, whichever is larger.

    A spread told by two to five seeds alone is often far too small by chance. A kind's variance is the median of its
    arms' variances, each divided by the median of its distribution (chi-squared over k degrees of freedom, by Wilson
    and Hilferty: (1 - 2 / 9k)^3), so that one arm that fails to train does not speak for the others. NaN, not known,
    where no arm of a kind has two seeds.

    values: by arm, (S, N) values of faces; kinds: by arm, what it shares with arms that should spread alike.
    """
    own: dict[str, float] = {}
    of_kind: dict[Hashable, list[float]] = defaultdict(list)
    for arm, runs in values.items():
        figures, degrees = runs.mean(axis=1), len(runs) - 1
        if degrees and np.isfinite(figures).all():
            own[arm] = float(figures.var(ddof=1))
            of_kind[kinds[arm]].append(own[arm] / (1 - 2 / (9 * degrees)) ** 3)
    pooled = {kind: float(np.median(variances)) for kind, variances in of_kind.items()}
    return {arm: float(np.sqrt(np.fmax(own.get(arm, np.nan), pooled.get(kinds[arm], np.nan)))) for arm in values}


@dataclass(frozen=True)
class Difference:
    """An arm's measure less its reference's."""

    value: float
    low: float
    high: float
    """The 95 % interval."""
    p: float
    """Two-sided p-value of no difference. NaN where the spread over seeds is not known, with an interval over faces
    alone; both are NaN where a run has no finite error."""


def differences(
    values: Mapping[str, np.ndarray],
    pairs: Mapping[str, str],
    spreads: Mapping[str, float],
    rounds: int = ROUNDS,
    level: float = LEVEL,
    seed: int = 0,
    degrees: Mapping[str, float] = {},
) -> dict[str, Difference]:
    """Bootstrap of differences over test faces and seeds (percentiles, Efron 1979; p-values as Davison and Hinkley 1997
    count them, (1 + rounds beyond) / (1 + rounds)).

    In each round the faces are drawn anew, the same ones for both arms, and the seeds of both arms are drawn anew from
    a normal distribution with the arm's spread: resampling two to five seeds themselves gives intervals that are much
    too short.

    values: by arm, (S, N) values of faces; pairs: arm -> reference; spreads: what `seed_spreads` gives; degrees: of
    freedom of an arm's spread, for which Student's t takes the place of the normal distribution -> by arm.
    """
    if not pairs:
        return {}
    means = {arm: values[arm].mean(axis=0) for arm in {*pairs, *pairs.values()}}
    gaps = np.stack([means[arm] - means[reference] for arm, reference in pairs.items()], axis=1)  # (N, P)
    finite = np.isfinite(gaps).all(axis=0)
    drawn = _drawn_means(np.where(finite, gaps, 0.0), rounds, seed)
    generator = np.random.default_rng([seed, 1])
    errors = {arm: np.nan_to_num(spreads[arm]) / np.sqrt(len(values[arm])) for arm in sorted(means)}
    noise = {
        arm: error * generator.standard_t(degrees[arm], rounds)
        if arm in degrees
        else generator.normal(0, error, rounds)
        for arm, error in errors.items()
    }
    found = {}
    for place, (arm, reference) in enumerate(pairs.items()):
        value = float(gaps[:, place].mean())
        if not finite[place]:
            found[arm] = Difference(value, np.nan, np.nan, np.nan)
            continue
        rows = drawn[:, place] + noise[arm] - noise[reference]
        low, high = np.quantile(rows, [(1 - level) / 2, (1 + level) / 2])
        beyond = min(int((rows <= 0).sum()), int((rows >= 0).sum()))
        known = not np.isnan(spreads[arm] + spreads[reference])
        p = min(1.0, 2 * (1 + beyond) / (1 + rounds)) if known else np.nan
        found[arm] = Difference(value, float(low), float(high), p)
    return found


def seed_by_seed(
    values: Mapping[str, np.ndarray], pairs: Mapping[str, str], seeds: Mapping[str, Sequence[int]]
) -> dict[str, np.ndarray]:
    """Values of arms less those of their references with the same seeds: by arm, (S, N), S the seeds that both have.

    values: by arm, (S, N) values of faces in the order of the arm's seeds; pairs: arm -> reference; seeds: by arm.
    """
    gaps = {}
    for arm, reference in pairs.items():
        common = [seed for seed in seeds[arm] if seed in seeds[reference]]
        own, other = ([list(seeds[name]).index(seed) for seed in common] for name in (arm, reference))
        gaps[arm] = values[arm][own] - values[reference][other]
    return gaps


def paired_differences(gaps: Mapping[str, np.ndarray], kinds: Mapping[str, Hashable]) -> dict[str, Difference]:
    """`differences` of arms that have drawn the same training faces as their references, seed by seed: what a draw of
    few faces does to both is not taken for a difference, nor for its uncertainty.

    The variance over seeds is pooled over a kind's arms, which are few, so the seeds' part of a round is drawn from
    Student's t with as many degrees of freedom as went into it.

    gaps: what `seed_by_seed` gives; kinds: by arm, what it shares with arms whose differences should spread alike.
    """
    if not gaps:
        return {}
    squares: dict[Hashable, float] = defaultdict(float)
    degrees: dict[Hashable, int] = defaultdict(int)
    for arm, runs in gaps.items():
        figures = runs.mean(axis=1)
        if len(runs) > 1 and np.isfinite(figures).all():
            squares[kinds[arm]] += float(((figures - figures.mean()) ** 2).sum())
            degrees[kinds[arm]] += len(runs) - 1
    spreads = {arm: np.sqrt(squares[kind] / degrees[kind]) if degrees[kind] else np.nan for arm, kind in kinds.items()}
    nothing = ""
    values = {**gaps, nothing: np.zeros((1, next(iter(gaps.values())).shape[1]))}
    freedom = {arm: degrees[kinds[arm]] for arm in gaps if degrees[kinds[arm]]}
    return differences(values, dict.fromkeys(gaps, nothing), {**spreads, nothing: 0.0}, degrees=freedom)


def holm(p_values: np.ndarray) -> np.ndarray:
    """P-values corrected for their number by Holm's step-down method (1979). NaN stays and is not counted. (P,)."""
    corrected = np.array(p_values, float)
    given = np.flatnonzero(~np.isnan(corrected))
    order = given[np.argsort(corrected[given], kind="stable")]
    steps = corrected[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return corrected


def _drawn_means(columns: np.ndarray, rounds: int, seed: int) -> np.ndarray:
    """Means over faces drawn with replacement, the same for all columns. (N, P) -> (rounds, P)."""
    counts = _face_counts(len(columns), rounds, seed)
    parts = [counts[start : start + CHUNK] @ columns for start in range(0, rounds, CHUNK)]
    return np.concatenate(parts) / len(columns)


@lru_cache(maxsize=2)
def _face_counts(faces: int, rounds: int, seed: int) -> np.ndarray:
    """How often each face is drawn in each round. -> (rounds, N) uint16."""
    generator = np.random.default_rng([seed, 0])
    counts = np.empty((rounds, faces), np.uint16)
    for row in counts:
        row[:] = np.bincount(generator.integers(faces, size=faces), minlength=faces)
    return counts
