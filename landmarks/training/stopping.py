"""When a task stops: task-wise early stopping (Zhang et al., ECCV 2014) or one early stop of the whole training. All is
computed from the log's rows, so that an interrupted training decides as an uninterrupted one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landmarks.config import checked
from landmarks.errors import unknown
from landmarks.training.history import losses_of

FLOOR = 0.01
"""Training errors below this share of the largest one so far count as it: see `stopping_index`."""
KINDS = ("none", "task_wise", "global")


def stopping_index(
    train: Sequence[float] | np.ndarray, val: Sequence[float] | np.ndarray, strip: int, weight: float = 1.0
) -> np.ndarray:
    """TCDCN's criterion for stopping an auxiliary task, after each epoch; it is large when the task should stop.

    train, val: (E,) a task's training and validation error by epoch, not negative, NaN where not measured; strip: k,
    epochs over which the training error's trend is seen; weight: the task's coefficient, lambda -> (E,) float64.

    The index is trend x gap (Zhang et al., ECCV 2014, task-wise early stopping). Trend = k med / (S - k med) with the
    median med and the sum S of the training errors of epochs t - k to t; gap = (val - low) / (lambda low) with the
    lowest training error low so far. It is Prechelt's quotient of generalisation loss and progress (1998) with a median
    for his minimum. Where the formula is silent or breaks:

    - Before k + 1 epochs, or where an error is not measured, there is no trend: NaN.
    - S has the k + 1 terms that its limits name. The trend of a flat strip then is k, that of one that rises less, of
      one that falls more or less as it bends. With k terms it would be infinite for flat and for straight strips alike,
      and between them jump from epoch to epoch.
    - S <= k med: the error has just fallen much faster than before. The trend is clamped to 0, never negative.
    - val <= low: nothing is lost by going on, the index is 0 or less.
    - low is floored at `FLOOR` times the largest training error so far: an easy task whose error vanishes would stop
      for a gap of any size.

    Raises ValueError for series of unequal length, a strip below 2 or a weight that is not positive.
    """
    if len(train) != len(val):
        raise ValueError(f"as many training as validation errors are needed, not {len(train)} and {len(val)}")
    if strip < 2 or not weight > 0:
        raise ValueError(f"strip must be 2 or more and weight positive, not {strip} and {weight}")
    index = np.full(len(train), np.nan)
    if len(train) <= strip:
        return index
    errors, held_out = np.asarray(train, dtype=float), np.asarray(val, dtype=float)
    floor = np.maximum(FLOOR * np.fmax.accumulate(errors), np.finfo(float).tiny)
    low = np.maximum(np.fmin.accumulate(errors), floor)
    trend = _trend(np.lib.stride_tricks.sliding_window_view(errors, strip + 1))  # (E - k, k + 1) -> (E - k,)
    with np.errstate(over="ignore", invalid="ignore"):
        index[strip:] = trend * ((held_out - low) / (weight * low))[strip:]
    return index


def _trend(strips: np.ndarray) -> np.ndarray:
    """k med / (S - k med). strips: (M, k + 1) -> (M,), 0 or more, NaN where an error is not finite."""
    strip = strips.shape[1] - 1
    middle, total = strip * np.median(strips, axis=1), strips.sum(axis=1)
    bend = np.where(total > 0, total - middle, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        trend = np.where(bend > 1e-9 * middle, middle / bend, 0.0)
    trend[total == 0] = strip  # flat at 0
    return np.where(np.isfinite(total), trend, np.nan)


@checked
@dataclass(frozen=True)
class Stopping:
    """When to stop what. Raises ValueError for values that cannot be.

    The history is the log's rows so far (`landmarks.training.history`); whether a stopped task is still measured is
    all the same.
    """

    kind: str = "none"
    """`none`; `task_wise`: each auxiliary task by its index; `global`: all at once by the main task."""
    strip: int = 5
    """Epochs over which a task's trend is seen (`task_wise`)."""
    threshold: float = 3.0
    """A task stops when its index exceeds this (`task_wise`). The paper does not give its value, nor that of strip."""
    patience: int = 10
    """Epochs without a better main task after which training ends (`global`)."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(unknown("stopping", self.kind, KINDS))
        if self.strip < 2 or self.patience < 1 or not self.threshold > 0:
            raise ValueError("strip must be 2 or more, patience 1 or more, threshold positive")

    def indices(
        self, history: Sequence[dict[str, Any]], tasks: tuple[str, ...], task_weights: dict[str, float]
    ) -> dict[str, float]:
        """Each task's index after the history's last epoch, whatever the kind; NaN where there is none."""
        series = {task: self._series(history, task, task_weights) for task in tasks}
        return {task: float(values[-1]) if len(values) else float("nan") for task, values in series.items()}

    def stopped(
        self, history: Sequence[dict[str, Any]], tasks: tuple[str, ...], task_weights: dict[str, float]
    ) -> dict[str, int]:
        """The auxiliary tasks that have stopped, and the epoch after which each did. They never start again, and the
        main task, `tasks[0]`, never stops. Empty unless the kind is `task_wise`."""
        if self.kind != "task_wise":
            return {}
        epochs = {}
        for task in tasks[1:]:
            beyond = np.flatnonzero(self._series(history, task, task_weights) > self.threshold)
            if len(beyond):
                epochs[task] = int(history[beyond[0]]["epoch"])
        return epochs

    def over(self, history: Sequence[dict[str, Any]], tasks: tuple[str, ...]) -> bool:
        """Whether the whole training ends: the main task's validation loss has not fallen for `patience` epochs. False
        unless the kind is `global`, and as long as nothing was validated."""
        best = _best(history, tasks)
        return self.kind == "global" and best is not None and len(history) - 1 - best >= self.patience

    def best_epoch(self, history: Sequence[dict[str, Any]], tasks: tuple[str, ...]) -> int:
        """The first epoch with the main task's lowest validation loss; the last epoch if nothing was validated. Raises
        ValueError for an empty history."""
        if not history:
            raise ValueError("there is no best epoch before the first one")
        best = _best(history, tasks)
        return int(history[-1 if best is None else best]["epoch"])

    def kept(self, history: Sequence[dict[str, Any]], tasks: tuple[str, ...]) -> dict[str, Any]:
        """The row of the epoch whose weights a training keeps: the best one's if the kind is `global`, else the last
        one's. Raises ValueError for an empty history."""
        best = self.best_epoch(history, tasks) if self.kind == "global" else None
        return history[-1] if best is None else next(row for row in history if row["epoch"] == best)

    def _series(self, history: Sequence[dict[str, Any]], task: str, task_weights: dict[str, float]) -> np.ndarray:
        """(E,) the task's index by epoch; a task of no weight is not trained and has none. Training and validation
        error are of the same weights, the averaged ones: their gap is no lag behind the weights that learn."""
        weight = task_weights.get(task, 1.0)
        if not weight > 0:
            return np.full(len(history), np.nan)
        return stopping_index(losses_of(history, "watched", task), losses_of(history, "val", task), self.strip, weight)


def _best(history: Sequence[dict[str, Any]], tasks: tuple[str, ...]) -> int | None:
    """Place in the history of the main task's lowest validation loss."""
    losses = losses_of(history, "val", tasks[0])
    return None if np.isnan(losses).all() else int(np.nanargmin(losses))
