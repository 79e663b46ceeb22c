import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.datasets.dataset import load_crops
from landmarks.datasets.one_source import keep_source
from landmarks.errors import DataError, LandmarksError
from landmarks.inference.backend import load_backend
from landmarks.models.calibration import Calibration, ErrorCurve, QualityCurve
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network
from landmarks.models.store import load_model, save_model
from landmarks.studies import learning_curve
from landmarks.studies.learning_curve import Arm, arms, learn, look, recipe, run, summarise
from landmarks.training.config import TrainingConfig

CONFIG = NetworkConfig(("points_5", "points_68", "smile"), input_size=32, features=16, width=0.5)


def quick(arm: Arm, lesson) -> TrainingConfig:
    """The recipe, ended after two batches."""
    return replace(recipe(arm, lesson), epochs=2, draws=8, batch_size=8)


@pytest.fixture(scope="module")
def folders(prepared, tmp_path_factory):
    """The two sources of the drawn MTFL."""
    root = tmp_path_factory.mktemp("sources")
    for source in ("web", "lfw"):
        keep_source(prepared, source, root / source)
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that has learnt nothing, and believes it knows its doubt."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_model(Network(CONFIG), path, {}, Calibration({"points_5": ErrorCurve(-3, 1, 0)}, QualityCurve(-5, -2)))
    return path


def test_one_source_alone(prepared, folders, tmp_path):
    whole, web = load_crops(prepared), load_crops(folders / "web")
    rows = np.flatnonzero((whole.table["source"] == "web").to_numpy())
    assert web.table["image"].tolist() == whole.table["image"].iloc[rows].tolist()
    assert set(web.table["split"]) == {"train", "val"}
    assert all(np.array_equal(web.picture(place), whole.picture(row)) for place, row in enumerate(rows))
    with pytest.raises(DataError, match=r"unknown source 'wbe'.*web"):
        keep_source(prepared, "wbe", tmp_path / "x")
    with pytest.raises(DataError, match="another folder"):
        keep_source(folders / "web", "web", folders / "web")


@pytest.fixture(scope="module")
def pool(folders, weights):
    return look(load_backend(weights, "cpu"), folders / "web", [folders / "lfw"])


def test_doubt_takes_the_lowest_quality_of_a_half_that_the_seed_draws(pool):
    half = len(pool.rows) // 2
    for seed in (0, 1):
        doubt, chance = (pool.chosen(Arm(seed, way, False, half)) for way in ("doubt", "chance"))
        assert sorted(doubt) == sorted(chance) and (np.diff(pool.quality[doubt]) >= 0).all()
        assert pool.chosen(Arm(seed, "doubt", False, 3)).tolist() == doubt[:3].tolist()
        assert pool.chosen(Arm(seed, "chance", True, 3)).tolist() == chance[:3].tolist()
    assert sorted(pool.chosen(Arm(0, "chance", False, half))) != sorted(pool.chosen(Arm(1, "chance", False, half)))
    with pytest.raises(LandmarksError, match=f"half of its training faces are {half}, not 500"):
        pool.chosen(Arm(0, "doubt", False, 500))


def test_what_an_arm_learns_from(pool):
    alone, mixed = (pool.lesson(Arm(0, "doubt", way, 4)) for way in (False, True))
    assert alone.table["source"].tolist() == ["0"] * 4 and (alone.table["split"] == "train").all()
    counts = mixed.table["source"].value_counts()
    assert counts["0"] == 4 and counts["1"] > 4
    weights = recipe(Arm(0, "doubt", True, 4), mixed).source_weights
    assert counts["1"] * weights["1"] == pytest.approx(counts["0"]), "half of the draws are new faces"
    assert recipe(Arm(0, "doubt", False, 4), alone).source_weights == {}
    assert set(pool.lesson(Arm(0, "none", True, 4)).table["source"]) == {"1"}


