"""Which arm is held against which."""

from __future__ import annotations

from dataclasses import replace

import pytest

from landmarks.comparison.analysis.questions import (
    all_tasks,
    alone_by_epochs,
    headline_arms,
    main_arms,
    other_reference,
    pairs_with_others,
    pairs_with_single_task,
    reference_arm,
    single_task,
    tasks_text,
)
from landmarks.comparison.results import read_results
from landmarks.errors import LandmarksError
from tests.helpers.comparisons import ALL, POINTS, config, make_run

ARMS = {
    "compact alone": ("networks", config((POINTS,), network="compact")),
    "alone": ("tasks", config((POINTS,))),
    "pose": ("tasks", config((POINTS, "pose"))),
    "pose and smile": ("tasks", config((POINTS, "pose", "smile"))),
    "all": ("tasks", config(ALL)),
    "smile alone": ("tasks", config(("smile",))),
    "soft": ("sharing", config(ALL, sharing="l2", strength=0.1)),
    "cross": ("sharing", config((POINTS, "pose"), sharing="cross_stitch")),
    "task-wise": ("stopping", config(ALL, stopping="task_wise")),
    "global alone": ("stopping", config((POINTS,), stopping="global")),
    "pcgrad": ("weighting", config(ALL, weighting="pcgrad")),
    "tuned": ("weighting", config(ALL, auxiliary_weight=0.3)),
    "compact all": ("networks", config(ALL, network="compact")),
    "journal all": ("networks", config(ALL, network="tcdcn-journal")),
    "alone 500": ("size", config((POINTS,), faces=500)),
    "all 500": ("size", config(ALL, faces=500)),
    "cascade": ("cascade", config((POINTS,), network="cascade")),
    "alone wide": ("controls", config((POINTS,), width=2.0)),
    "all narrow": ("controls", config(ALL, width=0.5)),
    "cross, idle pose": ("controls", config((POINTS, "pose"), sharing="cross_stitch", auxiliary_weight=0.0)),
    "alone, longer": ("budget", config((POINTS,), epochs=60)),
    "pose, longer": ("budget", config((POINTS, "pose"), epochs=60)),
    "cross, longer": ("budget", config((POINTS, "pose"), sharing="cross_stitch", epochs=60)),
    "cascade, longer": ("cascade", config((POINTS,), network="cascade", epochs=60)),
}


AGAINST = {
    **dict.fromkeys(("sharing", "stopping", "weighting", "controls"), "all"),  # the groups
    **{"cross": "pose", "cross, idle pose": "cross"},
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    arms = {name: (*settings, 0.08, 0.01, 1) for name, settings in ARMS.items()}
    return read_results(make_run(tmp_path_factory.mktemp("questions"), arms, faces=8, epochs=1, against=AGAINST))


def name_of(arm):
    return None if arm is None else arm.name


@pytest.mark.parametrize(
    ("arm", "alone", "other"),
    [
        ("alone", None, None),
        ("pose", "alone", None),
        ("all", "alone", None),
        ("smile alone", None, None),
        ("soft", "alone", "all"),
        ("cross", "alone", "pose"),
        ("task-wise", "alone", "all"),
        ("global alone", "alone", "all"),
        ("pcgrad", "alone", "all"),
        ("tuned", "alone", "all"),
        ("compact alone", "alone", None),
        ("compact all", "compact alone", None),
        ("journal all", "alone", None),
        ("alone 500", None, None),
        ("all 500", "alone 500", None),
        ("cascade", "alone", None),
        ("alone wide", "alone", "all"),
        ("all narrow", "alone", "all"),
        ("cross, idle pose", "alone", "cross"),
        ("alone, longer", "alone", None),
        ("pose, longer", "alone, longer", None),
        ("cross, longer", "alone, longer", None),
        ("cascade, longer", "alone, longer", None),
    ],
)
def test_what_an_arm_is_held_against(results, arm, alone, other):
    assert name_of(single_task(results, results.arms[arm])) == alone
    assert name_of(other_reference(results, results.arms[arm])) == other


def test_the_arms_that_have_names(results):
    assert reference_arm(results).name == "alone"  # not the first one, which belongs to another question
    assert name_of(all_tasks(results)) == "all"
    assert {text: arm.name for text, arm in main_arms(results).items()} == {
        "landmarks only": "alone",
        "+ pose": "pose",
        "+ pose + smile": "pose and smile",
        "+ all four": "all",
    }
    longer = alone_by_epochs(results)
    assert [arm.name for arm in longer.values()] == ["alone", "alone, longer"]
    assert {text: arm.name for text, arm in main_arms(results, longer[60]).items()} == {
        "landmarks only": "alone, longer",
        "+ pose": "pose, longer",
    }
    assert tasks_text(results.arms["smile alone"]) == "smile alone"
    assert pairs_with_others(results, "sharing") == {"soft": "all", "cross": "pose"}
    assert pairs_with_single_task(results, "size") == {"all 500": "alone 500"}
    assert pairs_with_single_task(results, "no such group") == {}


def test_the_reference_is_the_grids(results):
    for name, expected in (("alone, longer", "alone, longer"), ("all", "alone"), ("smile alone", "alone")):
        grid = replace(results.grid, reference=name)
        assert reference_arm(replace(results, grid=grid)).name == expected


def test_all_tasks_are_those_that_the_grid_has(tmp_path):
    """A grid of two attributes has an arm of all tasks, too."""
    arms = {name: (*ARMS[name], 0.08, 0.01, 1) for name in ("alone", "pose", "pose and smile")}
    results = read_results(make_run(tmp_path, arms, faces=8, epochs=1))
    assert name_of(all_tasks(results)) == "pose and smile"
    assert [arm.name for arm in headline_arms(results).values()] == ["alone", "pose", "pose and smile"]


def test_without_landmarks_alone_there_is_nothing_to_compare_with(tmp_path):
    make_run(tmp_path, {"all": ("tasks", config(ALL), 0.08, 0.01, 1)}, faces=8, epochs=1)
    with pytest.raises(LandmarksError, match="landmarks alone"):
        reference_arm(read_results(tmp_path))


def test_a_comparison_of_few_faces_alone_has_a_reference_too(tmp_path):
    run = {name: (*ARMS[name], 0.1, 0.01, 2) for name in ("alone 500", "all 500")}
    found = read_results(make_run(tmp_path, run, faces=10, epochs=1))
    assert reference_arm(found).name == "alone 500"
    assert pairs_with_single_task(found, "size") == {"all 500": "alone 500"}


def test_what_else_is_in_a_batch_is_no_other_way_to_learn_the_landmarks_alone(tmp_path):
    """The first arm of the landmarks alone counts, trained as long."""
    alone = {"alone": {"labelled_only": True}, "alone among all": {}, "alone, longer": {"epochs": 9}}
    shared = {"shared": {}, "shared, half": {"share": 0.5}, "shared, longer": {"share": 0.5, "epochs": 9}}
    run = {name: ("size", config((POINTS,), **keys), 0.1, 0.01, 1) for name, keys in alone.items()}
    run |= {name: ("size", config((POINTS, "pose"), **keys), 0.1, 0.01, 1) for name, keys in shared.items()}
    found = read_results(make_run(tmp_path, run, faces=8, epochs=1))
    wanted = {"shared": "alone", "shared, half": "alone", "shared, longer": "alone, longer"}
    pairs = pairs_with_single_task(found, "size")
    assert {name: pairs[name] for name in wanted} == wanted
