"""What the faces of a run are like: distributions as figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from landmarks.report.figures import Picture, to_svg
from landmarks.report.gallery import shown_attributes
from landmarks.report.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BINS, LEAST_BINS = 40, 10
"""Of a distribution: for 400 faces and more, and for 25 and fewer."""
WIDTH, HEIGHT = 4.2, 2.5
"""Inches of a figure."""


def run_figures(run: Run, gender: bool) -> list[Picture]:
    """The distributions of a run; those of which it has no numbers are left out."""
    if not len(run.faces):
        return []
    found = []
    if run.quality is not None:
        figure, axes = _panel("quality", "faces")
        _histogram(axes, run.quality, 0, 1)
        doubtful = int((run.quality < 0.5).sum())
        note = f"Below 0.5: {doubtful:,} of {len(run.quality):,}."
        found.append(Picture("Quality", to_svg(figure, "quality"), note))
    found.append(_sizes(run))
    if run.errors is not None:
        found.append(_expected_errors(run))
    elif run.scores is not None and np.isfinite(run.scores).any():
        figure, axes = _panel("detector score", "faces")
        _histogram(axes, run.scores, 0, 1)
        found.append(Picture("Detector score", to_svg(figure, "score")))
    if names := shown_attributes(run, gender):
        found.append(_attributes(run, names))
    return found


def _sizes(run: Run) -> Picture:
    sizes = run.sizes[np.isfinite(run.sizes) & (run.sizes > 0)]
    figure, axes = _panel("face size, pixels (log scale)", "faces")
    if len(sizes):
        # Whole octaves: without a power of two in the range the axis would have no number.
        logs = np.log2(sizes)
        low, high = np.floor(logs.min()), np.floor(logs.max()) + 1
        _histogram(axes, logs, low, high)
        axes.set_xticks(np.arange(low, high + 1, max(1, (high - low) // 8)))
        axes.xaxis.set_major_formatter(lambda value, _: f"{2**value:g}")
    note = f"Median: {np.median(sizes):.0f} pixels a side." if len(sizes) else ""
    return Picture("Face size", to_svg(figure, "sizes"), note)


def _expected_errors(run: Run) -> Picture:
    assert run.errors is not None
    errors = 100 * run.errors.mean(axis=1)
    errors = errors[np.isfinite(errors)]
    figure, axes = _panel("expected error of a face's landmarks, % of its size", "faces")
    if len(errors):
        most = max(float(np.quantile(errors, 0.995)), 1e-3)
        _histogram(axes, np.minimum(errors, most), 0, _round_up(most))
    note = f"Median: {np.median(errors):.1f} %." if len(errors) else ""
    return Picture("Expected error", to_svg(figure, "errors"), note)


def _attributes(run: Run, names: list[str]) -> Picture:
    """The share of each label, a bar a label."""
    from matplotlib.figure import Figure

    from landmarks.evaluation.plots import COLOURS, tidy

    bars = []
    for colour, name in zip(COLOURS, names):
        answered = max(int(run.faces[name].notna().sum()), 1)
        counts = run.faces[name].value_counts()
        bars += [(label, 100 * counts.get(label, 0) / answered, colour) for label in run.attributes[name]]
    figure = Figure(figsize=(WIDTH, max(HEIGHT, 0.6 + 0.22 * len(bars))), layout="constrained")
    axes = figure.subplots()
    tidy(axes)
    labels, shares, colours = zip(*bars)
    places = np.arange(len(bars))
    drawn = axes.barh(places, shares, 0.7, color=colours)
    axes.bar_label(drawn, [f"{share:.0f} %" for share in shares], padding=3, fontsize=8, color="#333333")
    axes.set_yticks(places, labels)
    axes.invert_yaxis()
    axes.set(xlabel="% of the faces", xlim=(0, 112))
    axes.grid(axis="y", visible=False)
    return Picture("Attributes", to_svg(figure, "attributes"), "As the network answers; not facts about the people.")


def _panel(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    from landmarks.evaluation.plots import empty_panels

    figure, (axes,) = empty_panels(1, ylabel, WIDTH - 1.2, HEIGHT)
    axes.set_xlabel(xlabel)
    axes.grid(axis="x", visible=False)
    return figure, axes


def _histogram(axes: Axes, values: np.ndarray, low: float, high: float) -> None:
    """Of values in low .. high; the fewer there are, the wider its bars."""
    from matplotlib.ticker import MaxNLocator

    from landmarks.evaluation.plots import COLOURS

    values = values[np.isfinite(values)]
    bins = int(np.clip(2 * np.sqrt(len(values)), LEAST_BINS, MOST_BINS))
    counts, edges = np.histogram(values, bins, (low, high))
    axes.stairs(counts, edges, fill=True, color=COLOURS[0])
    axes.set_xlim(low, high)
    axes.set_ylim(0, 1.05 * max(counts.max(), 1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _round_up(value: float) -> float:
    """The next larger number of one digit, so that the largest value does not lie on the frame."""
    unit = 10.0 ** np.floor(np.log10(value))
    return float(unit * (np.floor(value / unit) + 1))
