"""Validation faces that training knows."""

import sys

import numpy as np

from landmarks.datasets.dataset import load_crops
from landmarks.studies import near_copies


def test_a_face_is_its_own_copy_and_no_other_one_is(prepared):
    crops = load_crops(prepared)
    rows = crops.part("train")
    alike, of = near_copies.likeness(crops, rows, rows)
    assert np.allclose(alike, 1, atol=1e-4) and (of == rows).all()
    alike, of = near_copies.likeness(crops, rows[:1], rows[1:])
    assert alike[0] < 0.999 and of[0] in rows[1:]


def test_it_says_how_many_there_are(prepared, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["near_copies", "compact", str(prepared)])
    near_copies.main()
    assert "validation faces have a near copy in training; mean error of all" in capsys.readouterr().out
