"""Figures of what each auxiliary task does for the landmarks; without panels where their arms are not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

import numpy as np
from matplotlib.figure import Figure

from landmarks.comparison.analysis.questions import (
    all_tasks,
    alone_by_epochs,
    every_task,
    headline_arms,
    main_arms,
    reference_arm,
    tasks_text,
)
from landmarks.comparison.analysis.statistics import Difference, differences, landmark_errors, seed_spreads
from landmarks.comparison.analysis.summary import FAILURES, Measured
from landmarks.comparison.reported import Reported, failures_of
from landmarks.comparison.results import ArmResults
from landmarks.evaluation.plots import COLOURS, GRID, INK, empty_panels, legend_above, tidy
from landmarks.schemes import ABSENT, POSE, Scheme, in_order

FAILURE_LABEL = "landmarks off by more than 10 %, %"
MARKERS = ("o", "s", "^", "D", "v", "P")
MOST_LANDMARKS = 8
"""More of them are told by the parts of the face."""


def failures_by_tasks(measured: Measured, reported: Sequence[Reported] = ()) -> Figure:
    """Failure rate by auxiliary task, ours with their spread over seeds, a bar for each length of training, beside
    those that a paper reports."""
    budgets = {
        epochs: headline_arms(measured.results, alone) for epochs, alone in alone_by_epochs(measured.results).items()
    }
    fewest = min(3, max(map(len, budgets.values())))
    budgets = {epochs: arms for epochs, arms in budgets.items() if len(arms) >= max(2, fewest)}
    words = {text: arm.auxiliary for arms in budgets.values() for text, arm in arms.items()}
    if not words:
        return Figure()
    figure, (axes,) = empty_panels(1, FAILURE_LABEL, width=6.8, height=3.4)
    width, highest = 0.62 / len(budgets), 0.0
    for number, ((epochs, arms), colour) in enumerate(
        zip(budgets.items(), cycle((COLOURS[5], COLOURS[0], COLOURS[2])))
    ):
        for place, text in enumerate(words):
            if text not in arms:
                continue
            runs = _runs(measured, arms[text])
            at, highest = place - 0.34 + width * (number + 0.5), max(highest, runs.mean())
            axes.bar(at, runs.mean(), width=0.92 * width, color=colour, alpha=0.85)
            axes.errorbar(at, runs.mean(), _sd(runs), color="black", capsize=3, lw=1.2)
            look = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
            axes.annotate(f"{runs.mean():.1f}", (at, 0), (0, 4), **look)
        axes.bar(0, 0, color=colour, alpha=0.85, label=f"ours, {epochs} epochs, ± sd over seeds")
    theirs = {
        place: value
        for place, tasks in enumerate(words.values())
        if (value := failures_of(reported, tasks)) is not None
    }
    if theirs:
        look = {"ls": "none", "marker": "D", "ms": 7, "mfc": "white", "mec": COLOURS[1], "mew": 1.6}
        axes.plot(np.array(list(theirs)) + 0.38, list(theirs.values()), label="the paper's", **look)
    axes.set_xticks(range(len(words)), labels=list(words))
    axes.grid(visible=False, axis="x")
    axes.set_ylim(0, 1.22 * max([*theirs.values(), highest]))
    axes.legend(frameon=False, loc="upper right", ncols=len(budgets) + 1, fontsize=8)
    return figure


def failures_by_subset(measured: Measured) -> Figure:
    """Failure rate with every set of auxiliary tasks, the sets marked below."""
    arms = list(main_arms(measured.results).values())
    if len(arms) < 8:
        return Figure()
    arms.sort(key=lambda arm: (len(arm.auxiliary), -_runs(measured, arm).mean()))
    figure = Figure(figsize=(8.0, 4.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    tidy(above)
    for place, arm in enumerate(arms):
        runs = _runs(measured, arm)
        above.plot(np.full(len(runs), place), runs, "o", color=COLOURS[5], ms=3.5, mew=0)
        above.errorbar(place, runs.mean(), _sd(runs), fmt="o", color=COLOURS[0], ms=6, capsize=3, lw=1.2)
    alone = _runs(measured, arms[0]).mean()
    above.axhline(alone, color=INK, lw=1, ls="--")
    above.annotate(
        "landmarks only", (len(arms) - 0.6, alone), (0, 3), textcoords="offset points", ha="right", color=INK
    )
    above.set_ylabel(FAILURE_LABEL)
    tasks = in_order(every_task(measured.results))[::-1]
    for row, task in enumerate(tasks):
        held = [task in arm.auxiliary for arm in arms]
        below.plot(range(len(arms)), [row] * len(arms), "o", color=GRID, ms=7, mew=0)
        below.plot(np.flatnonzero(held), [row] * sum(held), "o", color=INK, ms=7, mew=0)
    below.set(ylim=(-0.6, len(tasks) - 0.4), xlim=(-0.6, len(arms) - 0.4), xticks=[])
    below.set_yticks(range(len(tasks)), labels=tasks)
    below.spines[:].set_visible(False)
    below.tick_params(length=0)
    return figure


def by_landmark(measured: Measured) -> Figure:
    """Error of each landmark, or of each part of the face where they are many, and what each auxiliary task changes of
    it."""
    parts = parts_of(measured.results.grid.landmarks)

    def values(arm: ArmResults) -> list[np.ndarray]:
        errors = landmark_errors(arm.vectors)
        return [errors[..., list(points)].mean(axis=-1) for points in parts.values()]

    return _by_category(measured, values, [name.replace("_", "\n") for name in parts])


def parts_of(scheme: Scheme) -> dict[str, tuple[int, ...]]:
    """The landmarks of a scheme by what a figure tells of them: one by one where they are few; else by the parts of the
    face, with all that are of none as `others`."""
    if len(scheme) <= MOST_LANDMARKS:
        return {name: (place,) for place, name in enumerate(scheme.points)}
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    parts = {name: tuple(getattr(scheme, name)) for name in names}
    named = {place for points in parts.values() for place in points}
    return parts | {"others": tuple(place for place in range(len(scheme)) if place not in named)}


def by_pose(measured: Measured) -> Figure:
    """Error of the faces of each pose, and what each auxiliary task changes of it."""
    labels = measured.results.faces[POSE.name].fillna(ABSENT).to_numpy(np.int64)
    poses = [pose for pose in range(len(POSE)) if (labels == pose).any()]

    def values(arm: ArmResults) -> list[np.ndarray]:
        errors = landmark_errors(arm.vectors).mean(axis=-1)
        return [errors[:, labels == pose] for pose in poses]

    names = [f"{POSE.labels[pose].replace(' ', chr(10))}\nn = {(labels == pose).sum():,}" for pose in poses]
    return _by_category(measured, values, names)


def _by_category(measured: Measured, values: Callable[[ArmResults], list[np.ndarray]], names: Sequence[str]) -> Figure:
    """Two panels: errors by category of the landmarks alone and with all tasks; differences to the landmarks alone.

    values: arm -> by category, (S, n) errors.
    """
    reference = reference_arm(measured.results)
    arms = {arm.name: arm for arm in headline_arms(measured.results).values()}
    if len(arms) < 2 or not names:
        return Figure()
    figure, (left, right) = empty_panels(2, "mean error, % of the inter-ocular distance")
    figure.set_size_inches(8.6, 3.8)
    errors = {name: values(arm) for name, arm in arms.items()}
    whole = all_tasks(measured.results)
    both = [reference] + ([whole] if whole is not None and whole.name in arms else [])
    for arm, colour, aside in zip(both, (INK, COLOURS[0]), (-0.07, 0.07)):
        runs = 100 * np.array([category.mean(axis=1) for category in errors[arm.name]])
        look = {"fmt": "o" if arm is reference else "s", "color": colour, "ms": 5, "capsize": 3, "lw": 1.2}
        look["label"] = tasks_text(arm)
        left.errorbar(np.arange(len(names)) + aside, runs.mean(axis=1), [_sd(row) for row in runs], **look)
    others = [name for name in arms if name != reference.name]
    for place, name in enumerate(others):
        found = [_difference(errors, name, reference.name, category) for category in range(len(names))]
        at = np.arange(len(names)) + 0.72 * ((place + 0.5) / len(others) - 0.5)
        middle = np.array([difference.value for difference in found])
        bars = 100 * np.abs([[d.low - d.value for d in found], [d.high - d.value for d in found]])
        look = {"fmt": MARKERS[place], "color": COLOURS[(place + 1) % len(COLOURS)], "ms": 4, "lw": 1.2}
        if arms[name].auxiliary == every_task(measured.results):
            look["color"] = COLOURS[0]
        right.errorbar(at, 100 * middle, bars, label=tasks_text(arms[name]), **look)
    right.axhline(0, color=INK, lw=1)
    right.set_ylabel("difference to landmarks only,\npoints, with 95 % intervals")
    for axes in (left, right):
        axes.set_xticks(range(len(names)), labels=names, fontsize=8)
        axes.grid(visible=False, axis="x")
        legend_above(axes, 3)
    return figure


def _difference(errors: dict[str, list[np.ndarray]], name: str, reference: str, category: int) -> Difference:
    values = {arm: categories[category] for arm, categories in errors.items()}
    spreads = seed_spreads(values, dict.fromkeys(values, 0))
    return differences(values, {name: reference}, spreads, rounds=2000)[name]


def _runs(measured: Measured, arm: ArmResults, key: str = FAILURES) -> np.ndarray:
    """(S,): a measure of each run in per cent."""
    return 100 * measured.values[key][arm.name].mean(axis=1)


def _sd(runs: np.ndarray) -> float:
    return float(runs.std(ddof=1)) if len(runs) > 1 else 0.0
