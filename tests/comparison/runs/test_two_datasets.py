"""A comparison whose auxiliary task only another dataset has labels of."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.grid.arms import Arm
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
    arm = results.arms["+ points_68"]
    assert arm.auxiliary == {"points_68"} and arm.vectors.shape == (1, 8, 5, 2)
    (row,) = map(json.loads, (out / "runs" / "+ points_68-0" / "log.jsonl").read_text().splitlines())
    assert row["train"]["points_68"] > 0 and row["val"]["points_68_distance"] > 0
    assert -1 <= row["gradient_cosine"]["points_68"] <= 1
    summary = pd.read_csv(out / "summary.csv", index_col="arm")
    assert np.isfinite(summary.loc["+ points_68", "points_68_gradient_cosine"])
    faces = pd.read_parquet(out / "faces.parquet")
    assert faces["years"].isna().all(), "the test faces have no label of what the other folder declares"


@pytest.mark.parametrize("key", ["labels", "shuffled"])
def test_points_keep_their_labels(key):
    value = {"points_68": 5} if key == "labels" else ("points_68",)
    with pytest.raises(ValueError, match=f"{key}: unknown task 'points_68'; .* the arm learns no other task"):
        Arm("dense", tasks=("points_5", "points_68", "smile"), **{key: value})
