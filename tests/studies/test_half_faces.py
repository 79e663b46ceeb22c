"""Faces that the border cuts in two."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from landmarks.studies import half_faces
from landmarks.studies.half_faces import SIDES, cut_at
from tests.helpers.faces import SAMPLES


@pytest.mark.parametrize(
    "side, origin, size", [("left", (60, 10), (45, 90)), ("right", (15, 10), (45, 90)), ("top", (15, 55), (90, 45))]
)
def test_the_border_runs_through_the_middle_of_the_box(side, origin, size):
    picture = np.zeros((100, 110, 3), np.uint8)
    part, at = cut_at(picture, np.array([45.0, 40.0, 75.0, 70.0]), side)
    assert tuple(at) == origin and part.shape[1::-1] == size


def test_the_command_counts_the_halves_of_a_sample(tmp_path, monkeypatch, capsys):
    shutil.copy(SAMPLES / "astronaut.png", tmp_path)
    monkeypatch.setattr("sys.argv", ["half_faces", "compact", str(tmp_path)])
    half_faces.main()
    lines = capsys.readouterr().out.splitlines()
    counted = [int(line.split(": ")[1].split(" ")[0]) for line in lines[:-1]]
    assert len(lines) == 4 and 1 <= sum(counted) <= len(SIDES)
