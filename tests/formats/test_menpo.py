"""`.pts` beside their images, as menpo pairs the two. Needs menpo, which no extra installs; 0.11.1 was run."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest

from landmarks import read_results
from tests.helpers.faces import draw_face, write_png
from tests.helpers.results import calibrated, record, write


def test_menpo_finds_the_largest_face_of_each_image(tmp_path):
    """It takes all that is named `STEM.*`, in order, and keeps the last. `STEM.1.pts` comes before `STEM.pts`."""
    menpo = pytest.importorskip("menpo.io", reason="needs menpo")
    names = ("a.png", "sub/b c.png")
    write(tmp_path / "run", [record(calibrated(3 - i, seed=i), name) for i, name in enumerate(names)], ["csv", "pts"])
    for name in names:
        write_png(tmp_path / "photos" / name, draw_face(0)[0])
    shutil.copytree(tmp_path / "run" / "pts", tmp_path / "photos", dirs_exist_ok=True)
    table = read_results(tmp_path / "run")
    for name in names:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found a keys that will be overwritten")
            image = menpo.import_image(tmp_path / "photos" / name)
        face = table[(table["image"] == name) & (table["face"] == 0)]
        xy = face[[f"{point}_{axis}" for point in ("left_eye", "mouth_right") for axis in "xy"]].to_numpy()[0]
        found = image.landmarks["PTS"].points[[0, -1], ::-1].ravel()  # Of y, x with pixel centres at integers.
        np.testing.assert_allclose(found, xy, atol=1e-3)