def test_accepted_faces_keep_what_the_network_said(pool):
    arm = Arm(0, "accepted", False, 4)
    chosen = pool.chosen(arm)
    pool.wrong[chosen] = [True, False, True, False]
    kept, labels = (pool.lesson(a).table["points_5"].tolist() for a in (arm, arm._replace(way="doubt")))
    for i, wrong in enumerate(pool.wrong[chosen]):
        assert np.array_equal(kept[i], labels[i] if wrong else pool.points[chosen[i]])
        assert not np.array_equal(labels[i], pool.points[chosen[i]])


def test_heads_without_labels_stay_as_they_were(pool, weights):
    start, arm = load_model(weights), Arm(0, "chance", False, 4)
    lesson = pool.lesson(arm)
    with pytest.warns(UserWarning, match="points_68"):
        learnt = learn(start, lesson, quick(arm, lesson), "cpu")
    before, after = start.network.state_dict(), learnt.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("heads.points_68"))
    assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith("heads.points_5"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_command(folders, weights, tmp_path, monkeypatch, capsys, small_weights):
    out = tmp_path / "curve"
    sizes = ["--sizes", "2,4", "--seeds", "2", "--ways", "doubt,chance,none"]
    call = [str(weights), str(folders / "web"), "--old", str(folders / "lfw"), "--out", str(out), *sizes]
    monkeypatch.setattr(sys, "argv", ["learning_curve", *call])
    monkeypatch.setattr(learning_curve, "recipe", quick)
    learning_curve.main()
    shown = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("| ") for line in shown) == 1 + 11 and "| old faces alone | 4 | 0 | 2 |" in "".join(
        shown
    )
    rows = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert len(rows) == 1 + 2 * 2 * (2 + 3) and all(row["shift_free"] > 0 for row in rows)
    assert all(row["old"]["lfw"]["scheme"] == "points_5" for row in rows)
    assert (out / "curve.png").stat().st_size > 5000
    summary = json.loads((out / "summary.json").read_text())
    assert len(summary) == 1 + 2 * 5 and summary[0]["faces"] == 0
    for row in summary[1:]:
        assert row["seeds"] == 2
        assert row["shift_free"]["least"] <= row["shift_free"]["mean"] <= row["shift_free"]["largest"]
    kept = (out / "runs.jsonl").read_text().splitlines()
    (out / "runs.jsonl").write_text("\n".join(kept[:-1]) + "\n")
    learning_curve.main()
    again = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    assert [{**row, "seconds": 0} for row in again] == [{**row, "seconds": 0} for row in rows]
    with pytest.raises(LandmarksError, match="runs of other weights"):
        run(small_weights, folders / "web", [folders / "lfw"], out, [], "cpu")
    monkeypatch.setattr(sys, "argv", ["learning_curve", *call, "--ways", "doubt,luck"])
    with pytest.raises(SystemExit, match="unknown way 'luck'"):
        learning_curve.main()


def test_weights_without_quality_know_no_doubt(folders, small_weights):
    with pytest.raises(LandmarksError, match="know no doubt; calibrate"):
        look(load_backend(small_weights, "cpu"), folders / "web", [])


def test_the_order_and_the_sums():
    planned = arms(2, ["doubt"], [1, 2])
    assert [(arm.mixed, arm.seed, arm.faces) for arm in planned][:5] == [
        (True, 0, 1), (False, 0, 1), (True, 0, 2), (False, 0, 2), (True, 1, 1),
    ]  # fmt: skip
    assert all(arm.mixed for arm in arms(1, ["none"], [1])), "without corrections there is nothing else to learn from"
    rows = [
        {**arm._asdict(), "wrong": 1, "error": float(arm.seed), "old": {"a.b": {"error": 1.0}}, "seconds": 1.0}
        for arm in planned
    ]
    shuffled = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))]
    told = [(row["mixed"], row["faces"]) for row in summarise(shuffled)]
    assert told == [(True, 1), (True, 2), (False, 1), (False, 2)], "a line of the curve goes from left to right"
    first = summarise(rows)[0]
    assert first["error"] == {"mean": 0.5, "least": 0, "largest": 1} and first["old.a.b.error"]["mean"] == 1
    assert first["seeds"] == 2 and "seconds" not in first
