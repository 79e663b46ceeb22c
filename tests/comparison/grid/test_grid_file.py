"""A grid's file: its questions, its sweeps, and what is said of a wrong one."""

from __future__ import annotations

import csv
import hashlib
import json

import pytest

from landmarks.comparison.analysis.questions import tasks_words
from landmarks.comparison.example import EXAMPLE
from landmarks.comparison.grid.arms import Arm, Group
from landmarks.comparison.grid.grid_file import read_grid
from landmarks.comparison.results import read_grid_of, write_grid
from landmarks.errors import LandmarksError
from landmarks.schemes import POINTS_5
from tests.helpers.comparisons import DOCS

AS_RUN = "8cbb714bb43bcdfb001167e328fc0410e2c2a26552f4bb906a19e8ad23b14507"
"""Of the 15 arms of docs/comparison.toml when its results were measured: settings, groups, seeds and order."""


def grid_of(tmp_path, text, settings=(), names=()):
    (tmp_path / "grid.toml").write_text(text)
    return read_grid(tmp_path / "grid.toml", settings, names)


def test_the_grid_of_the_docs_is_what_was_run():
    arms = read_grid(DOCS / "comparison.toml").arms
    told = json.dumps([[arm.what_is_run(), arm.group, arm.seeds] for arm in arms], sort_keys=True)
    assert hashlib.sha256(told.encode()).hexdigest() == AS_RUN


