"""Figures of how arms learn, epoch by epoch, from their logs; without panels where their arms are not there."""

from __future__ import annotations

import math
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landmarks.comparison.analysis.questions import all_tasks, nearest, reference_arm, tasks_text
from landmarks.comparison.analysis.summary import Measured
from landmarks.comparison.results import ArmResults, Results
from landmarks.comparison.runs.logs import read_log
from landmarks.evaluation.plots import COLOURS, INK, empty_panels, legend_above, plain_numbers, tidy
from landmarks.schemes import Attribute, Declared, Reconstruction, in_order


def learning_curves(measured: Measured) -> Figure:
    """Training and validation loss by epoch: the landmarks alone and with all tasks; and those tasks."""
    results = measured.results
    alone, together = reference_arm(results), all_tasks(results)
    arms = [arm for arm in (alone, together) if arm is not None and _logs(results, arm)]
    if not arms:
        return Figure()
    # Further landmarks have no blind guess to be held against.
    others = [task for task in in_order(arms[-1].auxiliary) if task in results.tasks]
    figure, panels = empty_panels(2 if others else 1, "loss of the landmarks")
    for arm, colour in zip(arms, (INK, COLOURS[0])):
        _lines(panels[0], _logs(results, arm), arm.config["landmarks"], colour, tasks_text(arm))
    panels[0].set_yscale("log")
    plain_numbers(panels[0].yaxis)
    if others:
        panels[1].set_ylabel("loss of the other tasks\nover a blind guess's")
        for task, colour in zip(others, cycle(COLOURS[1:])):
            _lines(panels[1], _logs(results, arms[-1]), task, colour, task, _blind(results.tasks[task]))
    for axes in panels:
        axes.plot([], [], color="grey", ls="--", label="training")
        axes.plot([], [], color="grey", label="validation")
        axes.set_xlabel("epoch")
        legend_above(axes, 3)
    return figure


def _blind(task: Declared | Reconstruction) -> float:
    """Loss of a guess that does not look: the logarithm of the number of classes, which it takes for equally likely; or
    of the mean, where the numbers are of a normal distribution; or of the crop's mean grey."""
    if isinstance(task, Reconstruction):
        return 1.0
    return float(np.log(len(task))) if isinstance(task, Attribute) else 0.425


def stopping_index(measured: Measured) -> Figure:
    """The index of task-wise early stopping by epoch, for every task and seed, with the threshold and the stops."""
    results = measured.results
    candidates = [arm for arm in results.arms.values() if arm.stopping == "task_wise" and arm.auxiliary]
    arm = nearest(reference_arm(results), candidates)
    logs = [] if arm is None else _logs(results, arm)
    tasks = [task for task in results.tasks if any(row["stopping_index"].get(task) for log in logs for row in log)]
    if arm is None or not tasks:
        return Figure()
    columns = min(2, len(tasks))
    figure = Figure(figsize=(8.0 if columns == 2 else 4.8, 2.5 * math.ceil(len(tasks) / columns)), layout="constrained")
    panels = figure.subplots(math.ceil(len(tasks) / columns), columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, task in zip(panels, tasks):
        tidy(axes)
        for log in logs:
            _index_line(axes, log, task)
        if not any((row["stopping_index"].get(task) or 0) > 0 for log in logs for row in log):
            axes.text(0.5, 0.3, "never above 0", transform=axes.transAxes, ha="center", fontsize=9, color=INK)
        axes.axhline(arm.config["stopping"]["threshold"], color=COLOURS[1], ls="--", lw=1.2)
        axes.set_title(task, fontsize=10)
        axes.set_yscale("log")
        plain_numbers(axes.yaxis, (1,))
    for axes in panels[len(tasks) :]:
        axes.set_visible(False)
    panels[0].plot([], [], color=COLOURS[0], lw=1, label="index, a line a seed")
    panels[0].plot([], [], color=COLOURS[1], ls="--", label="threshold")
    panels[0].plot([], [], "o", color=COLOURS[1], ms=6, label="stopped")
    panels[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("stopping index", fontsize=10)
    return figure


def _index_line(axes: Axes, log: list[dict[str, Any]], task: str) -> None:
    epochs = [row["epoch"] for row in log]
    found = [row["stopping_index"].get(task) for row in log]
    # On a logarithmic axis an index of 0 has no place: the line has a gap there.
    values = np.array([value if value is not None and value > 0 else np.nan for value in found], float)
    axes.plot(epochs, values, color=COLOURS[0], lw=1, alpha=0.7)
    stop = log[-1]["stopped"].get(task)
    if stop in epochs:
        value = values[epochs.index(stop)]
        # An infinite index, which a log cannot hold, is marked at the upper edge.
        transform = axes.get_xaxis_transform() if np.isnan(value) else axes.transData
        axes.plot(stop, 0.97 if np.isnan(value) else value, "o", color=COLOURS[1], ms=6, zorder=3, transform=transform)


def _lines(axes: Axes, logs: list[list[dict[str, Any]]], task: str, colour: str, label: str, unit: float = 1.0) -> None:
    """Means over seeds, to the last epoch that all of them have, with a band from the lowest to the highest."""
    epochs = range(min(len(log) for log in logs))
    for part, style in (("train", "--"), ("val", "-")):
        values = (
            np.array([[log[epoch].get(part, {}).get(task, np.nan) for epoch in epochs] for log in logs], float) / unit
        )
        if np.isnan(values).all():
            continue
        axes.plot(epochs, values.mean(axis=0), color=colour, ls=style, lw=1.5, label=label if part == "val" else None)
        axes.fill_between(epochs, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)


def _logs(results: Results, arm: ArmResults) -> list[list[dict[str, Any]]]:
    logs = (read_log(results.folder, arm.name, seed) for seed in arm.seeds)
    return [log for log in logs if log]
