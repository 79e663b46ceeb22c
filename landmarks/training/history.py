"""What a training has been like: the rows of its log, from which stopping and weighting decide.

A row is a dict with the `epoch`, the tasks' mean losses in it under `train` and, where faces were held out, under
`val`. A task that a row does not name was not measured in that epoch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def losses_of(history: Sequence[dict], split: str, task: str) -> np.ndarray:
    """(E,) float64: a task's loss in each epoch, NaN where not measured. split: `train` or `val`."""
    return np.array([row.get(split, {}).get(task, np.nan) for row in history], dtype=float)
