"""Three looks at a photograph: where what is found lies in the photograph itself, and how sure the mean is."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.detection.base import Detections
from landmarks.geometry import BoxRule
from landmarks.teaching.views import ENLARGED, Views, mean_of


class Spot:
    """Finds the white rectangle of a picture; its left side brighter means a higher score."""

    name, rule = "spot", BoxRule(1.0, 0.0, 0.0)

    def __init__(self, least_side=640, most=np.inf):
        self.least_side, self.most = least_side, most

    def settings(self):
        return {"threshold": 0.5}

    def __call__(self, image, name=""):
        rows, columns = np.nonzero(image[..., 0] > 127)
        box = [columns.min(), rows.min(), columns.max(), rows.max()]
        if box[2] - box[0] > self.most:
            return Detections(np.zeros((0, 4)), [])
        return Detections(np.array([box]), [0.9 if columns.mean() < image.shape[1] / 2 else 0.6])


@pytest.fixture
def image():
    image = np.zeros((200, 300, 3), np.uint8)
    image[50:91, 40:101] = 255
    return image


@pytest.mark.parametrize("least_side", [480, 400, 300, 200])
def test_a_box_lies_where_it_lies_in_every_look(image, least_side):
    found = Views(Spot(), Spot(least_side))(image)
    np.testing.assert_allclose(found.boxes, [[40, 50, 100, 90]], atol=0.6)
    assert found.scores == pytest.approx([(0.9 + 0.6 + 0.9) / 3])


def test_what_one_look_misses_counts_as_nothing_there(image):
    found = Views(Spot(), Spot(480, most=61))(image)
    assert found.boxes.tolist() == [[40, 50, 100, 90]] and found.scores == pytest.approx([(0.9 + 0.6) / 3])
    assert len(Views(Spot(most=1), Spot(most=1))(image)) == 0


def test_looks_are_joined_face_by_face():
    looks = [
        Detections(np.array([[0.0, 0, 10, 10], [50, 50, 60, 60]]), [0.8, 0.3]),
        Detections(np.array([[0.0, 0, 10, 12]]), [0.4]),
    ]
    found = mean_of(looks)
    np.testing.assert_allclose(found.boxes, [[0, 0, 10, 10 + 2 / 3], [50, 50, 60, 60]], atol=1e-5)
    assert found.scores == pytest.approx([0.6, 0.15])


def test_a_look_has_its_say_once():
    look = Detections(np.array([[0.0, 0, 10, 10], [0, 0, 10, 11]]), [0.8, 0.7])
    assert mean_of([look, Detections(np.zeros((0, 4)), [])]).scores == pytest.approx([0.4])


def test_settings_tell_the_looks():
    views = Views(Spot(), Spot(1024))
    assert views.settings() == {"threshold": 0.5, "views": ["whole", "mirrored", ENLARGED]}
    assert views.name == "spot" and views.least_side == 1024
