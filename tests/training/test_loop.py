"""Training: that it learns, goes on where it stopped, and draws faces as it is told."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from landmarks.atomic import Lock
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.errors import DataError, LandmarksError, WeightsError
from landmarks.models.network import Network
from landmarks.training.batches import SampleBatches, draw_weights, drawn_counts
from landmarks.training.config import TrainingConfig
from landmarks.training.loop import train
from landmarks.training.losses import PointsLoss, task_losses
from tests.helpers.faces import SMALL

QUICK = TrainingConfig(epochs=3, batch_size=16, workers=0, average_decay=0.5)


@pytest.mark.filterwarnings("error:This DataLoader")  # that it starts more processes than there are cores
@pytest.mark.parametrize("workers", [0, 1, 500])
def test_no_crop_is_seen_twice_in_an_epoch(prepared, workers):
    """However often a face is drawn; and an epoch is the same whenever asked."""
    crops = load_crops(prepared)
    samples = Samples(crops, crops.part("train")[:4], SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    batches = SampleBatches(samples, replace(QUICK, draws=32, workers=workers), draw=True)
    epoch = torch.cat([batch["crop"] for batch in batches.batches(0)])
    assert len(epoch) == 32 and len({crop.numpy().tobytes() for crop in epoch}) == 32
    assert torch.equal(torch.cat([batch["crop"] for batch in batches.batches(0)]), epoch)


def test_overfits_eight_faces(prepared):
    """Without augmentation every head learns eight faces by heart: points to a pixel, labels without a mistake."""
    crops = load_crops(prepared)
    torch.manual_seed(0)
    samples = Samples(crops, crops.part("train")[:8], SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    batch = default_collate([samples[i] for i in range(8)])
    network = Network(SMALL)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(80):
        loss = sum(task_losses(network, network(batch["crop"]), batch, PointsLoss()).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        outputs = network(batch["crop"])
    inside = SMALL.codec.inside(batch["points_5"])
    error = (SMALL.codec.decode(outputs["points_5"]) - batch["points_5"]).norm(dim=-1)[inside]
    assert error.mean() < 1
    for name in SMALL.attributes:
        assert (outputs[name].argmax(1) == batch[name]).all()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_loop_learns_and_reports(prepared, tmp_path, optimizer):
    config = TrainingConfig(epochs=12, batch_size=12, workers=0, average_decay=0.5, optimizer=optimizer)
    rows = []
    train(SMALL, config, load_crops(prepared), tmp_path, report=rows.append)
    assert rows[-1]["train"]["points_5"] < 0.8 * rows[0]["train"]["points_5"]
    assert rows[-1]["val"]["points_5_distance"] < rows[0]["val"]["points_5_distance"]


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_same_seed_gives_equal_numbers_and_resuming_changes_nothing(prepared, tmp_path, optimizer):
    crops, config = load_crops(prepared), replace(QUICK, optimizer=optimizer)
    whole = train(SMALL, config, crops, tmp_path / "whole").state_dict()
    again = train(SMALL, config, crops, tmp_path / "again").state_dict()
    assert all(torch.equal(whole[key], again[key]) for key in whole)

    class Stop(Exception):
        pass

    def stop_after_one(row):
        if row["epoch"] == 1:
            raise Stop

    with pytest.raises(Stop):
        train(SMALL, config, crops, tmp_path / "cut", report=stop_after_one)
    rows = []
    resumed = train(SMALL, config, crops, tmp_path / "cut", report=rows.append).state_dict()
    assert [row["epoch"] for row in rows] == [2]
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == [0, 1, 2] and set(log[0]["train"]) == {*SMALL.tasks, "points_5_error"}


def test_other_settings_or_a_damaged_state_are_refused(prepared, tmp_path):
    crops = load_crops(prepared)
    train(SMALL, QUICK, crops, tmp_path)
    with pytest.raises(WeightsError, match="other settings"):
        train(SMALL, TrainingConfig(epochs=4, batch_size=16, workers=0), crops, tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="delete it to start again"):
        train(SMALL, QUICK, crops, tmp_path)


def test_no_training_faces(prepared, tmp_path):
    crops = load_crops(prepared)
    with pytest.raises(DataError, match="nothing to learn from"):
        train(SMALL, QUICK, Crops(crops.folders, crops.table[crops.table["split"] == "val"]), tmp_path)


def test_mixed_precision_runs(prepared, tmp_path):
    config = TrainingConfig(epochs=1, batch_size=16, workers=0, precision="bfloat16")
    network = train(SMALL, config, load_crops(prepared), tmp_path)
    assert isinstance(network, Network) and next(network.parameters()).dtype == torch.float32


def test_faces_of_several_datasets_and_a_locator(prepared, tmp_path):
    """Two prepared folders, one without pose and drawn twice as often; the locator learns with the rest."""
    config = replace(SMALL, locator_size=32, coding="regression")
    crops = load_crops(prepared, prepared)
    assert len(crops.table) == 2 * len(load_crops(prepared).table)
    assert (crops.picture(0) == crops.picture(len(crops.table) // 2)).all()
    crops.table.loc[crops.table["cache"] == 1, "pose"] = None
    training = TrainingConfig(
        epochs=8, batch_size=12, workers=0, draws=48, average_decay=0.5, source_weights={"lfw": 2.0}
    )
    rows = []
    network = train(config, training, crops, tmp_path, report=rows.append)
    assert rows[-1]["val"]["locator_distance"] < rows[0]["val"]["locator_distance"]
    assert network.locator is not None and network.locator.size == 32


def test_groups_are_drawn_alike(prepared):
    """With `balance` every group of both columns is drawn as often as any other; faces that lack one as before."""
    crops = load_crops(prepared)
    train = crops.part("train")
    table = crops.table.copy()
    table.loc[table.index[train[:20]], "race"] = ["a"] * 15 + ["b"] * 5
    table.loc[table.index[train[:20]], "gender"] = [0] * 9 + [1] * 6 + [0] * 4 + [1]
    samples = Samples(Crops(crops.folders, table), train, SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    weights = draw_weights(samples, TrainingConfig(pose_balance=0.0, balance=("race", "gender")))
    sums = [weights[low:high].sum() for low, high in ((0, 9), (9, 15), (15, 19), (19, 20))]
    assert np.allclose(sums, 5.0) and np.allclose(weights[20:], 1.0)
    assert np.allclose(draw_weights(samples, TrainingConfig(pose_balance=0.0)), 1.0)
    with pytest.raises(ValueError, match="balance: unknown column 'raze'; did you mean 'race'"):
        TrainingConfig(balance=("raze",))


def test_what_is_drawn_is_counted_by_class(prepared):
    """As many as there are where all are drawn alike; rare poses as often as others where they are balanced."""
    crops = load_crops(prepared)
    rows, table = crops.part("train"), crops.table.copy()
    table.loc[table.index[rows], "pose"] = [0] * 9 + [2] * (len(rows) - 9)
    samples = Samples(Crops(crops.folders, table), rows, SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    alike = drawn_counts(samples, TrainingConfig(pose_balance=0.0))
    assert list(alike["pose"].values()) == [9, 0, len(rows) - 9, 0, 0]
    assert list(alike["smile"].values()) == np.bincount(samples.labels["smile"]).tolist()
    balanced = drawn_counts(samples, TrainingConfig(pose_balance=1.0))
    assert list(balanced["pose"].values()) == [len(rows) / 2, 0, len(rows) / 2, 0, 0]


def test_one_training_at_a_time_in_a_folder(prepared, tmp_path):
    crops = load_crops(prepared)
    lock = Lock(tmp_path / "lock")
    with pytest.raises(LandmarksError, match="another run is writing here"):
        train(SMALL, QUICK, crops, tmp_path)
    lock.release()
    train(SMALL, QUICK, crops, tmp_path)