def test_the_grid_of_the_docs_fits_its_results():
    arms = read_grid(DOCS / "comparison.toml").arms
    with open(DOCS / "results" / "2026-11-27-comparison.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["arm"] for row in rows] == [arm.name for arm in arms]
    for row, arm in zip(rows, arms):
        assert (row["group"], row["network"], row["sharing"]) == (arm.group, arm.network, arm.sharing)
        assert (row["weighting"], row["stopping"]) == (arm.weighting, arm.stopping.kind)
        assert [int(row[key]) for key in ("seeds", "faces", "epochs")] == [arm.seeds, arm.faces, arm.epochs]
        assert [float(row[key]) for key in ("strength", "width")] == [arm.strength, arm.width]
        if POINTS_5.name in arm.tasks:
            assert row["tasks"] == tasks_words(frozenset(arm.tasks) - {POINTS_5.name})


def test_every_cell_of_the_map_has_what_it_is_held_against():
    arms = read_grid(DOCS / "map.toml").arms
    alone = {(arm.faces, arm.views, arm.width, arm.optimizer) for arm in arms if arm.tasks == (POINTS_5.name,)}
    few = {(arm.tasks[0], *arm.labels.values()) for arm in arms if len(arm.tasks) == 1 and arm.labels}
    for arm in arms:
        if POINTS_5.name in arm.tasks:
            assert (arm.faces, arm.views, arm.width, arm.optimizer) in alone, arm.name
        assert not arm.labels or {(task, count) for task, count in arm.labels.items()} <= few, arm.name


def test_a_grid_is_kept_with_its_results(tmp_path):
    for grid in (read_grid(DOCS / "comparison.toml"), read_grid(DOCS / "map.toml"), EXAMPLE):
        write_grid(tmp_path, grid)
        assert read_grid_of(tmp_path) == grid
    (tmp_path / "grid.json").write_text("{")
    with pytest.raises(LandmarksError, match=r"grid\.json: not of a comparison .*; give `landmarks compare`"):
        read_grid_of(tmp_path)


def test_a_grid_runs_the_first_seeds_of_all_arms_first(tmp_path):
    grid = grid_of(
        tmp_path,
        "[defaults]\nseeds = 2\n[[arms]]\nname = 'a'\nseeds = 1\n[[arms]]\nname = 'b'\n"
        "[arms.stopping]\nkind = 'task_wise'\nstrip = 3",
    )
    assert [(arm.name, seed) for arm, seed in grid.runs()] == [("a", 0), ("b", 0), ("b", 1)]
    assert [(arm.name, seed) for arm, seed in grid.runs(["b"])] == [("b", 0), ("b", 1)]
    assert grid.arms[1].stopping.strip == 3
    assert [arm.name for arm in grid.choose(["b", "b"])] == ["b"] and len(grid.choose([])) == 2


def test_an_unknown_arm_is_told_with_the_five_nearest_a_line_each():
    with pytest.raises(LandmarksError) as error:
        read_grid(DOCS / "map.toml").choose(["all, 1,000 fces, one view"])
    first, *lines = str(error.value).splitlines()
    assert first == "no arm 'all, 1,000 fces, one view' in the grid; did you mean"
    assert len(lines) == 5 and lines[0] == "  all, 1,000 faces, one view"


def test_a_sweep_is_the_product_of_its_values_in_its_place(tmp_path):
    grid = grid_of(
        tmp_path,
        """
        [[arms]]
        name = "first"
        [[arms]]
        name = "{tasks}, {faces} faces, {epochs} epochs"
        epochs = 3
        [arms.sweep]
        faces = [500, 1000]
        tasks = { alone = ["points_5"], "with all" = ["points_5", "pose", "smile"] }
        [[arms]]
        name = "{tasks}"
        sweep.tasks = [["points_5"], ["points_5", "smile", "pose"], ["smile"]]
        [[arms]]
        name = "stop at {stopping.threshold}, {sharing} {strength}"
        sharing = "l2"
        stopping.kind = "task_wise"
        sweep."stopping.threshold" = [0.25, 1.0]
        sweep.strength = [1e-5]
        """,
    )
    assert [arm.name for arm in grid.arms] == [
        "first",
        "alone, 500 faces, 3 epochs",
        "with all, 500 faces, 3 epochs",
        "alone, 1000 faces, 3 epochs",
        "with all, 1000 faces, 3 epochs",
        "landmarks only",
        "+ pose + smile",
        "smile alone",
        "stop at 0.25, l2 0.00001",
        "stop at 1, l2 0.00001",
    ]
    assert (grid.arms[2].faces, grid.arms[2].tasks) == (500, ("points_5", "pose", "smile"))
    assert grid.arms[9].stopping.threshold == 1.0 and grid.arms[9].stopping.kind == "task_wise"


TWO = "[[arms]]\nname = 'a'\nepochs = 3\n[[arms]]\nname = 'b'\nfaces = 50\n"


def test_settings_are_of_arms_or_of_the_file(tmp_path):
    grid = grid_of(tmp_path, TWO, ["epochs=2", "stopping.kind=global", "reference=b", "defaults.seeds=1"])
    assert [(arm.epochs, arm.stopping.kind, arm.seeds) for arm in grid.arms] == [(2, "global", 1)] * 2
    assert grid.reference == "b"
    assert [arm.epochs for arm in grid_of(tmp_path, TWO, ["defaults.epochs=2"]).arms] == [3, 2]
    assert [arm.epochs for arm in grid_of(tmp_path, TWO, ["epochs=2"], ["b"]).arms] == [3, 2]
    assert grid_of(tmp_path, TWO, ["groups.tasks.title=Why?"]).groups["tasks"].title == "Why?"


@pytest.mark.parametrize(
    ("settings", "names", "message"),
    [
        (["faces=10", "epochs=2"], [], "the arms 'a' and 'b' would be the same"),
        (["epochs=1.5"], [], "arm 'a': epochs = 1.5: must be a whole number"),
        (["epoch=2"], [], "no field 'epoch'; did you mean 'epochs'?"),
        (["defaults.epoch=2"], [], "arm 'a': epoch: unknown key; did you mean 'epochs'?"),
        (["groups.tasks.titel=2"], [], "groups.tasks.titel: unknown key; did you mean 'title'?"),
        (["name=c"], [], "two arms are called 'c'"),
        (["epochs=2"], ["c"], "no arm 'c' in the grid"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, settings, names, message):
    with pytest.raises(LandmarksError) as error:
        grid_of(tmp_path, TWO, settings, names)
    assert message in str(error.value)


ARM = "[[arms]]\nname = 'a'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ARM + ARM, "two arms are called 'a'"),
        ("reference = 'b'\n" + ARM, "the reference 'b' is no arm; did you mean\n  a"),
        (ARM + "colour = 1", "arm 'a': colour: unknown key; known: name, group"),
        (ARM + "epoch = 1", "arm 'a': epoch: unknown key; did you mean 'epochs'?"),
        (ARM + "epochs = '3'", "arm 'a': epochs = '3': must be a whole number"),
        (ARM + "seeds = '2'", "grid.toml: arm 'a': seeds = '2': must be a whole number"),
        (ARM + "epsilon = 1.0", "grid.toml: arm 'a': epsilon: unknown key"),
        (
            ARM + "stopping.epsilon = 1.0",
            "grid.toml: arm 'a': stopping.epsilon: unknown key; known: kind, strip, thres",
        ),
        ("defaults.seeds = '2'\n" + ARM, "grid.toml: arm 'a': seeds = '2': must be a whole number"),
        (
            "epsilon = 1.0\n" + ARM,
            "grid.toml: epsilon: unknown key; known: arms, reference, equal_seeds, groups, defaults",
        ),
        (ARM + "tasks = 'pose'", "arm 'a': tasks = 'pose': must be a list"),
        (ARM + "network = 'tcdn'", "arm 'a': unknown network 'tcdn'; did you mean 'tcdcn'?"),
        (ARM + "stopping.kind = 'late'", "arm 'a': stopping: unknown stopping 'late'"),
        (ARM + "group = 'taks'", "arm 'a': unknown group 'taks'; did you mean 'tasks'?"),
        (ARM + "[groups.x]\ntitle = 'X?'", "arm 'a': unknown group 'tasks'; known: x"),
        (ARM + "[groups.tasks]\nasked = 'X?'", "groups.tasks.title: missing"),
        (
            ARM + "[groups.tasks]\ntitle = 'X?'\nvaries = 'task'",
            "groups.tasks: varies: unknown word 'task'; did you mean",
        ),
        (
            ARM + "[groups.tasks]\ntitle = 'X?'\nagainst = 'b'",
            "groups.tasks: against = 'b' is no arm; did you mean\n  a",
        ),
        (ARM + "[groups.'a/b']\ntitle = 'X?'\n[groups.tasks]\ntitle = 'Y?'", "name must be one line without slashes"),
        (ARM + "against = 'b'", "arm 'a': against = 'b' is no arm"),
        (ARM + "sweep = 3", "arm 'a': sweep: must be a table of fields"),
        (ARM + "sweep.faces = 3", "arm 'a': sweep.faces = 3: must be a list of values"),
        (ARM + "sweep.faces = []", "arm 'a': sweep.faces = []: must be a list of values"),
        (ARM + "sweep.faces = [1, 2]", "two arms are called 'a'"),
        ("[[arms]]\nname = '{face}'\nsweep.faces = [1]", "unknown field 'face'; did you mean 'faces'?"),
        ("[[arms]]\nname = '{fces}'\nsweep.fces = [1]", "arm '1': fces: unknown key; did you mean 'faces'?"),
        ("[[arms]]\nsweep.faces = [1]", "give the arm a name with its fields in braces"),
        ("speed = 1\n" + ARM, "speed: unknown key"),
        ("", "arms: missing"),
        ("arms = []", "no arms; give each a table [[arms]]"),
        ("[[arms]]", "arm 1: name: missing"),
        ("arms = 3", "arms = 3: must be a list"),
        ("[[arms", "cannot be read as TOML"),
    ],
)
def test_grids_that_cannot_be_are_refused_by_name(tmp_path, text, message):
    with pytest.raises(LandmarksError) as error:
        grid_of(tmp_path, text)
    assert message in str(error.value) and "grid.toml" in str(error.value)


def test_a_grid_without_groups_has_one_question(tmp_path):
    grid = grid_of(tmp_path, ARM)
    assert grid.arms == (Arm("a"),) and grid.reference == "a"
    assert list(grid.groups) == ["tasks"] and isinstance(grid.groups["tasks"], Group)
