"""Where other tasks pay: the map of faces and views, and tasks of few labels."""

from __future__ import annotations

import pytest

from landmarks.comparison.analysis.gains import few_labels, gains
from landmarks.comparison.analysis.summary import describe, measure
from landmarks.comparison.figures.gallery import drawings
from landmarks.comparison.grid.arms import Group
from landmarks.comparison.page.sections import group_section
from landmarks.comparison.results import read_results
from tests.helpers.comparisons import ALL, POINTS, config, make_run

GROUPS = {"map": Group("Where?", varies="map"), "few": Group("And the other way round?", varies="labels")}
CELLS = ((125, 1), (1000, 1), (125, 12), (0, 12))


def cell(tasks, faces, views, level):
    return ("map", config(tasks, faces=faces, views=views), level, 0.01, 3)


def few(tasks, count, level):
    labels = {task: count for task in tasks if task != POINTS}
    return ("few", config(tasks, labels=labels), level, 0.01, 2)


ARMS = {
    **{f"alone {faces} {views}": cell((POINTS,), faces, views, 0.1) for faces, views in CELLS},
    **{f"pose {faces} {views}": cell((POINTS, "pose"), faces, views, 0.1) for faces, views in CELLS[:2]},
    "all 125 1": cell(ALL, 125, 1, 0.07),
    "all 1000 1": cell(ALL, 1000, 1, 0.1),
    "all 125 12": cell(ALL, 125, 12, 0.13),
    "all 0 12": cell(ALL, 0, 12, 0.1),
    **{f"smile {n}": few(("smile",), n, 0.1) for n in (50, 200)},
    **{f"landmarks and smile {n}": few((POINTS, "smile"), n, 0.1) for n in (50, 200)},
    "everything 50": few(ALL, 50, 0.1),
    "pose 50": few(("pose",), 50, 0.1),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return measure(read_results(make_run(tmp_path_factory.mktemp("map"), ARMS, faces=300, groups=GROUPS)))


def test_each_cell_holds_other_tasks_against_the_landmarks_alone_of_the_same_cell(measured):
    frame = gains(measured, "map")
    assert list(frame.index) == ["pose 125 1", "all 125 1", "pose 1000 1", "all 1000 1", "all 125 12", "all 0 12"]
    assert [name.split(" ", 1)[1] for name in frame.index] == [name.split(" ", 1)[1] for name in frame["reference"]]


def test_the_map_says_where_other_tasks_help_and_where_they_hurt(measured):
    section = group_section(measured, describe(measured), "map")
    everything = next(line for line in section.brief if line.startswith("+ all four"))
    assert "helps from 125 faces in one view" in everything
    assert "hurts from 125 faces in 12 views" in everything
    assert everything.endswith("from 1,000 faces in one view and all faces in 12 views")
    table = section.body[0].splitlines()
    assert len(table) == 2 + len(CELLS) and len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| 125 | 1 |") and table[-1].startswith("| all | 12 |")


def test_tasks_of_few_labels_are_held_against_themselves_alone_from_as_many(measured):
    frame = few_labels(measured.results, "few")
    told = frame[["task", "labels", "arm", "reference"]].to_numpy().tolist()
    assert told == [
        ["pose", 50, "everything 50", "pose 50"],
        ["smile", 50, "landmarks and smile 50", "smile 50"],
        ["smile", 50, "everything 50", "smile 50"],
        ["smile", 200, "landmarks and smile 200", "smile 200"],
    ]
    section = group_section(measured, describe(measured), "few")
    assert any(line.startswith("with the landmarks instead of alone, with 200 labels, smile") for line in section.brief)
    assert len(section.body[0].splitlines()) == 2 + len(told)


def test_both_are_drawn(measured):
    figures = {name: drawing.draw() for name, drawing in drawings(measured).items()}
    assert set(figures) == {"gain-map", "accuracy-few"}
    first, second = figures["gain-map"].axes
    assert [label.get_text().split()[0] for label in first.get_xticklabels()] == ["125", "1,000"]
    assert [label.get_text().split()[0] for label in second.get_xticklabels()] == ["125", "all"]
    assert first.get_ylim() == second.get_ylim()
    assert [axes.get_title() for axes in figures["accuracy-few"].axes] == ["pose", "smile"]


def test_without_arms_there_is_nothing_to_tell(tmp_path):
    arms = {name: ARMS[name] for name in ("alone 0 12", "alone 125 1", "smile 50")}
    measured = measure(read_results(make_run(tmp_path, arms, faces=50, groups=GROUPS)))
    for group in GROUPS:
        assert not group_section(measured, describe(measured), group).brief
    assert not any(drawing.draw().axes for drawing in drawings(measured).values())
