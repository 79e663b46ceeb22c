"""Looking at a photograph in four turns: where what is found lies in the photograph itself."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.detection.base import Detections
from landmarks.geometry import BoxRule
from landmarks.teaching.turned import Turned, turned_back


class Spot:
    """Finds the white rectangle of a picture if it is wider than high and lies in the upper half."""

    name, rule, least_side = "spot", BoxRule(1.0, 0.0, 0.0), 640

    def __init__(self):
        self.seen = 0

    def settings(self):
        return {"threshold": 0.5}

    def __call__(self, image, name=""):
        self.seen += 1
        rows, columns = np.nonzero(image[..., 0])
        box = [columns.min(), rows.min(), columns.max(), rows.max()]
        found = columns.max() - columns.min() > rows.max() - rows.min() and rows.mean() < image.shape[0] / 2
        return Detections(np.array([box] if found else []), [0.9] if found else [])


@pytest.mark.parametrize("turns", range(4))
def test_a_box_lies_where_it_lay_before_the_turn(turns):
    image = np.zeros((40, 70, 3), np.uint8)
    image[5:9, 20:31] = 255
    rows, columns = np.nonzero(np.rot90(image, turns)[..., 0])
    seen = np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], float)
    assert turned_back(seen, turns, image.shape[:2]).tolist() == [[20, 5, 30, 8]]


@pytest.mark.parametrize("turns", range(4))
def test_what_is_found_in_one_turn_is_found_in_all(turns):
    image = np.zeros((40, 70, 3), np.uint8)
    image[5:9, 20:31] = 255
    turned, spot = np.rot90(image, turns), Spot()
    detector = Turned(spot)
    found = detector(turned)
    rows, columns = np.nonzero(turned[..., 0])
    assert found.boxes.tolist() == [[columns.min(), rows.min(), columns.max(), rows.max()]]
    assert found.scores == pytest.approx([0.9]) and spot.seen == 4
    assert detector.settings() == {"threshold": 0.5, "turns": 4} and detector.name == "spot"


def test_a_face_seen_in_two_turns_is_one():
    class Always(Spot):
        def __call__(self, image, name=""):
            rows, columns = np.nonzero(image[..., 0])
            box = [columns.min(), rows.min(), columns.max(), rows.max()]
            return Detections(np.array([box]), [0.5 + 0.1 * (image.shape[0] > image.shape[1])])

    image = np.zeros((40, 70, 3), np.uint8)
    image[5:9, 20:31] = 255
    found = Turned(Always())(image)
    assert found.boxes.tolist() == [[20, 5, 30, 8]] and found.scores == pytest.approx([0.6])
