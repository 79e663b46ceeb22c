"""What decoding JPEGs only as far as is needed changes."""

from __future__ import annotations

import shutil

import numpy as np

from landmarks import images
from landmarks.benchmark import reduced
from landmarks.faces import Faces
from landmarks.schemes import POINTS_5
from tests.helpers.faces import SAMPLES

FIVE = np.array([[30.0, 40.0], [70.0, 40.0], [50.0, 60.0], [35.0, 80.0], [65.0, 80.0]])


def faces(*moves: float) -> Faces:
    """A face for each number, moved so many pixels to the right."""
    points = np.stack([FIVE + np.array([move, 0]) for move in moves])
    boxes = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    quality = np.full(len(moves), 0.9, np.float32)
    return Faces(boxes, points, quality, {}, POINTS_5, np.full(points.shape[:2], 0.01, np.float32), quality)


def test_each_face_is_held_against_the_nearest_one():
    found = reduced.difference(faces(1000.0, 4.0), faces(0.0, 1000.0, 5000.0))
    assert found.counts == (2, 3)
    np.testing.assert_allclose(found.distances, [0.1, 0.0], atol=1e-6)  # 4 pixels of 40; the third was not found


def test_the_command_tells_both_ways_apart(tmp_path, monkeypatch, capsys):
    shutil.copy(SAMPLES / "astronaut.png", tmp_path)
    monkeypatch.setattr("sys.argv", ["reduced", str(tmp_path)])
    reduced.main()
    assert "1 photographs; faces by default 1, exact 1, of both 1" in capsys.readouterr().out


def test_photographs_become_large_files():
    data = reduced.enlarged(images.read(SAMPLES / "astronaut.png").pixels, np.random.default_rng(0))
    assert images.decode(data, "large").size == (reduced.SIDE, reduced.SIDE)
