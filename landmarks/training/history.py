"""What a training has been like: the rows of its log, from which stopping and weighting decide.

A row is a dict with the `epoch` and the tasks' mean losses: under `train` those of the batches that were learnt from,
each by the weights of its time; where faces were held out, under `val` theirs and under `watched` those of some
training faces, both by the averaged weights at the epoch's end. A task that a row does not name was not measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def losses_of(history: Sequence[dict[str, Any]], split: str, task: str) -> np.ndarray:
    """(E,) float64: a task's loss in each epoch, NaN where not measured. split: `train`, `watched` or `val`."""
    return np.array([row.get(split, {}).get(task, np.nan) for row in history], dtype=float)
