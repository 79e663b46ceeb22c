"""The page of a comparison: what came of it, every question with its arms and figures, and the summary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from landmarks.comparison.analysis.questions import single_task_arms
from landmarks.comparison.analysis.summary import COLUMNS, COSTS, Measured, caption, cells, measure, summarise
from landmarks.comparison.figures.gallery import drawings
from landmarks.comparison.page.document import measured_on
from landmarks.comparison.report import meaning
from landmarks.comparison.results import read_results
from landmarks.errors import LandmarksError
from landmarks.report.figures import Picture, to_svg
from landmarks.report.page import write_page


def write_comparison_page(folder: Path, out: Path) -> None:
    """Write the page of a folder of `landmarks compare`. Raises LandmarksError for results that cannot be read."""
    measured = measure(read_results(folder))
    results = measured.results
    if not results.arms:
        raise LandmarksError(f"{folder}: no training has finished; give its `landmarks compare` again to go on with it")
    names = [arm.name for arm in results.grid.arms if arm.name in results.arms] or list(results.arms)
    reference = results.grid.reference if results.grid.reference in results.arms else names[0]
    frame = summarise(measured, reference)
    drawn = _figures(measured)
    groups: list[dict[str, Any]] = [
        {
            "title": question.title or group,
            "asked": question.asked,
            "drawn": drawn.pop(group, []),
            "table": _table(frame[frame["group"] == group], f"Arms of {group}"),
        }
        for group, question in results.grid.groups.items()
    ]
    of = measured_on(results)
    trainings = sum(len(arm.seeds) for arm in results.arms.values())
    write_page(
        out,
        "comparison.html.j2",
        title=f"Comparison {folder.absolute().name}",
        subtitle=f"{len(results.arms)} arms, {trainings} trainings; "
        + (str(of).replace("`", "") if of else f"{len(results.faces):,} faces"),
        meaning=meaning(frame, reference),
        groups=[group for group in groups if group["drawn"] or group["table"]["rows"]],
        others=[picture for pictures in drawn.values() for picture in pictures],
        summary=_table(frame, caption(reference)),
    )


def _figures(measured: Measured) -> dict[str, list[Picture]]:
    """The figures whose arms are there, by group; there are none unless an arm learns the landmarks alone."""
    found: dict[str, list[Picture]] = {}
    for name, drawing in drawings(measured).items() if single_task_arms(measured.results) else ():
        figure = drawing.draw()
        if figure.axes:
            picture = Picture(drawing.caption, to_svg(figure, name), wide=True)
            found.setdefault(drawing.group, []).append(picture)
    return found


def _table(frame: pd.DataFrame, title: str) -> dict[str, Any]:
    rows = [cells(str(arm), row) for arm, row in frame.iterrows()]
    return {"title": title, "head": [*COLUMNS, *COSTS], "rows": rows}
