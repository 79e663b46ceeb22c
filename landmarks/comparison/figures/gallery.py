"""All figures of a comparison, by the question that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from landmarks.comparison.analysis.questions import pairs_with_others, pairs_with_single_task, single_task_arms
from landmarks.comparison.analysis.summary import Measured
from landmarks.comparison.figures import arm_figures, curves, task_figures
from landmarks.evaluation.plots import save


@dataclass(frozen=True)
class Drawing:
    """A figure and where it is told of."""

    group: str
    caption: str
    draw: Callable[[Measured], Figure]
    """Gives a figure without panels where its arms are not there."""


def _forest(group: str, others: bool) -> Callable[[Measured], Figure]:
    pairs = pairs_with_others if others else pairs_with_single_task
    return lambda measured: arm_figures.forest(measured, pairs(measured.results, group))


DRAWINGS: dict[str, Drawing] = {
    "failures-by-tasks": Drawing(
        "tasks", "Landmarks off by more than 10 % by the tasks learnt with them", task_figures.failures_by_tasks
    ),
    "failures-by-subset": Drawing(
        "tasks",
        "The same for every set of auxiliary tasks: small dots are seeds, bars their standard deviation",
        task_figures.failures_by_subset,
    ),
    "error-by-landmark": Drawing("tasks", "Error and differences by landmark", task_figures.by_landmark),
    "error-by-pose": Drawing("tasks", "Error and differences by pose", task_figures.by_pose),
    "learning-curves": Drawing(
        "tasks", "Losses by epoch: means over seeds, bands from the lowest to the highest", curves.learning_curves
    ),
    "sharing-path": Drawing(
        "sharing",
        "Error by the strength of the coupling, with standard deviations over seeds",
        arm_figures.sharing_path,
    ),
    "stopping-index": Drawing(
        "stopping",
        "The paper's stopping index; a dot at the upper edge is a stop at an infinite index",
        curves.stopping_index,
    ),
    "differences-stopping": Drawing("stopping", "Differences to no stopping", _forest("stopping", True)),
    "differences-weighting": Drawing("weighting", "Differences to the usual fixed weights", _forest("weighting", True)),
    "error-distributions": Drawing(
        "networks", "Share of faces by their error, all seeds together; dotted: 10 %", arm_figures.error_distributions
    ),
    "cost-against-error": Drawing("networks", "Error by cost, a mark an arm", arm_figures.cost_against_error),
    "training-size": Drawing("size", "Error and gap by number of training faces", arm_figures.training_size),
    "differences-controls": Drawing("controls", "Differences to the landmarks alone", _forest("controls", False)),
}
"""By the name of its file."""


def draw_figures(measured: Measured, folder: Path, suffixes: tuple[str, ...] = (".png", ".svg")) -> list[str]:
    """Write the figures whose arms are there; return their names. There are none unless an arm learns the landmarks
    alone. Raises LandmarksError if a log is broken."""
    drawn: list[str] = []
    for name, drawing in DRAWINGS.items() if single_task_arms(measured.results) else ():
        figure = drawing.draw(measured)
        if figure.axes:
            drawn.append(name)
            for suffix in suffixes:
                save(figure, folder / f"{name}{suffix}")
    return drawn
