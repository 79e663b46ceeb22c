"""What a reader must know before believing a comparison: sentences that follow from the results, and what the other
tasks came to."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from landmarks.comparison.analysis.learnt import at_chance, edges, never_fired, stops
from landmarks.comparison.analysis.summary import Measured, spread
from landmarks.comparison.analysis.task_measures import ACCURACY, CHANCE, TaskMeasure, measure_of
from landmarks.comparison.page.wording import listed
from landmarks.comparison.results import ArmResults, Results
from landmarks.evaluation.card import markdown_table

ENOUGH = 3
"""Seeds below which an arm is named."""
MOST = 12
"""Arms of few seeds that are named; more are counted."""


def cautions(measured: Measured, described: pd.DataFrame) -> list[str]:
    """A sentence for each kind of doubt that there is. described: of `describe`."""
    results, told = measured.results, []
    for task, arms in at_chance(results, described).items():
        measure = measure_of(results, task)
        if measure.lower_is_better:
            why = f"its {measure.words}, is less than {CHANCE:g} % below the {measure.guess:.3g} of the mean"
        else:
            name = measure.words.removesuffix(", %")
            why = f"its {name} is less than {CHANCE:g} points above the {measure.guess:.0f} % of a guess"
        told.append(
            f"{task} was not learnt by {_names(arms)}: {why}. What {_these(arms)} to the landmarks says nothing about "
            f"sharing with {task}"
        )
    idle = never_fired(results)
    if idle:
        told.append(
            f"the stopping rule of {_names(idle)} never fired in any seed: {_such(idle)} without one, and what "
            "tells them from such an arm is chance"
        )
    few = [name for name, arm in results.arms.items() if len(arm.seeds) < ENOUGH]
    if few:
        which = _names(few) if len(few) <= MOST else f"{len(few)} of {len(results.arms)} arms (see their tables)"
        told.append(
            f"fewer than {ENOUGH} seeds stand behind {which}: a difference there may be one of seeds, since what "
            "they say of their spread is little"
        )
    for edge in edges(results, described):
        end, beyond = ("smallest", "smaller") if edge.smallest else ("largest", "larger")
        told.append(
            f"the best `{edge.key}` of {edge.tried} is the {end} that was tried, {edge.value:g} (`{edge.arm}`): a "
            f"{beyond} one may be better"
        )
    return told


def auxiliary_table(measured: Measured, described: pd.DataFrame) -> str:
    """The other tasks of every arm that has any: balanced accuracies, absolute errors or explained variance, and when
    which were stopped. Empty without."""
    results = measured.results
    arms = [arm for arm in results.arms.values() if arm.auxiliary]
    measures = {task: measure_of(results, task) for task in results.tasks}
    tasks = [task for task, measure in measures.items() if f"{task}_{measure.column}" in described]
    if not arms or not tasks:
        return ""
    names = [_column(task, measures[task]) for task in tasks]
    accuracies = any(measures[task].words == ACCURACY for task in tasks)
    head = [ACCURACY if accuracies else "", *names, "stopped after"]
    rows = []
    for arm in arms:
        row = described.loc[arm.name]
        cells = [_figure(row, task, measures[task]) if task in arm.auxiliary else "" for task in tasks]
        rows.append([f"`{arm.name}`", *cells, _stopped(results, arm)])
    return markdown_table(head, rows)


def _figure(row: pd.Series, task: str, measure: TaskMeasure) -> str:
    """A task's figure and, where it was measured, its gradient's cosine with the landmarks'."""
    figure, cosine = spread(row, f"{task}_{measure.column}"), row.get(f"{task}_gradient_cosine", np.nan)
    return figure if pd.isna(cosine) else f"{figure}, cosine {cosine:+.2f}"


def _column(task: str, measure: TaskMeasure) -> str:
    """A task at the head of its column, with what a guess comes to, and its measure where it is no accuracy."""
    if measure.words == ACCURACY:
        return f"{task} (guess {measure.guess:.0f})"
    return f"{task}, {measure.words} (the mean: {measure.guess:.3g})"


def _stopped(results: Results, arm: ArmResults) -> str:
    """`pose 4 to 6 (3 of 5 seeds)`: the epochs, from 1, after which each task stopped; nothing without a rule."""
    found = stops(results, arm) if arm.stopping != "none" else []
    if found is None:
        return "no log"
    names = dict.fromkeys(name for seed in found for name in seed)
    told = []
    for name in names:
        epochs = np.array([seed[name] for seed in found if name in seed]) + 1
        span = f"{epochs.min()}" if epochs.min() == epochs.max() else f"{epochs.min()} to {epochs.max()}"
        told.append(f"{name} {span}" + ("" if len(epochs) == len(found) else f" ({len(epochs)} of {len(found)} seeds)"))
    return ", ".join(told) or ("never" if found else "")


def _names(arms: Iterable[str]) -> str:
    return listed(f"`{name}`" for name in arms)


def _these(arms: list[str]) -> str:
    return "this arm does" if len(arms) == 1 else "these arms do"


def _such(arms: list[str]) -> str:
    return "it is an arm" if len(arms) == 1 else "they are arms"
