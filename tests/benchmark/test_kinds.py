"""Whole runs over the kinds of folders that people have."""

from __future__ import annotations

import json
import shutil

import numpy as np

from landmarks import images
from landmarks.benchmark import kinds, reduced
from tests.helpers.faces import SAMPLES


def test_photographs_become_the_three_kinds_of_files(tmp_path, monkeypatch):
    monkeypatch.setattr(reduced, "SIDE", 600)  # as from a very small camera
    shutil.copy(SAMPLES / "astronaut.png", tmp_path)
    found = kinds.make_folders(kinds.find([tmp_path]), tmp_path / "made")
    sizes = [images.read(files[0].path).size for files in found.values()]
    assert list(found) == list(kinds.KINDS) and sizes == [(1000, 1000), (600, 600), (kinds.CROP, kinds.CROP)]


def test_a_crop_shows_the_face_in_its_middle():
    picture = np.zeros((400, 400, 3), np.uint8)
    picture[100:200, 150:250] = 255
    (data,) = kinds.crops(picture, np.array([[150.0, 100.0, 250.0, 200.0]]))
    crop = images.decode(data, "crop").pixels.astype(float).mean(axis=2) / 255
    ys, xs = (np.average(np.arange(kinds.CROP), weights=crop.sum(axis=axis)) for axis in (1, 0))
    assert abs(xs - kinds.CROP / 2) < 1.5 and abs(ys - kinds.CROP / 2) < 1.5
    assert crop.sum() ** 0.5 == np.clip(crop.sum() ** 0.5, 82, 85)  # 150 / 1.8


def test_the_command_writes_rates_and_floors(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reduced, "SIDE", 600)
    shutil.copy(SAMPLES / "astronaut.png", tmp_path)
    out = tmp_path / "figures.json"
    arguments = ["--detectors", "facegrid", "--images", "9", "--workers", "0", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["kinds", str(tmp_path), *arguments])
    kinds.main()
    figures = json.loads(out.read_text())
    assert [kind["name"] for kind in figures["kinds"]] == list(kinds.KINDS)
    assert all(kind["decoding"] > 0 and kind["runs"]["facegrid, 0"]["rate"] > 0 for kind in figures["kinds"])
    assert figures["multiply_adds"]["facegrid, a picture"] > figures["multiply_adds"]["compact, a face"] > 0
    assert "compact, a face" in capsys.readouterr().out
