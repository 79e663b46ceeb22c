"""A comparison on faces that lack labels: arms left out, classes never answered."""

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.grid.arms import MAIN, Arm, Grid
from landmarks.comparison.run import compare
from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import LandmarksError

QUICK = {"epochs": 1, "batch_size": 8, "seeds": 1, "precision": "float32"}


def test_arms_without_labels_are_left_out_and_classes_nobody_showed_are_never_answered(prepared, tmp_path):
    dataset, crops = read_dataset(prepared), load_crops(prepared)
    crops.table["gender"] = crops.table["gender"].mask(crops.table["gender"].notna())
    arms = {"points": (MAIN,), "pose": (MAIN, "pose"), "gender": (MAIN, "gender"), "all": (MAIN, "smile", "gender")}
    grid = Grid(tuple(Arm(name, tasks=tasks, **QUICK) for name, tasks in arms.items()), "points")
    told: list[str] = []
    assert compare(grid, dataset, crops, WholeImage(), tmp_path, report=told.append) == []
    assert "left out, no labels for gender: gender, all" in told
    assert any(line.startswith("pose: no training face is 'left profile'") for line in told)
    results = pd.read_parquet(tmp_path / "results.parquet").set_index("arm")
    assert sorted(results.index) == ["points", "pose"]
    assert np.unique(results.loc["pose", "guess_pose"]).tolist() == [2], "all training faces are frontal"
    with pytest.raises(LandmarksError, match="labels for gender, so that the reference 'all' cannot be"):
        compare(Grid(grid.arms, "all"), dataset, crops, WholeImage(), tmp_path / "other")
