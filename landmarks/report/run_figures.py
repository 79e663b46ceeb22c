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

BINS = 40
WIDTH, HEIGHT = 4.2, 2.5
"""Inches of a figure."""


def run_figures(run: Run, gender: bool) -> list[Picture]:
    """The distributions of a run; those of which it has no numbers are left out."""
    if not len(run.faces):
        return []
    found = []
    if run.quality is not None:
        figure, axes = _panel("quality", "faces")
        _histogram(axes, run.quality, np.linspace(0, 1, BINS + 1))
        doubtful = int((run.quality < 0.5).sum())
        note = f"{doubtful:,} of {len(run.quality):,} faces have a quality below 0.5."
        found.append(Picture("Quality", to_svg(figure, "quality"), note))
    found.append(_sizes(run))
    if run.errors is not None:
        found.append(_expected_errors(run))
    elif run.scores is not None and np.isfinite(run.scores).any():
        figure, axes = _panel("detector score", "faces")
        _histogram(axes, run.scores, np.linspace(0, 1, BINS + 1))
        found.append(Picture("Detector score", to_svg(figure, "score")))
    if names := shown_attributes(run, gender):
        found.append(_attributes(run, names))
    return found


def _sizes(run: Run) -> Picture:
    sizes = run.sizes[np.isfinite(run.sizes) & (run.sizes > 0)]
    figure, axes = _panel("face size, pixels (log scale)", "faces")
    if len(sizes):
        low, high = np.log2(sizes.min()) - 0.05, np.log2(sizes.max()) + 0.05
        _histogram(axes, sizes, 2 ** np.linspace(low, high, BINS + 1))
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
    note = f"Half of the faces have more than {np.median(sizes):.0f} pixels a side." if len(sizes) else ""
    return Picture("Face size", to_svg(figure, "sizes"), note)


def _expected_errors(run: Run) -> Picture:
    assert run.errors is not None
    errors = 100 * run.errors.mean(axis=1)
    errors = errors[np.isfinite(errors)]
    figure, axes = _panel("expected error of a face's landmarks, % of its size", "faces")
    if len(errors):
        most = max(float(np.quantile(errors, 0.995)), 1e-3)
        _histogram(axes, np.minimum(errors, most), np.linspace(0, most, BINS + 1))
    note = f"Half of the faces are expected to err by less than {np.median(errors):.1f} %." if len(errors) else ""
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


def _histogram(axes: Axes, values: np.ndarray, edges: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    from landmarks.evaluation.plots import COLOURS

    counts, _ = np.histogram(values[np.isfinite(values)], edges)
    axes.stairs(counts, edges, fill=True, color=COLOURS[0])
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, None)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
