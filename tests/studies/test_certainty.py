"""How well errors are foreseen, beside how well they could be."""

import sys

import numpy as np
import pytest

from landmarks.studies import certainty


def test_what_can_be_known_is_told_apart_from_chance():
    generator = np.random.default_rng(0)
    scale = np.exp(generator.normal(0, 1, (200, 1)) + generator.normal(0, 1, (1, 68)))
    found = certainty.correlations(scale, scale)
    assert found["expected error"] == pytest.approx(1)
    assert 0.5 < found["mean error of the point"] < found["mean error of the point times that of the face"]
    assert found["mean error of the point times that of the face"] == pytest.approx(1)
    chance = certainty.correlations(scale, scale * generator.exponential(1, scale.shape))
    assert chance["mean error of the point times that of the face"] < 0.95
    assert chance["expected error"] == pytest.approx(chance["mean error of the point times that of the face"], abs=0.05)


def test_it_reads_validation_faces(prepared, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["certainty", "compact", str(prepared)])
    certainty.main()
    assert "5 points: rank correlation" in capsys.readouterr().out
