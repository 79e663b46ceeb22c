import sys

import numpy as np
import pytest

from landmarks.errors import DataError
from landmarks.evaluation.evaluate import evaluate
from landmarks.evaluation.per_face import read_per_face
from landmarks.models.calibration import Calibration, ErrorCurve, QualityCurve
from landmarks.models.store import load_model, save_model
from landmarks.studies import doubt
from landmarks.studies.doubt import held, left_wrong, steps, wrong_faces


def test_who_looks_at_the_doubtful_first():
    quality = np.array([0.9, np.nan, 0.2, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    wrong = np.zeros(10, bool)
    wrong[[1, 3]] = True
    failed = np.zeros(10, bool)
    failed[[2, 9]] = True
    none, tenth, half = left_wrong(quality, wrong, failed, (0, 1, 5))
    assert (none.seen, none.wrong, none.found) == (0, 2, 0)
    assert none.by_quality == pytest.approx(0.1 + 1 + 0.8 + 0.2), "what could not be read is surely wrong"
    assert (tenth.seen, tenth.wrong, tenth.found, tenth.failures_found) == (1, 1, 0.5, 0)
    assert tenth.by_quality == pytest.approx(0.1 + 0.8 + 0.2)
    assert (half.seen, half.wrong, half.found, half.failures_found) == (5, 0, 1, 0.5)
    assert half.by_quality == pytest.approx(0, abs=1e-9)


def test_nothing_wrong_or_nothing_at_all():
    assert np.isnan(left_wrong(np.ones(3), np.zeros(3, bool), np.zeros(3, bool), [2])[0].found)
    (nobody,) = left_wrong(np.zeros(0), np.zeros(0, bool), np.zeros(0, bool), [0])
    assert (nobody.seen, nobody.told.expected, nobody.wrong) == (0, 0, 0)


def test_counts_and_shares_each_once():
    assert steps(1000) == [0, 20, 50, 100, 200, 500] and steps(30) == [0, 2, 3, 6, 15, 20] and steps(0) == [0]


def test_the_range_is_tried_on_faces_drawn_anew():
    generator = np.random.default_rng(0)
    quality = generator.uniform(0.5, 1, 300)
    wrong = generator.random(300) > quality
    assert held(quality, wrong, [30], 20) > 0.6
    assert held(quality, np.arange(300) < 150, [30], 20) == held(quality, np.arange(300) < 150, [30], 20)


def test_the_command_reads_what_evaluate_wrote(small_weights, mtfl, tmp_path, monkeypatch, capsys):
    network = load_model(small_weights).network
    known = Calibration({"points_5": ErrorCurve(-3, 1, 0)}, QualityCurve(-5, -2))
    save_model(network, tmp_path / "c.safetensors", {}, known)
    for weights, name in ((small_weights, "raw"), (tmp_path / "c.safetensors", "calibrated")):
        evaluate(weights, mtfl, device="cpu", faces=tmp_path / f"{name}.faces.parquet")
    monkeypatch.setattr(sys, "argv", ["doubt", str(tmp_path / "calibrated.faces.parquet")])
    doubt.main()
    shown = capsys.readouterr().out.splitlines()
    assert "points_5: 8 faces" in shown[0] and [line.split()[0] for line in shown[2:]] == ["0", "1", "2", "4"]
    with pytest.raises(DataError, match="no quality: give the weights that `landmarks calibrate` wrote"):
        wrong_faces(read_per_face(tmp_path / "raw.faces.parquet"), "points_5")
