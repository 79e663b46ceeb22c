"""How many wrong faces are among those that nobody has looked at: their qualities, corrected by what was seen.

Quality is the probability that a face is right, fitted on validation faces. Photographs of another kind shift it, often
by the same factor in the odds (prior shift: Saerens et al., Neural Computation 2002) and somewhat in its steepness
(Platt, 1999). So the probability that a face is wrong is taken as

    logistic(offset + slope log((1 - quality) / quality)),

with a normal prior of offset 0 and slope 1, which leaves quality as it is, and the faces that a person has judged as
evidence. The offset's prior has the standard deviation 2.5 (after Gelman et al., Annals of Applied Statistics 2008: a
factor of twelve in the odds is no surprise); the slope's is .5, about how far the slopes fitted on held-back faces of
six kinds lie from 1 (.5 to 2.2).

That the most doubtful faces are seen first does no harm: which faces are seen depends on their qualities alone, and
quality is what the model conditions on, so the way of choosing cancels out of the likelihood (Rubin, Biometrika 1976).
It would do harm to choose by what the faces look like, as one does who puts hard ones off or brings back from another
tool only what was wrong there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = np.array([0.0, 1.0])
"""Offset and slope with nothing seen."""
SPREAD = np.array([2.5, 0.5])
"""Their standard deviations then."""
RANGE = 0.8
"""Probability that the number of wrong faces lies in the range that is told."""
SURE = 1e-6
"""No face is taken for right or wrong with less doubt than this."""
BINS = np.linspace(-14.0, 14.0, 113)
"""Log odds; faces in one bin count as alike, so that a hundred thousand cost no more than a thousand."""
REACH, STEPS = 4.0, 25
"""The posterior is summed over so many standard deviations to each side, in so many steps of each constant."""
DRAWS = 1000
"""Of the number of wrong faces, from which the range is read."""


@dataclass(frozen=True)
class Remaining:
    """Wrong faces among those that nobody has looked at."""

    expected: float
    """With the most probable offset and slope: with nothing seen, the sum of 1 - quality."""
    least: int
    most: int
    """With the probability RANGE there are from `least` to `most`."""


def wrong_remaining(quality: np.ndarray, seen: np.ndarray, wrong: np.ndarray) -> Remaining:
    """What is expected of the faces that were not seen.

    quality: (N,) 0 to 1; a face whose quality is NaN neither counts nor is evidence. seen: (N,) bool, the faces that a
    person has judged. wrong: (N,) bool, what was found of those; of the others it is not looked at.
    """
    known = np.isfinite(quality)
    doubt = np.clip(1 - quality[known].astype(float), SURE, 1 - SURE)
    odds, seen, wrong = np.log(doubt / (1 - doubt)), seen[known], wrong[known]
    rest = odds[~seen]
    if not len(rest):
        return Remaining(0.0, 0, 0)
    counts, centres, bad = _binned(odds[seen], wrong[seen])
    fitted, deviations = _fit(centres, counts, bad)
    expected = float(_logistic(_design(rest) @ fitted).sum())

    steps = np.linspace(-REACH, REACH, STEPS)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)  # (G, 2) standard deviations from the fit
    constants = fitted + grid @ deviations
    score = constants @ _design(centres).T  # (G, bins)
    log_weights = score @ bad - np.logaddexp(0, score) @ counts
    log_weights -= 0.5 * (((constants - PRIOR) / SPREAD) ** 2).sum(axis=1)
    weights = np.exp(log_weights - log_weights.max())

    generator = np.random.default_rng(0)  # The same answer to the same question.
    drawn = constants[generator.choice(len(grid), DRAWS, p=weights / weights.sum())]
    counts, centres, _ = _binned(rest, np.zeros(len(rest)))
    numbers = generator.binomial(counts, _logistic(drawn @ _design(centres).T)).sum(axis=1)
    least, most = np.quantile(numbers, [(1 - RANGE) / 2, (1 + RANGE) / 2], method="inverted_cdf")
    return Remaining(expected, int(least), int(most))


def _fit(centres: np.ndarray, counts: np.ndarray, bad: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most probable offset and slope, (2,), and (2, 2) whose rows span a standard deviation of both around them.

    Newton's method; the logarithm of the posterior is concave."""
    design, fitted = _design(centres), PRIOR
    for _ in range(100):
        doubt = _logistic(design @ fitted)
        gradient = design.T @ (bad - counts * doubt) - (fitted - PRIOR) / SPREAD**2
        curvature = (design.T * (counts * doubt * (1 - doubt))) @ design + np.diag(1 / SPREAD**2)
        step = np.linalg.solve(curvature, gradient)
        size = np.abs(step / SPREAD).max()
        fitted = fitted + step / max(1.0, size)  # Far from the top a whole step may jump over it.
        if size < 1e-9:
            break
    return fitted, np.linalg.inv(np.linalg.cholesky(curvature))


def _design(odds: np.ndarray) -> np.ndarray:
    """(N,) -> (N, 2): what offset and slope are multiplied by."""
    return np.stack([np.ones_like(odds), odds], axis=1)


def _binned(odds: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N,), (N,) -> faces, mean log odds, wrong faces of the bins that are not empty: (B,) each."""
    bins = np.digitize(odds, BINS)
    counts = np.bincount(bins)
    sums = [np.bincount(bins, weights=values)[counts > 0] for values in (odds, wrong)]
    counts = counts[counts > 0]
    return counts, sums[0] / counts, sums[1]


def _logistic(score: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -score))
