"""A comparison whose auxiliary task only another dataset has labels of."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.grid.arms import Arm, Grid, Group
from landmarks.comparison.results import read_results
from landmarks.datasets.dataset import prepare, read_dataset
from landmarks.schemes import POINTS_68
from tests.helpers.commands import run
from tests.helpers.comparisons import DOCS, hurry
from tests.helpers.datasets import face
from tests.helpers.faces import draw_face, write_png


@pytest.fixture
def dense(tmp_path):
    """A prepared folder of ten faces with 68 points and a number."""
    root = tmp_path / "own"
    root.mkdir()
    with open(root / "faces.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["image", "split", *(f"{point}_{axis}" for point in POINTS_68.points for axis in "xy"), "years"]
        )
        for seed in range(10):
            write_png(root / f"{seed}.png", draw_face(seed)[0])
            split = "val" if seed >= 8 else "train"
            writer.writerow([f"{seed}.png", split, *face(POINTS_68, seed).ravel(), 20 + seed])
    (root / "tasks.toml").write_text('[tasks.years]\nkind = "number"\n')
    prepare(read_dataset(root), tmp_path / "dense")
    return tmp_path / "dense"


def test_points_of_other_faces_are_an_auxiliary_task(prepared, dense, tmp_path, monkeypatch):
    hurry(monkeypatch)
    out, settings = tmp_path / "out", ("epochs=1", "batch_size=16", "seeds=1", "precision=float32", "gradient_cosine=1")
    assert run(
        monkeypatch, "compare", DOCS / "points.toml", "--data", prepared, "--data", dense, "--out", out, "--detector",
        "whole-image", *(word for setting in settings for word in ("--set", setting)),
    ) == 0  # fmt: skip
    results = read_results(out)
    arm = results.arms["+ 68 points at 0.1"]
    assert arm.auxiliary == {"points_68"} and arm.vectors.shape == (1, 8, 5, 2)
    (row,) = map(json.loads, (out / "runs" / "+ 68 points at 0.1-0" / "log.jsonl").read_text().splitlines())
    assert row["train"]["points_68"] > 0 and row["val"]["points_68_distance"] > 0
    assert -1 <= row["gradient_cosine"]["points_68"] <= 1
    summary = pd.read_csv(out / "summary.csv", index_col="arm")
    assert np.isfinite(summary.loc["+ 68 points at 0.1", "points_68_gradient_cosine"])
    faces = pd.read_parquet(out / "faces.parquet")
    assert faces["years"].isna().all(), "the test faces have no label of what the other folder declares"


def test_other_landmarks_may_be_what_is_measured(prepared, dense, tmp_path, monkeypatch, capsys):
    hurry(monkeypatch)
    out, settings = tmp_path / "out", ("epochs=1", "batch_size=16", "seeds=1", "precision=float32")
    arms = ("--arm", "landmarks only", "--arm", "+ five points at 1", "--set", "groups.tasks.varies=tasks")
    command = (
        *("compare", DOCS / "points-68.toml", "--data", dense, "--data", prepared, "--out", out, "--split", "val"),
        *("--detector", "whole-image", *arms, *(word for setting in settings for word in ("--set", setting))),
    )
    assert run(monkeypatch, *command, "--faces", dense.parent / "own") == 0
    results = read_results(out)
    alone, both = results.arms["landmarks only"], results.arms["+ five points at 1"]
    assert alone.locates and not alone.auxiliary and both.auxiliary == {"points_5"}
    assert alone.vectors.shape == both.vectors.shape == (1, 2, 68, 2)
    truth = np.stack([face(POINTS_68, seed) for seed in (8, 9)])
    size = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=-1)
    assert results.faces["interocular"].to_numpy() == pytest.approx(size, abs=0.01)
    summary = pd.read_csv(out / "summary.csv", index_col="arm")
    expected = 100 * np.linalg.norm(alone.vectors, axis=-1).mean()
    assert summary.loc["landmarks only", "mean_error"] == pytest.approx(expected, rel=1e-4)
    assert (out / "faces.png").is_file() and (out / "figures" / "error-by-landmark.png").is_file()
    capsys.readouterr()
    assert run(monkeypatch, *command, "--set", "defaults.landmarks=points_5") == 2
    assert "holds a comparison with landmarks = points_68, not points_5" in " ".join(capsys.readouterr().err.split())


def test_faces_that_teach_an_arm_nothing_may_be_left_out(prepared, dense, tmp_path, monkeypatch):
    """It then learns as it would if their folder were not there, in as many steps as the other arms."""
    hurry(monkeypatch)
    learnt = sum(read_dataset(folder).table["split"].eq("train").sum() for folder in (dense, prepared))

    def vectors(name, *settings):
        out = tmp_path / name
        command = ("compare", DOCS / "points-68.toml", "--data", dense, "--out", out, "--split", "val")
        how = ("--detector", "whole-image", "--device", "cpu")
        few = ("--arm", "landmarks only", "--set", "batch_size=8", "--set", "seeds=1")
        assert run(monkeypatch, *command, *how, *few, *settings) == 0
        return read_results(out).arms["landmarks only"].vectors

    both = ("--data", prepared, "--set", "epochs=1")
    among = vectors("among", *both, "--set", "labelled_only=false")
    alone = vectors("alone", *both)
    assert np.array_equal(alone, vectors("one folder", "--set", f"epochs={-(-learnt // 8)}"))
    assert not np.array_equal(alone, among)


def test_the_arms_of_a_grid_measure_the_same_landmarks():
    arms = (Arm("five", tasks=("points_5",)), Arm("many", tasks=("points_68",), landmarks="points_68"))
    with pytest.raises(ValueError, match=r"arm 'many' measures points_68, 'five' points_5: .* make a grid of each"):
        Grid(arms, "five", {"other": Group("?")})
    with pytest.raises(ValueError, match="unknown landmarks 'points_67'; did you mean 'points_68'"):
        Arm("none", landmarks="points_67")
    with pytest.raises(ValueError, match="the cascade has one task"):
        Arm("cascade", network="cascade", tasks=("points_68",), landmarks="points_68")


@pytest.mark.parametrize("key", ["labels", "shuffled"])
def test_points_keep_their_labels(key):
    value = {"points_68": 5} if key == "labels" else ("points_68",)
    with pytest.raises(ValueError, match=f"{key}: unknown task 'points_68'; .* the arm learns no other task"):
        Arm("dense", tasks=("points_5", "points_68", "smile"), **{key: value})
