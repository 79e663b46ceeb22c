"""TCDCN's dynamic task coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from landmarks.training.history import losses_of
from landmarks.training.weightings.base import Factors, Weighting


class DynamicCoefficients(Weighting):
    """TCDCN's dynamic task coefficients (Zhang et al., TPAMI 2016, arXiv 1408.3967), which replace early stopping: an
    auxiliary task counts as long as it still learns, seen on the training and on the held-out faces.

    Certain is that the coefficients are adapted while training, and that the paper makes them random variables with a
    Gaussian prior whose mean follows the errors over the last tau epochs. These are readings of ours:

    - the mean, mu = rho x (relative fall of the validation error) x (relative fall of the training error), is taken
      for the coefficient itself; rho = tau = 5 are another implementation's values;
    - a fall is at least 0: of two errors that rise the product would be positive;
    - the coefficient is at most `CAP`, which is also what it is until there are tau epochs to look back on, and where
      an epoch lacks one of the task's losses.

    The main task, `tasks[0]`, has coefficient 1. All are times the tasks' weights.
    """

    RHO, TAU, CAP = 5.0, 5, 1.0

    def factors(self, history: Sequence[dict[str, Any]]) -> Factors:
        weights = super().factors(history)
        if len(history) <= self.TAU:
            return weights
        ends = [history[-1 - self.TAU], history[-1]]
        for task in self.tasks[1:]:
            falls = [_relative_fall(*losses_of(ends, split, task)) for split in ("train", "val")]
            mean = self.RHO * max(falls[0], 0.0) * max(falls[1], 0.0)
            weights[task] *= self.CAP if any(map(math.isnan, falls)) else min(mean, self.CAP)
        return weights


def _relative_fall(before: float, last: float) -> float:
    """By which share of itself a loss fell; NaN where that cannot be said."""
    return float((before - last) / before) if before > 0 and math.isfinite(last) else math.nan
