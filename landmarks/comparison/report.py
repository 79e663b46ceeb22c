"""Everything that `landmarks compare` tells of its results."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.table import Table

from landmarks.comparison.analysis.summary import ERROR, measure, summarise, summary_table, write_summary
from landmarks.comparison.figures.gallery import draw_figures
from landmarks.comparison.page.wording import ERRING, finding, sort_out
from landmarks.comparison.results import read_results

MOST = 3
"""Arms of one finding that are named; more are counted."""


@dataclass(frozen=True)
class Report:
    """What a terminal shows of a comparison."""

    table: Table
    """The summary."""
    figures: tuple[Path, ...]
    """The drawings, as PNG; () without an arm that learns the landmarks alone."""
    meaning: str
    """What the differences allow one to say, a sentence."""


def write_report(folder: Path, reference: str) -> Report:
    """Write `summary.csv`, `summary.md` and `figures/` to a comparison's folder; return what a terminal shows.

    reference: the arm that the others are held against; without a finished run of it, or without landmarks, there are
    no differences. Raises LandmarksError for results that cannot be read.
    """
    measured = measure(read_results(folder))
    frame = summarise(measured, reference)
    write_summary(frame, reference, folder)
    drawn = draw_figures(measured, folder / "figures")
    figures = tuple(folder / "figures" / f"{name}.png" for name in drawn)
    return Report(summary_table(frame, reference), figures, meaning(frame, reference))


def meaning(frame: pd.DataFrame, reference: str) -> str:
    """What can be said of the arms beside the reference, a sentence. frame: of `summarise`."""
    held = frame[frame["reference"].notna()]
    if held.empty:
        return f"No arm can be held against {reference!r}, so nothing can be said of differences."
    findings = {repr(name): finding(row) for name, row in held.iterrows()}
    least = frame[ERROR].idxmin()
    return (
        f"Held against {reference!r}: {sort_out(findings, ERRING, MOST)}. The smallest mean error is that of "
        f"{least!r}, {frame.loc[least, ERROR]:.2f} % of the inter-ocular distance."
    )
