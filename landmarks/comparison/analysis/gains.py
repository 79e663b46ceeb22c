"""What other tasks do for the landmarks, cell by cell of a map of training faces and their views; and what landmarks do
for tasks of which few faces have a label."""

from __future__ import annotations

import pandas as pd

from landmarks.comparison.analysis.accuracies import contrast_rows, corrected_rows
from landmarks.comparison.analysis.questions import pairs_with_single_task
from landmarks.comparison.analysis.summary import ERROR, Measured, contrast
from landmarks.comparison.results import ArmResults, Results


def gains(measured: Measured, group: str) -> pd.DataFrame:
    """How the landmarks' error differs where other tasks are learnt, too.

    A row an arm of the group with other tasks, those of few views and few faces first: its index is the arm; `faces`
    (0: all), `views`, and the columns of `contrast`, corrected for the number of rows.
    """
    arms = measured.results.arms
    pairs = {
        arm: alone for arm, alone in pairs_with_single_task(measured.results, group).items() if arms[arm].auxiliary
    }
    frame = contrast(measured, pairs)
    for key in ("faces", "views"):
        frame[key] = [arms[str(name)].config[key] for name in frame.index]

    def place(name: str) -> tuple[float, float, int]:
        arm = arms[name]
        return arm.config["views"], arm.config["faces"] or float("inf"), len(arm.auxiliary)

    return frame.loc[sorted(frame.index, key=place)]


def few_labels(results: Results, group: str) -> pd.DataFrame:
    """How much better tasks of few labels are told when they are not learnt alone: the rows of `accuracy_contrast` for
    each arm of the group, against the same task alone from as many labels, with `labels`, that number."""
    rows = []
    own = [arm for arm in results.arms.values() if arm.group == group]
    for task in results.tasks:
        for count in sorted({arm.config["labels"][task] for arm in own if task in arm.config["labels"]}):
            same = [arm for arm in own if arm.config["labels"].get(task) == count]
            alone = [arm for arm in same if arm.config["tasks"] == [task]]
            others = sorted((arm for arm in same if arm not in alone), key=lambda arm: len(arm.auxiliary))
            rows += [row | {"labels": count} for row in contrast_rows(results, task, alone[:1], others)]
    return corrected_rows(rows)


def words_of(arm: ArmResults) -> str:
    """How a task is learnt, in the words of the tables."""
    if not arm.locates:
        return "alone"
    return "with the landmarks" if len(arm.auxiliary) == 1 else "with the landmarks and the others"


def errors_of(measured: Measured, arm: str) -> tuple[float, float]:
    """Test and training error of an arm in per cent, means over seeds."""
    results = measured.results.arms[arm]
    return 100 * float(measured.values[ERROR][arm].mean()), 100 * float(results.numbers["train_error"].mean())
