"""`landmarks train` with a section [detector]: from photographs with boxes to a weights file, and on from one."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from landmarks.cli.commands import app
from landmarks.errors import DataError, LandmarksError, WeightsError
from landmarks.models.facegrid import load_facegrid
from landmarks.shipped import SHIPPED
from landmarks.training.detector.config import DetectorFile
from landmarks.training.detector.from_config import read_detector_config, train_detector
from tests.helpers.photographs import photographs

TOML = """
[detector]
stem = 8
widths = [8, 12, 16, 16]

[training]
steps = 2
batch_size = 2
side = 64
largest = 50.0
log_steps = 1
validate_batches = 1
workers = 0
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "detector.toml"
    path.write_text(TOML)
    return path


def run(*words):
    return CliRunner().invoke(app, ["train", *map(str, words), "--device", "cpu"])


def test_the_command_from_end_to_end(config, drawn, tmp_path):
    done = run(config, "--data", drawn, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out" / "weights.safetensors") in done.output.replace("\n", "")
    network, about = load_facegrid(tmp_path / "out" / "weights.safetensors")
    assert network.config.widths == (8, 12, 16, 16)
    assert about["trained_on"] == [
        {"dataset": "custom", "terms": "Your own data.", "photographs": 8, "faces": 13},
    ]
    assert set(about["validation"]) == {"loss", "score", "box", "points", "overlap"}
    rows = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2, 2] and "val" in rows[-1]
    again = run(config, "--data", drawn, "--out", tmp_path / "out")
    assert again.exit_code == 0, "a training that is done is done"


def test_start_goes_on_from_weights(config, drawn, tmp_path):
    first = train_detector(config, [drawn], tmp_path / "first", "cpu")
    still = ["learning_rate=1e-12", "steps=1"]
    second = train_detector(config, [drawn], tmp_path / "second", "cpu", still, start=first)
    before, after = load_facegrid(first)[0], load_facegrid(second)[0]
    for name, value in before.named_parameters():
        torch.testing.assert_close(after.get_parameter(name), value, atol=1e-4, rtol=1e-3)
    assert len(load_facegrid(second)[1]["started_from"]["sha256"]) == 64
    with pytest.raises(WeightsError, match=r"does not fit the section \[detector\].*stem=8"):
        train_detector(config, [drawn], tmp_path / "third", "cpu", ["stem=12"], start=first)
    with pytest.raises(WeightsError, match="holds no face detector"):
        train_detector(config, [drawn], tmp_path / "third", "cpu", start="tcdcn")


def test_other_data_in_the_same_folder_is_refused(config, drawn, tmp_path):
    train_detector(config, [drawn], tmp_path / "out", "cpu")
    other = photographs(tmp_path / "other", scenes=2, portraits=1)
    with pytest.raises(WeightsError, match=r"data was .*, is "):
        train_detector(config, [drawn, other], tmp_path / "out", "cpu")


def test_data_without_faces_is_refused(config, tmp_path):
    with pytest.raises(DataError, match="has a face to be learned; give data with boxes"):
        train_detector(config, [photographs(tmp_path / "d", 0, 0, 2, 0)], tmp_path / "out", "cpu")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("batch=3", "no field 'batch'"),
        ("steps=many", "steps = 'many': must be a whole number"),
        ("widths=[8]", "widths 4 numbers"),
        ("training.shares.face=-1.0", "must be 0 or more"),
        ("side=65", "side must be a multiple of 64"),
        ("turned=1.5", "turned is a share of the crops, from 0 to 1"),
        ("changed=-0.1", "changed is a share of the crops, from 0 to 1"),
    ],
)
def test_settings_that_cannot_be(config, setting, message):
    with pytest.raises(LandmarksError, match=message):
        read_detector_config(config, [setting])


def test_a_batch_of_a_single_cell_is_refused(config, drawn, tmp_path):
    with pytest.raises(LandmarksError, match=r"one crop of 64 pixels has one cell.*give more crops or a larger side"):
        train_detector(config, [drawn], tmp_path, "cpu", ["batch_size=1", "side=64", "largest=50.0"])


def test_weights_of_datasets_that_are_not_given_are_refused(config, drawn, tmp_path):
    with pytest.raises(LandmarksError, match="source_weights: unknown dataset 'wide'; known: custom"):
        train_detector(config, [drawn], tmp_path / "out", "cpu", ["source_weights={wide = 2.0}"])
    with pytest.raises(LandmarksError, match="the weight of 'custom' must be 0 or more"):
        read_detector_config(config, ["source_weights={custom = -1.0}"])


def test_encoders_are_for_landmark_networks(config, drawn, tmp_path):
    done = run(config, "--data", drawn, "--out", tmp_path, "--encoder", "compact")
    assert done.exit_code == 2 or isinstance(done.exception, LandmarksError)


def test_the_shipped_config_is_the_default():
    file = read_detector_config(SHIPPED / "detector.toml")
    assert file == DetectorFile()
    assert load_facegrid(SHIPPED / "detector.safetensors")[0].config == file.detector
