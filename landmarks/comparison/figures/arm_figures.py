"""The figures of a comparison. Without the arms that a figure is of, it has no panels and is not written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from landmarks import metrics
from landmarks.comparison.analysis.questions import (
    every_task,
    nearest,
    other_reference,
    reference_arm,
    tasks_text,
    tasks_words,
)
from landmarks.comparison.analysis.statistics import SIGNIFICANCE, landmark_errors
from landmarks.comparison.analysis.summary import Measured, by_effect, level_costs
from landmarks.comparison.results import ArmResults
from landmarks.evaluation.plots import COLOURS, INK, empty_panels, legend_above, plain_numbers
from landmarks.metrics import THRESHOLD

ERROR_LABEL = "mean error, % of the inter-ocular distance"
NETWORK_COLOURS = {"tcdcn": COLOURS[0], "tcdcn-journal": COLOURS[2], "compact": COLOURS[1], "cascade": COLOURS[3]}
SHARINGS = {"l2": "squared distance of towers", "trace": "trace norm of towers"}


def error_distributions(measured: Measured) -> Figure:
    """Cumulative error distributions of faces, all seeds together: each network alone and with all tasks."""
    results = measured.results
    figure, (axes,) = empty_panels(1, "share of faces, %", width=5.2, height=3.8)
    thresholds = np.linspace(0, 0.25, 251)
    for network in dict.fromkeys(arm.config["network"] for arm in results.arms.values()):
        arms = [arm for arm in results.arms.values() if arm.config["network"] == network and _usual(arm)]
        for tasks, style in ((frozenset(), "--"), (every_task(results), "-")):
            arm = nearest(reference_arm(results), [arm for arm in arms if arm.auxiliary == tasks])
            if arm is not None:
                shares = metrics.ced(measured.values["mean_error"][arm.name], thresholds)
                colour = NETWORK_COLOURS.get(network, INK)
                axes.plot(100 * thresholds, 100 * shares, style, color=colour, label=f"{network}, {tasks_text(arm)}")
    if not axes.lines:
        return Figure()
    axes.axvline(100 * THRESHOLD, color=INK, lw=0.8, ls=":")
    axes.set(xlabel="mean error of a face, % of the inter-ocular distance", xlim=(0, 25), ylim=(0, 100))
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return figure


def sharing_path(measured: Measured) -> Figure:
    """Error against the strength that holds the towers together, between no sharing and hard sharing of those tasks."""
    results, reference = measured.results, reference_arm(measured.results)
    network = [arm for arm in results.arms.values() if arm.config["network"] == reference.config["network"]]
    coupled = [arm for arm in network if arm.locates and arm.config["sharing"] in SHARINGS]
    same = [arm for arm in network if coupled and arm.config["tasks"] == coupled[0].config["tasks"]]
    paths: dict[tuple[str, float], list[ArmResults]] = {}
    for arm in (arm for arm in same if arm.config["sharing"] in SHARINGS):
        paths.setdefault((arm.config["sharing"], arm.config["width"]), []).append(arm)
    paths = {key: sorted(arms, key=_strength) for key, arms in paths.items() if len(arms) > 1}
    if not paths:
        return Figure()
    figure, (axes,) = empty_panels(1, ERROR_LABEL, width=6.4, height=3.8)
    positive = [_strength(arm) for arms in paths.values() for arm in arms if _strength(arm) > 0]
    none = min(positive) / 10
    axes.set_xscale("log")
    looks = zip((COLOURS[1], COLOURS[2], COLOURS[4], COLOURS[5]), "os^D")
    for (sharing, width), (colour, marker) in zip(sorted(paths), looks):
        runs = {_strength(arm) or none: _runs(measured, arm) for arm in paths[sharing, width]}
        label = SHARINGS[sharing] + ("" if width == 1 else f", {width:g} times as wide")
        _line(axes, runs, color=colour, marker=marker, ls="-", ms=5, capsize=3, lw=1.3, label=label)
    stitched = nearest(reference, [arm for arm in same if arm.config["sharing"] == "cross_stitch"])
    bands = {
        "landmarks only": reference,
        "hard sharing": other_reference(results, coupled[0]),
        "cross-stitch": stitched,
    }
    for (label, band), colour in zip(bands.items(), (INK, COLOURS[0], COLOURS[3])):
        if band is not None:
            middle, sd = _runs(measured, band).mean(), _sd(_runs(measured, band))
            axes.axhline(middle, color=colour, lw=1.2, ls="--", label=label)
            axes.axhspan(middle - sd, middle + sd, color=colour, alpha=0.1, lw=0)
    exponents = range(round(np.log10(min(positive))), round(np.log10(max(positive))) + 1)
    ticks = {10.0**exponent: f"$10^{{{exponent}}}$" for exponent in exponents}
    if len(positive) < sum(len(arms) for arms in paths.values()):
        ticks[none] = "none"
    axes.set_xticks(list(ticks), labels=list(ticks.values()))
    axes.minorticks_off()
    axes.set_xlabel("strength of the coupling")
    legend_above(axes, 3)
    return figure


def cost_against_error(measured: Measured) -> Figure:
    """Error against multiply-adds, a mark an arm: the landmarks alone or with other tasks, one tower or several; the
    best arm of each cost by name, and a cascade level by level."""
    arms = [arm for arm in measured.results.arms.values() if arm.locates and not arm.config["faces"]]
    costs = {arm.name: float(arm.numbers["multiply_adds"].iloc[0]) / 1e6 for arm in arms}
    if len(set(costs.values())) < 2:
        return Figure()
    figure, (axes,) = empty_panels(1, ERROR_LABEL, width=6.8, height=4.2)
    errors = {arm.name: float(_runs(measured, arm).mean()) for arm in arms}
    for network in dict.fromkeys(arm.config["network"] for arm in arms):
        colour = NETWORK_COLOURS.get(network, INK)
        for arm in (arm for arm in arms if arm.config["network"] == network):
            marker = "o" if arm.config["sharing"] == "hard" else "s"
            look = {"marker": marker, "ms": 5, "mec": colour, "mew": 1.3, "alpha": 0.8}
            look["mfc"] = colour if arm.auxiliary else "white"
            axes.plot(costs[arm.name], errors[arm.name], **look)
            if arm.levels:
                steps = [cost / 1e6 for cost in level_costs(arm)]
                found = [100 * landmark_errors(vectors).mean() for vectors in arm.levels]
                axes.plot(steps, found, ".:", color=colour, lw=1.2, ms=5)
        axes.plot([], [], "o", color=colour, ms=6, label=network)
    for names in _of_like_cost(costs):
        best = min(names, key=errors.__getitem__)
        at = {"textcoords": "offset points", "fontsize": 8, "color": INK}
        axes.annotate(best, (costs[best], errors[best]), (0, -12), ha="center", **at)
    axes.plot([], [], "o", mfc="white", mec="grey", ms=6, label="landmarks only")
    axes.plot([], [], "o", color="grey", ms=6, label="with other tasks")
    if any(arm.config["sharing"] != "hard" for arm in arms):
        axes.plot([], [], "s", color="grey", ms=6, label="a tower a task")
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis, (1, 2, 4, 6, 8))
    axes.margins(x=0.16, y=0.1)
    axes.set_xlabel("multiply-adds for a face, millions")
    legend_above(axes, 4)
    return figure


def _of_like_cost(costs: Mapping[str, float]) -> list[list[str]]:
    """Names in groups whose costs are within a tenth of the lowest of them."""
    groups: list[list[str]] = []
    for name in sorted(costs, key=costs.__getitem__):
        if groups and costs[name] <= 1.1 * costs[groups[-1][0]]:
            groups[-1].append(name)
        else:
            groups.append([name])
    return groups


def training_size(measured: Measured) -> Figure:
    """Test error, and how far test and validation error lie above the training error, by number of training faces."""
    reference = reference_arm(measured.results)
    network = reference.config["network"]
    arms = [arm for arm in measured.results.arms.values() if _usual(arm) and arm.config["network"] == network]
    sizes = sorted({arm.config["faces"] for arm in arms if arm.config["faces"]})
    if len(sizes) < 2:
        return Figure()
    figure, panels = empty_panels(2, ERROR_LABEL)
    every = every_task(measured.results)
    for tasks, label, colour, marker in (
        (frozenset(), "landmarks only", INK, "o"),
        (every, tasks_words(every), COLOURS[0], "s"),
    ):
        shown = {}
        for place, size in enumerate([*sizes, 0]):
            arm = nearest(reference, [arm for arm in arms if arm.auxiliary == tasks and arm.config["faces"] == size])
            if arm is not None:
                shown[place] = arm
        look = {"color": colour, "marker": marker, "ms": 5, "capsize": 3, "lw": 1.3}
        test = {place: _runs(measured, arm) for place, arm in shown.items()}
        train, held = (
            {place: 100 * arm.numbers[key].to_numpy(float) for place, arm in shown.items()}
            for key in ("train_error", "val_error")
        )
        _line(panels[0], test, ls="-", label=label, **look)
        _line(panels[1], {place: test[place] - train[place] for place in shown}, ls="-", label=f"test, {label}", **look)
        gaps = {place: held[place] - train[place] for place in shown}
        _line(panels[1], gaps, ls="--", mfc="white", label=f"validation, {label}", **look)
    panels[1].set_ylabel("error less training error, points")
    for axes in panels:
        axes.set_xticks(range(len(sizes) + 1), labels=[*(f"{size:,}" for size in sizes), "all"])
        axes.set_xlabel("training faces")
        legend_above(axes, 2)
    return figure


def _line(axes: Axes, runs: Mapping[int, np.ndarray] | Mapping[float, np.ndarray], **look: Any) -> None:
    """Means over seeds with the standard deviation over them. runs: by abscissa, (S,)."""
    if runs:
        middle = [run.mean() for run in runs.values()]
        axes.errorbar(list(runs), middle, [_sd(run) for run in runs.values()], **look)


def forest(changes: pd.DataFrame) -> Figure:
    """Differences of mean errors with their intervals, a line an arm, the largest fall first; what stays certain once
    corrected is coloured. changes: rows of `contrast`."""
    frame = by_effect(changes[changes["mean_error_low"].notna()])
    if len(frame) < 2:
        return Figure()
    figure, (axes,) = empty_panels(1, "", width=6.0, height=0.9 + 0.28 * len(frame))
    for place, (_, row) in enumerate(frame.iterrows()):
        value, low, high = (row[f"mean_error_{part}"] for part in ("difference", "low", "high"))
        certain = row["mean_error_p_holm"] < SIGNIFICANCE
        colour = "#888888" if not certain else COLOURS[0] if value < 0 else COLOURS[1]
        look = {"fmt": "o", "color": colour, "mfc": colour if certain else "white", "capsize": 3, "lw": 1.3}
        axes.errorbar(value, place, xerr=[[value - low], [high - value]], **look)
    axes.axvline(0, color=INK, lw=1)
    axes.set_yticks(range(len(frame)), labels=[str(name) for name in frame.index])
    axes.set(ylim=(len(frame) - 0.4, -0.6), xlabel="difference of the mean error, points, 95 % intervals")
    axes.grid(visible=False, axis="y")
    return figure


def _usual(arm: ArmResults) -> bool:
    """Landmarks alone or all tasks with hard sharing, of the usual width."""
    return arm.locates and arm.config["sharing"] == "hard" and arm.config["width"] == 1


def _strength(arm: ArmResults) -> float:
    return float(arm.config["strength"])


def _runs(measured: Measured, arm: ArmResults) -> np.ndarray:
    """(S,): mean error of each run in per cent."""
    return 100 * measured.values["mean_error"][arm.name].mean(axis=1)


def _sd(runs: np.ndarray) -> float:
    return float(runs.std(ddof=1)) if len(runs) > 1 else 0.0
