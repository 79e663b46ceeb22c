"""Figures of figures: each function takes plain values and gives a matplotlib figure; `save` writes PNG or SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from landmarks.atomic import replacing

INK, GRID = "#333333", "#dddddd"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, which colour-blind readers can tell apart."""


def save(figure: Figure, path: str | Path) -> None:
    """Write a figure in the format of the path's suffix; whole or not at all. No dates: equal figures, equal files."""
    path = Path(path)
    metadata = {"Date": None} if path.suffix == ".svg" else {"Software": None}
    with replacing(path) as partial, rc_context({"svg.hashsalt": "landmarks"}):
        figure.savefig(partial, format=path.suffix[1:], dpi=150, metadata=metadata)


def ced_figure(figures: dict[str, Any]) -> Figure:
    """Cumulative error distributions of every scheme in the figures of `evaluate`."""
    figure, (axes,) = empty_panels(1, "share of faces, %")
    for colour, (name, points) in zip(COLOURS, figures["landmarks"].items()):
        thresholds, shares = (100 * np.asarray(points["ced"][key]) for key in ("thresholds", "shares"))
        area = 100 * points["interocular"]["auc"]["value"]
        axes.plot(thresholds, shares, color=colour, label=f"{name}, AUC {area:.1f} %")
    axes.set(xlabel="mean error, % of the inter-ocular distance", xlim=(0, None), ylim=(0, 100))
    axes.legend(loc="lower right", frameon=False)
    return figure


def reliability_figure(figures: dict[str, Any]) -> Figure:
    """What was predicted beside what came true: expected errors of points by tenths, probabilities of attributes."""
    figure, (points, attributes) = empty_panels(2, "what came true, %")
    for colour, (name, scheme) in zip(COLOURS, figures["landmarks"].items()):
        if "expected_errors" in scheme:
            rows = scheme["expected_errors"]["reliability_points"]
            _beside(points, [100 * row["predicted"] for row in rows], [100 * row["true"] for row in rows], colour, name)
    points.set(xlabel="expected error, % of the face size", title="landmarks, by tenths of them")
    for colour, (name, attribute) in zip(COLOURS, figures["attributes"].items()):
        rows = [row for row in attribute["reliability"] if row["share"] >= 0.005]
        label = f"{name}, off by {100 * attribute['calibration_error']:.1f} % on average"
        predicted, true = ([100 * row[key] for row in rows] for key in ("predicted", "true"))
        _beside(attributes, predicted, true, colour, label)
    attributes.set(xlabel="probability of the answer, %", title="attributes, share of right answers")
    for axes in (points, attributes):
        if axes.lines:
            low, high = axes.get_xlim()
            axes.plot([low, high], [low, high], color=GRID, zorder=0)
            axes.legend(frameon=False, fontsize=8)
    return figure


def robustness_figure(curves: Mapping[str, Mapping[str, Sequence[Any]]]) -> Figure:
    """Mean errors by placement of the first square, as `landmarks.studies.robustness` measures them."""
    figure, panels = empty_panels(len(curves), "mean error, % of the inter-ocular distance")
    for axes, (name, rows) in zip(panels, curves.items()):
        for colour, label in zip(COLOURS, (key for key in rows if key != "x")):
            axes.plot(rows["x"], [100 * error for error, _ in rows[label]], "o-", color=colour, ms=3, label=label)
        axes.set(xlabel=name, yscale="log")
        axes.set_yticks([2, 3, 5, 10, 20, 50, 100], labels=["2", "3", "5", "10", "20", "50", "100"])
        axes.minorticks_off()
    panels[0].legend(frameon=False)
    return figure


def learning_figure(summary: Sequence[Mapping[str, Any]]) -> Figure:
    """Errors by the number of corrected faces, on the new faces and on the old ones, as
    `landmarks.studies.learning_curve` sums them up: means over seeds, bars from least to largest."""
    start, learnt = [row for row in summary if not row["faces"]], [row for row in summary if row["faces"]]
    olds = [key for key in start[0] if key.startswith("old.") and key.endswith(".error")]
    names = {
        "shift_free": "new faces, without the mean shift",
        **{key: f"old: {key[len('old.') : -len('.error')]}" for key in olds},
    }
    figure, panels = empty_panels(len(names), "mean error, % of the inter-ocular distance")
    for panel, (key, name) in zip(panels, names.items()):
        for colour, way in zip(COLOURS, dict.fromkeys(row["way"] for row in learnt)):
            for mixed, line in ((False, "o-"), (True, "s--")):
                rows = start + [row for row in learnt if row["way"] == way and row["mixed"] == mixed]
                if len(rows) == 1:
                    continue
                mean, least, largest = (
                    100 * np.array([row[key][which] for row in rows]) for which in ("mean", "least", "largest")
                )
                label = "old faces alone" if way == "none" else f"{way}, with old faces" if mixed else way
                panel.errorbar(
                    [row["faces"] for row in rows], mean, [mean - least, largest - mean], fmt=line, color=colour, ms=3,
                    lw=1.2, elinewidth=0.7, label=label,
                )  # fmt: skip
        panel.set(xlabel="corrected faces", title=name)
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def _beside(axes: Axes, predicted: list[float], true: list[float], colour: str, label: str) -> None:
    axes.plot(predicted, true, "o-", color=colour, ms=3, label=label)


def empty_panels(panels: int, ylabel: str, width: float = 3.6, height: float = 3.6) -> tuple[Figure, np.ndarray]:
    """A row of empty panels and their figure. width, height: inches of a panel."""
    figure = Figure(figsize=(1.2 + width * panels, height))
    figure.set_layout_engine("constrained", w_pad=0.08)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for panel in axes:
        tidy(panel)
    axes[0].set_ylabel(ylabel)
    return figure, axes


def legend_above(panel: Axes, columns: int) -> None:
    """A legend over the panel, where it hides nothing."""
    panel.legend(frameon=False, fontsize=8.5, ncols=columns, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def plain_numbers(axis: Axis, steps: tuple[float, ...] = (1, 2, 5)) -> None:
    """A logarithmic axis whose ticks are numbers as one writes them."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def tidy(panel: Axes) -> None:
    """A panel without frame, its grid behind what is drawn."""
    panel.grid(color=GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    panel.tick_params(colors=INK)
