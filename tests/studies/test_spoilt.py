import sys

import numpy as np
import pytest

from landmarks.errors import LandmarksError
from landmarks.inference.backend import load_backend
from landmarks.models.calibration import Calibration, ErrorCurve, QualityCurve
from landmarks.models.store import load_model, save_model
from landmarks.studies import spoilt


@pytest.mark.parametrize("way", spoilt.WAYS)
def test_every_way_spoils_and_does_so_again(way):
    generator = np.random.default_rng(1)
    pictures = [generator.integers(0, 256, (48, 48, 3)).astype(np.uint8) for _ in range(6)]
    kept = [picture.copy() for picture in pictures]
    once, again = spoilt.spoil(pictures, way), spoilt.spoil(pictures, way)
    assert all(one.shape == (48, 48, 3) and one.dtype == np.uint8 for one in once)
    assert np.array_equal(once, again) and not np.array_equal(once, kept)
    assert np.array_equal(pictures, kept), "the faces themselves are left alone"


def test_the_command_judges_each_way(small_weights, prepared, tmp_path, monkeypatch):
    known, told = Calibration({"points_5": ErrorCurve(-3, 1, 0)}, QualityCurve(-5, -2)), {}
    weights = tmp_path / "calibrated.safetensors"
    save_model(load_model(small_weights).network, weights, {}, known)
    monkeypatch.setattr(sys, "argv", ["spoilt", str(weights), str(prepared)])
    monkeypatch.setattr(spoilt, "show", lambda way, *faces: told.update({way: faces}))
    spoilt.main()
    assert tuple(told) == spoilt.WAYS
    for quality, wrong, failed in told.values():
        assert len(quality) == len(wrong) == len(failed) > 0 and ((quality >= 0) & (quality <= 1)).all()
        assert wrong.all() and failed.all(), "the network is untrained"
    with pytest.raises(LandmarksError, match="landmarks calibrate"):
        spoilt.judge(load_backend(small_weights, "cpu"), prepared, "small")
