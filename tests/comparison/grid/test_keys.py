"""The keys of a grid: every one is told, and does what it says."""

import pandas as pd
import pytest

from landmarks.comparison.grid.arms import LATER, Arm
from landmarks.comparison.grid.grid_file import read_grid
from landmarks.comparison.grid.keys import PARTS, docstrings, page
from landmarks.comparison.run import views_folders
from landmarks.datasets.crops.augment import DETECTED
from landmarks.errors import LandmarksError
from tests.helpers.commands import run
from tests.helpers.comparisons import DOCS, hurry


def test_the_page_of_keys_is_up_to_date():
    assert (DOCS / "grid-keys.md").read_text(encoding="utf-8") == page(), (
        "make it anew: python -m landmarks.comparison.grid.keys docs/grid-keys.md"
    )


@pytest.mark.parametrize("kind", [kind for kind, _ in PARTS.values()], ids=lambda kind: kind.__name__)
def test_every_key_has_its_words(kind):
    words = docstrings(kind)
    assert [name for name in kind.__dataclass_fields__ if not words.get(name)] == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"auxiliary_weight": 0.1, "task_weights": {"smile": 0.5}}, {"task_weights": {"pose": 0.1, "smile": 0.5}}),
        ({"weighting": "gradnorm", "weighting_options": {"alpha": 0.5}}, {"weighting_options": {"alpha": 0.5}}),
        ({"optimizer": "sgd", "momentum": 0.5, "schedule": "constant"}, {"optimizer": "sgd", "momentum": 0.5}),
        ({"optimizer": "muon", "muon_rate": 0.01}, {"optimizer": "muon", "muon_rate": 0.01}),
        ({"schedule": "constant", "average_decay": 0.0}, {"schedule": "constant", "average_decay": 0.0}),
    ],
)
def test_keys_reach_the_training(settings, expected):
    training = Arm("any", tasks=("points_5", "pose", "smile"), **settings).training(0)
    assert {key: getattr(training, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"network": "tcdcn", "width": 0.25}, {"encoder": "tcdcn", "width": 0.25, "features": 25}),
        ({"network": "tcdcn", "width": 4.0}, {"encoder": "tcdcn", "width": 4.0, "features": 400}),
        ({"network": "torchvision:resnet18"}, {"encoder": "torchvision:resnet18", "input_size": 64, "coding": "simcc"}),
        ({"network": "mine:Net", "input_size": 48, "features": 32, "coding": "regression"},
         {"encoder": "mine:Net", "input_size": 48, "features": 32, "coding": "regression"}),
    ],
)  # fmt: skip
def test_keys_reach_the_network(settings, expected):
    network = Arm("any", **settings).network_config()
    assert {key: getattr(network, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("task_weights = { smle = 1.0 }", "unknown task 'smle'; did you mean 'smile'"),
        ("views = 0", "views must be 1 or more"),
        ("jitter = -1.0", "jitter must be 0 to 4"),
        ('optimizer = "adam"', "unknown optimizer 'adam'; did you mean 'adamw'"),
        ('schedule = "cosine"', "unknown schedule 'cosine'"),
        ('network = "tcdn"', "unknown network 'tcdn'; did you mean 'tcdcn'"),
        ("weighting_options = { alpha = 1.0 }", "weighting_options of 'fixed': unknown option 'alpha'"),
        ("declared = []", "declare own tasks in a tasks.toml"),
    ],
)
def test_values_that_cannot_be_name_file_arm_and_key(tmp_path, key, message):
    (tmp_path / "g.toml").write_text(f'[[arms]]\nname = "one"\n{key}\n')
    with pytest.raises(LandmarksError, match=r"g\.toml") as error:
        read_grid(tmp_path / "g.toml")
    assert message in str(error.value)


def test_equal_seeds_are_those_of_the_arm_with_most(tmp_path):
    text = '[[arms]]\nname = "a"\nseeds = 5\n[[arms]]\nname = "b"\nseeds = 2\n'
    for top, seeds in (("", [5, 2]), ("equal_seeds = true\n", [5, 5])):
        (tmp_path / "g.toml").write_text(top + text)
        assert [arm.seeds for arm in read_grid(tmp_path / "g.toml").arms] == seeds


def test_what_is_kept_of_an_arm_is_what_it_was_before_there_were_newer_keys():
    assert not set(LATER) & set(Arm("any").what_is_run())
    assert Arm("any", views=1).what_is_run()["views"] == 1


def test_arms_of_other_views_share_the_held_out_ones(tmp_path):
    usual, one, still = (views_folders(tmp_path, Arm("any", **s)) for s in ({}, {"views": 1}, {"jitter": 0.0}))
    assert usual["val"] == one["val"] == still["val"]
    assert len({usual["train"], one["train"], still["train"]}) == 3
    assert DETECTED.times(0).scale == (1, 1) and DETECTED.times(0).shift == DETECTED.times(0).angle == 0


GRID = """
[defaults]
epochs = 1
batch_size = 8
seeds = 2
precision = "float32"
[[arms]]
name = "landmarks only"
tasks = ["points_5"]
views = 1
optimizer = "sgd"
schedule = "constant"
average_decay = 0.0
[[arms]]
name = "+ smile"
tasks = ["points_5", "smile"]
weighting = "random"
"""


def test_a_dry_run_says_what_is_left_and_trains_nothing(prepared, tmp_path, monkeypatch, capsys):
    hurry(monkeypatch)
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    command = ["compare", tmp_path / "grid.toml", "--data", prepared, "--out", out, "--detector", "whole-image"]
    assert run(monkeypatch, *command, "--dry-run", "--jobs", 2) == 0
    assert "4 trainings: about" in capsys.readouterr().out and not out.exists()
    assert run(monkeypatch, *command, "--arm", "landmarks only") == 0
    frame = pd.read_csv(out / "summary.csv", index_col="arm")
    row = frame.loc["landmarks only"]
    assert row["mean_error"] == pytest.approx((row["mean_error_seed_0"] + row["mean_error_seed_1"]) / 2, rel=1e-4)
    capsys.readouterr()
    assert run(monkeypatch, *command, "--dry-run") == 0
    assert "2 trainings: about" in capsys.readouterr().out
