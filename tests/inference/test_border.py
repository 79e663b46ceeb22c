"""Half a face is not trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landmarks import Annotator, images
from landmarks.inference.border import border_factors
from landmarks.schemes import POINTS_5, POINTS_68

FACE = np.array([[30, 30], [70, 30], [50, 50], [35, 70], [65, 70]], np.float64)
SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.mark.parametrize(
    ("shift", "turned", "factor"),
    [
        ((100, 100), False, 1.0),
        ((100, 100), True, 1.0),
        ((-25, 0), False, 1.0),  # At the border, all inside.
        ((-32, 0), False, 1.0),  # An eye is outside.
        ((-45, 0), False, 1.0),  # An eye and a corner of the mouth.
        ((-55, 0), False, 1 / 3),  # Half of it.
        ((-69, 0), False, 0.0),
        ((0, -60), False, 1 / 3),
        ((250, 100), False, 1 / 3),
        ((-500, 0), False, 0.0),
        ((-10, 100), True, 1.0),
        ((-20, 100), True, 0.525),
        ((-30, 100), True, 0.025),
        ((100, -29), True, 0.075),
        ((np.nan, 0), False, 0.0),
    ],
)
def test_factors(shift, turned, factor):
    """In an image of 300 pixels; a face of 40 pixels, whose centre is at 50."""
    points = (100 - FACE if turned else FACE) + shift
    found = border_factors(points[None], np.array([[300.0, 300.0]]), POINTS_5)
    assert found.dtype == np.float32 and found == pytest.approx(factor, abs=0.01)


def test_of_no_faces_and_of_many_points():
    assert border_factors(np.zeros((0, 5, 2)), np.zeros((0, 2)), POINTS_5).shape == (0,)
    points = np.random.default_rng(0).uniform(100, 200, (3, 68, 2))
    assert border_factors(points, np.full((3, 2), 300.0), POINTS_68).shape == (3,)


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg"])
def test_half_of_a_real_face(name):
    """Cut through its middle at each border: the box that a detector gives reaches to the border."""
    annotator = Annotator("compact", device="cpu")
    picture = images.read(SAMPLES / name).pixels
    whole = annotator(picture)
    best = int(np.argmax(whole.quality))
    x0, y0, x1, y1 = whole.boxes[best]
    x, y = round(float(x0 + x1) / 2), round(float(y0 + y1) / 2)
    height, width = picture.shape[:2]
    assert whole.quality[best] > 0.9
    for low_x, low_y, high_x, high_y in (
        (x, 0, width, height),
        (0, 0, x, height),
        (0, y, width, height),
        (0, 0, width, y),
    ):
        part = np.ascontiguousarray(picture[low_y:high_y, low_x:high_x])
        limits = [high_x - low_x, high_y - low_y] * 2
        box = np.clip(np.array([x0 - low_x, y0 - low_y, x1 - low_x, y1 - low_y]), 0, limits)
        (faces,) = annotator.predict([part], [box[None]])
        wrong = np.linalg.norm(faces.points[0] + [low_x, low_y] - whole.points[best], axis=1).mean()
        assert wrong < 0.15 * np.ptp(whole.points[best], axis=0).max() or faces.quality[0] < 0.5
