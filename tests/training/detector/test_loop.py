"""A detector's training: it learns drawn faces, stops and goes on exactly, and keeps others away."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.atomic import Lock
from landmarks.datasets.photographs import read_photographs
from landmarks.detection.overlap import overlaps
from landmarks.errors import LandmarksError, WeightsError
from landmarks.models.facegrid import FaceGrid, FaceGridConfig, decode
from landmarks.training.detector.config import DetectorTraining, Shares
from landmarks.training.detector.crops.batches import Batches
from landmarks.training.detector.crops.pictures import Pictures
from landmarks.training.detector.crops.place import crop_cells
from landmarks.training.detector.crops.store import open_store
from landmarks.training.detector.loop import LOG, STATE, fit, losses_of, validate

SMALL = FaceGridConfig(8, (8, 12, 16, 16))
CONFIG = DetectorTraining(
    steps=6, batch_size=2, side=64, largest=50.0, rise_steps=2, fall_steps=2, log_steps=2, validate_steps=4,
    validate_batches=1, workers=0,
)  # fmt: skip


def network(config=SMALL):
    torch.manual_seed(0)
    return FaceGrid(config)


def train(pictures, out, config=CONFIG, **more):
    batches = Batches(pictures, config)
    return fit(network(), batches, more.pop("held_out", None), config, out, {"steps": config.steps}, **more)


def rows(out):
    return [json.loads(line) for line in (out / LOG).read_text().splitlines()]


@pytest.mark.parametrize(
    "changes", [{}, {"precision": "bfloat16"}, {"muon_rate": 0.0}], ids=["float32", "bfloat16", "AdamW alone"]
)
def test_it_learns_drawn_faces(pictures, tmp_path, changes):
    """From one batch over and over, without any changes: faces must be found, and nothing else."""
    config = replace(CONFIG, **changes)
    config = replace(config, batch_size=4, smallest=12.0, shares=Shares(1.0, 1.0, 0, 0, 0), steps=120, log_steps=40)
    config = replace(config, learning_rate=5e-3, rise_steps=10, fall_steps=40, average_decay=0.9)
    batch = Batches(pictures, config)[0]

    class Same(Batches):
        def __getitem__(self, number):
            return batch

    trained = fit(network(FaceGridConfig(12, (16, 24, 24, 24))), Same(pictures, config), None, config, tmp_path, {})
    found = decode(trained(batch.pixels.permute(0, 3, 1, 2)), torch.from_numpy(crop_cells(64)))
    boxes, scores = found.boxes.detach().numpy(), found.logits.sigmoid().detach().numpy()
    for picture in range(4):
        true = batch.truth.boxes[batch.truth.owners == picture].numpy()
        seen = boxes[picture][scores[picture] > 0.4]
        if len(true):
            table = overlaps(true, seen)
            assert (table.max(axis=1, initial=0) > 0.5).all(), "every face is found"
            assert (table.max(axis=0, initial=0) > 0.3).all(), "and nothing else"
    losses = [row["train"]["loss"] for row in rows(tmp_path)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("muon_rate", [0.0, 0.02])
def test_a_training_that_was_stopped_gives_the_same_weights(pictures, tmp_path, muon_rate):
    config = replace(CONFIG, muon_rate=muon_rate)
    whole = train(pictures, tmp_path / "whole", config, held_out=Batches(pictures, CONFIG))

    class Stopped(Batches):
        def __getitem__(self, number):
            if number == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().__getitem__(number)

    with pytest.raises(KeyboardInterrupt):
        fit(network(), Stopped(pictures, CONFIG), Batches(pictures, CONFIG), config, tmp_path / "part", {"steps": 6})
    assert len(rows(tmp_path / "part")) == 1, "stopped within a window of the log"
    torch.manual_seed(99)
    again = fit(
        FaceGrid(SMALL), Batches(pictures, CONFIG), Batches(pictures, CONFIG), config, tmp_path / "part", {"steps": 6}
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert [row["step"] for row in rows(tmp_path / "part")] == [row["step"] for row in rows(tmp_path / "whole")]
    assert [row["val"] for row in rows(tmp_path / "part") if "val" in row] == [
        row["val"] for row in rows(tmp_path / "whole") if "val" in row
    ]


def test_what_report_raises_comes_out_and_what_was_learnt_is_kept(pictures, tmp_path):
    whole = train(pictures, tmp_path / "whole")
    own = OSError(28, "the caller's own")

    def fails(row):
        raise own

    with pytest.raises(OSError) as told:
        train(pictures, tmp_path / "part", report=fails)
    assert told.value is own and own.filename is None
    assert len(rows(tmp_path / "part")) == 1 and (tmp_path / "part" / STATE).is_file()
    again = train(pictures, tmp_path / "part")
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values()))
    assert [row["step"] for row in rows(tmp_path / "part")] == [row["step"] for row in rows(tmp_path / "whole")]


def test_finished_training_only_gives_its_weights(pictures, tmp_path):
    first = train(pictures, tmp_path)
    written = (tmp_path / LOG).read_text()
    second = train(pictures, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    assert (tmp_path / LOG).read_text() == written


def test_other_settings_and_damaged_states_are_refused(pictures, tmp_path):
    train(pictures, tmp_path)
    with pytest.raises(WeightsError, match="steps was 6, is 8"):
        train(pictures, tmp_path, replace(CONFIG, steps=8))
    (tmp_path / STATE).write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsError, match="not a state to go on from"):
        train(pictures, tmp_path)


def test_one_training_at_a_time(pictures, tmp_path):
    lock = Lock(tmp_path / "lock")
    with pytest.raises(LandmarksError, match="another run is writing here"):
        train(pictures, tmp_path)
    lock.release()
    train(pictures, tmp_path)


def test_the_rate_rises_and_falls_to_nothing():
    config = DetectorTraining(steps=100, rise_steps=10, fall_steps=20)
    factors = [config.rate_factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1) and factors[9] == factors[80] == 1.0
    assert factors[90] == pytest.approx(0.5) and factors[99] == pytest.approx(0.05) and factors[100] == 0
    assert DetectorTraining(rise_steps=0, fall_steps=0).rate_factor(0) == 1.0


def test_steps_without_a_finite_loss_are_passed_over(pictures, tmp_path, monkeypatch):
    from landmarks.training.detector import loop

    monkeypatch.setattr(loop, "MOST_SKIPPED", 3)
    broken = network()
    with torch.no_grad():
        broken.heads[0].bias.fill_(float("nan"))
    config = replace(CONFIG, steps=5)
    with pytest.raises(WeightsError, match="not finite 3 times in a row; lower learning_rate"):
        fit(broken, Batches(pictures, config), None, config, tmp_path, {})


def test_weights_that_are_not_finite_are_not_given(pictures, tmp_path):
    with pytest.raises(WeightsError, match="lower learning_rate"):
        train(pictures, tmp_path, replace(CONFIG, learning_rate=1e29))


def test_validation_is_the_same_every_time(drawn, tmp_path):
    datasets = [read_photographs(drawn)]
    unseen = Pictures(open_store(datasets, tmp_path), datasets, "val")
    batches, places = Batches(unseen, CONFIG), torch.from_numpy(crop_cells(64))
    first, second = (validate(network(), batches, places, CONFIG, "cpu") for _ in range(2))
    assert first == second and np.isfinite(list(first.values())).all()
    parts = losses_of(network(), batches[0], places, CONFIG)
    weighted = parts["score"] + 2.5 * parts["box"] + parts["points"]
    assert parts["loss"].item() == pytest.approx(weighted.item())


@pytest.mark.parametrize(
    "values",
    [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"side": 100}, {"side": 576}, {"smallest": 400.0},
     {"average_decay": 1.0}, {"clip_norm": 0.0}, {"learning_rate": 1e300}, {"seed": 2**63}, {"workers": -1},
     {"box_weight": -1.0}, {"muon_rate": -1.0}, {"precision": "float16"}],
)  # fmt: skip
def test_values_that_cannot_be(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        DetectorTraining(**values)


@pytest.mark.parametrize("shares", [(-1.0, 1, 1, 1, 1), (0.0, 0, 0, 0, 0)])
def test_shares_that_cannot_be(shares):
    with pytest.raises(ValueError, match="at least one of them above 0"):
        Shares(*shares)
