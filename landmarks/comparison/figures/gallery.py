"""All figures of a comparison, by the question that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from landmarks.comparison.analysis.questions import pairs_with_others, pairs_with_single_task, single_task_arms
from landmarks.comparison.analysis.summary import Measured, contrast
from landmarks.comparison.figures import arm_figures, curves, map_figures, task_figures
from landmarks.comparison.reported import Reported
from landmarks.evaluation.plots import save

FOREST = ("", "tasks", "sharing", "stopping", "weighting")
"""What the arms of groups vary of which the differences are drawn, arm by arm."""


@dataclass(frozen=True)
class Drawing:
    """A figure and where it is told of."""

    group: str
    caption: str
    draw: Callable[[], Figure]
    """Gives a figure without panels where its arms are not there."""


def drawings(measured: Measured, reported: Sequence[Reported] = ()) -> dict[str, Drawing]:
    """The figures by the names of their files. A figure of all arms goes to the first group that varies its matter."""
    grid, found = measured.results.grid, {}
    of_all = _of_all(measured, reported)
    for group, question in grid.groups.items():
        for name, (caption, draw) in of_all.pop(question.varies, {}).items():
            found[name] = Drawing(group, caption, draw)
        for name, (caption, draw) in _of_group(measured, group, question.varies).items():
            found[f"{name}-{group}"] = Drawing(group, caption, draw)
        if question.varies in FOREST:
            found[f"differences-{group}"] = _forest(measured, group)
    return found


def _of_group(measured: Measured, group: str, varies: str) -> dict[str, tuple[str, Callable[[], Figure]]]:
    """The figures of a group's own arms, by the beginning of their names."""
    if varies in ("map", "faces"):
        words = "What other tasks take from the landmarks' error, by training faces and views, with 95 % intervals"
        return {"gain": (words, partial(map_figures.gain_map, measured, group))}
    if varies == "labels":
        words = "Balanced accuracy by the number of labels, with standard deviations over seeds; dotted: a guess"
        return {"accuracy": (words, partial(map_figures.accuracy_by_labels, measured, group))}
    return {}


def _of_all(
    measured: Measured, reported: Sequence[Reported]
) -> dict[str, Mapping[str, tuple[str, Callable[[], Figure]]]]:
    """By what is varied and the name of the file, captions and figures."""
    return {
        "tasks": {
            "failures-by-tasks": (
                "Landmarks off by more than 10 % by the tasks learnt with them",
                partial(task_figures.failures_by_tasks, measured, reported),
            ),
            "failures-by-subset": (
                "The same for every set of auxiliary tasks: small dots are seeds, bars their standard deviation",
                partial(task_figures.failures_by_subset, measured),
            ),
            "error-by-landmark": (
                "Error and differences by landmark",
                partial(task_figures.by_landmark, measured),
            ),
            "error-by-pose": ("Error and differences by pose", partial(task_figures.by_pose, measured)),
            "learning-curves": (
                "Losses by epoch: means over seeds, bands from the lowest to the highest",
                partial(curves.learning_curves, measured),
            ),
        },
        "sharing": {
            "sharing-path": (
                "Error by the strength of the coupling, with standard deviations over seeds",
                partial(arm_figures.sharing_path, measured),
            )
        },
        "stopping": {
            "stopping-index": (
                "The paper's stopping index; a dot at the upper edge is a stop at an infinite index",
                partial(curves.stopping_index, measured),
            )
        },
        "network": {
            "error-distributions": (
                "Share of faces by their error, all seeds together; dotted: 10 %",
                partial(arm_figures.error_distributions, measured),
            ),
            "cost-against-error": ("Error by cost, a mark an arm", partial(arm_figures.cost_against_error, measured)),
        },
        "faces": {
            "training-size": (
                "Error and gap by number of training faces",
                partial(arm_figures.training_size, measured),
            )
        },
    }


def _forest(measured: Measured, group: str) -> Drawing:
    """Differences to the arm that a group is held against, or to the landmarks alone where it names none."""
    question = measured.results.grid.groups[group]
    pairs = pairs_with_others if question.against else pairs_with_single_task
    other = (question.against_words or question.against) if question.against else "the landmarks alone"
    draw = lambda: arm_figures.forest(contrast(measured, pairs(measured.results, group)))  # noqa: E731
    return Drawing(group, f"Differences to {other}", draw)


def draw_figures(
    measured: Measured,
    folder: Path,
    reported: Sequence[Reported] = (),
    suffixes: tuple[str, ...] = (".png", ".svg"),
) -> list[str]:
    """Write the figures whose arms are there; return their names. There are none unless an arm learns the landmarks
    alone. reported: what others report, to be drawn beside. Raises LandmarksError if a log is broken."""
    drawn: list[str] = []
    for name, drawing in drawings(measured, reported).items() if single_task_arms(measured.results) else ():
        figure = drawing.draw()
        if figure.axes:
            drawn.append(name)
            for suffix in suffixes:
                save(figure, folder / f"{name}{suffix}")
    return drawn
