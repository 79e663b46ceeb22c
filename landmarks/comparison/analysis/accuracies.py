"""Whether the landmarks help the other tasks: how well these are told learnt alone and with the landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from landmarks.comparison.analysis.questions import ALIKE, all_tasks, nearest, reference_arm
from landmarks.comparison.analysis.statistics import (
    differences,
    holm,
    paired_differences,
    seed_by_seed,
    seed_spreads,
)
from landmarks.comparison.analysis.task_measures import measure_of, task_values
from landmarks.comparison.results import ArmResults, Results


def accuracy_contrast(results: Results) -> pd.DataFrame:
    """How much better a task is told by the reference's network when it is not learnt alone.

    A row a task and arm: `task`, `arm`, `reference` (the task alone), `accuracy` and `alone` (by the task's own
    measure, balanced accuracy in per cent or mean absolute error in its unit, means over seeds) with `accuracy_sd`,
    `alone_sd`, and the `accuracy_difference`, `_low`, `_high`, `_p`, `_p_holm`, corrected for the number of rows;
    `measure`, its words, and `lower_is_better`. No rows where no other task is learnt alone.
    """
    rows = []
    for task in results.tasks:
        rows += contrast_rows(results, task, *_arms(results, task))
    return corrected_rows(rows)


def contrast_rows(
    results: Results, task: str, alone: list[ArmResults], others: list[ArmResults]
) -> list[dict[str, Any]]:
    """The rows of `accuracy_contrast` for one task, not yet corrected: each other arm against the first that
    learns it alone, seed by seed where the seed draws the labels; none where there is no such arm."""
    measure = measure_of(results, task)
    values = {arm.name: task_values(results, arm, task) for arm in (*alone[:1], *others)}
    if not alone or not values[alone[0].name].size:
        return []
    spreads = seed_spreads(values, dict.fromkeys(values, task))
    reference = alone[0].name
    pairs = {arm.name: reference for arm in others}
    if alone[0].config["labels"]:
        gaps = seed_by_seed(values, pairs, {arm.name: arm.seeds for arm in (alone[0], *others)})
        found = paired_differences(gaps, dict.fromkeys(gaps, task))
    else:
        found = differences(values, pairs, spreads)
    rows = []
    for arm in others:
        row: dict[str, Any] = {"task": task, "arm": arm.name, "reference": reference}
        row |= {"measure": measure.words, "lower_is_better": measure.lower_is_better}
        for key, name in (("accuracy", arm.name), ("alone", reference)):
            figures = measure.factor * values[name].mean(axis=1)
            row |= {key: figures.mean(), f"{key}_sd": figures.std(ddof=1) if len(figures) > 1 else np.nan}
        difference = found[arm.name]
        parts = {"difference": difference.value, "low": difference.low, "high": difference.high}
        row |= {f"accuracy_{part}": measure.factor * value for part, value in parts.items()} | {
            "accuracy_p": difference.p
        }
        rows.append(row)
    return rows


def corrected_rows(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `contrast_rows` with p-values that are corrected for their number."""
    frame = pd.DataFrame(rows)
    return frame.assign(accuracy_p_holm=holm(frame["accuracy_p"].to_numpy())) if rows else frame


def _arms(results: Results, task: str) -> tuple[list[ArmResults], list[ArmResults]]:
    """The arm of a task alone, if there is one; the arms of it with the landmarks and with all tasks."""
    reference = reference_arm(results)
    same = [arm for arm in results.arms.values() if all(arm.config[key] == reference.config[key] for key in ALIKE)]
    alone = [arm for arm in same if arm.config["tasks"] == [task] and not arm.config["labels"]]
    pairs = [arm for arm in same if arm.locates and arm.auxiliary == {task} and arm.varies == "tasks"]
    found = [nearest(reference, pairs), all_tasks(results)]
    others = {arm.name: arm for arm in found if arm is not None and task in arm.auxiliary}
    return alone, list(others.values())
