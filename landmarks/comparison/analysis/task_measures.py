"""How tasks other than the landmarks are measured, each in its own way: what tells attributes, quantities and the
reconstruction apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landmarks.comparison.analysis.statistics import balanced_values
from landmarks.comparison.results import ArmResults, Results
from landmarks.datasets.table import is_known, task_labels
from landmarks.schemes import Attribute, Quantity, Reconstruction

ACCURACY = "balanced accuracy, %"
"""What the measure of attributes is called."""
CHANCE = 2.0
"""A task counts as not learnt if it is better than a guess that does not look by less than so many per cent: points of
balanced accuracy or explained variance, or hundredths of the guess's error."""


@dataclass(frozen=True)
class TaskMeasure:
    """The measure of one task."""

    column: str
    """Its name in tables of figures, after the task's."""
    words: str
    """What it is called, with its unit."""
    factor: float
    """From the mean over faces to the figure that is told."""
    lower_is_better: bool
    guess: float
    """What a guess that does not look comes to, as it is told; NaN where the test faces' labels are all alike."""

    def not_learnt(self, figure: float) -> bool:
        """Whether a figure is that of a guess; no where there is nothing to guess."""
        return bool(figure > self.guess * (1 - CHANCE / 100) if self.lower_is_better else figure < self.guess + CHANCE)


def measure_of(results: Results, task: str) -> TaskMeasure:
    """How a task is measured in a comparison: an attribute by its balanced accuracy in per cent, which guesses one
    class; a quantity by its mean absolute error in its unit, whose guess is the mean of the test faces; the
    reconstruction by the variance that it explains, in per cent, which is none for their mean picture."""
    kind = results.tasks[task]
    if isinstance(kind, Reconstruction):
        return TaskMeasure("explained_variance", "explained variance, %", 100.0, False, 0.0)
    labels = true_labels(results, task)
    labels = labels[is_known(labels)]
    various = len(np.unique(labels)) > 1
    if isinstance(kind, Quantity):
        words = f"mean absolute error{f', {kind.unit}' if kind.unit else ''}"
        guess = float(np.abs(labels - labels.mean()).mean()) if various else np.nan
        return TaskMeasure("absolute_error", words, 1.0, True, guess)
    guess = 100 / len(np.unique(labels)) if various else np.nan
    return TaskMeasure("balanced_accuracy", ACCURACY, 100.0, False, guess)


def task_values(results: Results, arm: ArmResults, task: str) -> np.ndarray:
    """Values of the test faces that have the label, whose mean is the arm's measure: (S, n)."""
    kind, guesses = results.tasks[task], arm.guesses[task]
    if isinstance(kind, Reconstruction):
        return guesses
    labels = true_labels(results, task)
    given = is_known(labels)
    if isinstance(kind, Attribute):
        return balanced_values(guesses[:, given], labels[given])
    return np.abs(guesses[:, given] - labels[given])


def task_figures(results: Results, arm: ArmResults, task: str) -> np.ndarray:
    """(S,) the arm's measure as it is told, by seed; NaN where no test face has the label."""
    values = task_values(results, arm, task)
    return measure_of(results, task).factor * values.mean(axis=1) if values.size else np.full(len(values), np.nan)


def true_labels(results: Results, task: str) -> np.ndarray:
    """(N,) labels of the test faces: classes, ABSENT where absent, or numbers, NaN where absent. Raises ValueError for
    the reconstruction, which has none."""
    kind = results.tasks[task]
    if isinstance(kind, Reconstruction):
        raise ValueError(f"no face has a label of {task}")
    return task_labels(results.faces, kind)
