"""Everything that `landmarks compare` tells of its results."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from landmarks.comparison.analysis.summary import measure, summarise, summary_table, write_summary
from landmarks.comparison.figures.gallery import draw_figures
from landmarks.comparison.results import read_results


def write_report(folder: Path, reference: str) -> Table:
    """Write `summary.csv`, `summary.md` and `figures/` to a comparison's folder; return the summary for a terminal.

    reference: the arm that the others are held against; without a finished run of it, or without landmarks, there are
    no differences. Raises LandmarksError for results that cannot be read.
    """
    measured = measure(read_results(folder))
    frame = summarise(measured, reference)
    write_summary(frame, reference, folder)
    draw_figures(measured, folder / "figures")
    return summary_table(frame, reference)
