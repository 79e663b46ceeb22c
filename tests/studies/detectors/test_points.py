"""The detector's five points in the locator's place."""

import numpy as np
import pytest

from landmarks import images
from landmarks.inference.annotator import Annotator
from landmarks.inference.backend import load_backend
from landmarks.models.facegrid import load_facegrid
from landmarks.schemes import POINTS_5
from landmarks.shipped import SHIPPED
from landmarks.studies.detectors import points as study
from tests.helpers.faces import SAMPLES


@pytest.mark.parametrize("degrees", [0, 30, 90, -60])
def test_points_turn_with_the_picture(degrees):
    picture = np.zeros((101, 141, 3), np.uint8)
    picture[38:43, 88:93] = 255
    seen, moved = study.turned(picture, np.array([[90.0, 40.0]]), degrees)
    rows, columns = np.nonzero(seen[..., 0] > 128)
    assert moved[0] == pytest.approx([columns.mean(), rows.mean()], abs=0.3)


def turned_astronaut(degrees):
    """The picture, its five points, the points' extent and what the detector says of the face."""
    picture = images.read(SAMPLES / "astronaut.png").pixels[:320, 60:380]
    network, _ = load_facegrid(SHIPPED / "detector.safetensors")
    true = Annotator("compact")(picture).points[0]
    seen, moved = study.turned(picture, true, degrees)
    found = study.start(network, seen, moved.mean(axis=0), 0.5, 640)
    assert found is not None
    return seen, moved, np.ptp(true, axis=0).max(), found


@pytest.mark.parametrize("degrees", [0, 30, 45])
def test_the_detectors_own_points_are_near(degrees):
    _, moved, extent, found = turned_astronaut(degrees)
    assert np.abs(found.points - moved).max() < 0.3 * extent


@pytest.mark.parametrize("degrees", [0, 30, 45])
def test_both_ways_find_the_face_of_a_photograph(degrees):
    seen, moved, extent, found = turned_astronaut(degrees)
    for points in study.both_ways(load_backend("compact"), [seen], [found], POINTS_5):
        assert np.abs(points[0] - moved).max() < 0.1 * extent


def test_a_picture_without_a_face_has_no_start():
    network, _ = load_facegrid(SHIPPED / "detector.safetensors")
    assert study.start(network, np.full((90, 130, 3), 90, np.uint8), np.array([60.0, 40.0]), 0.5, 640) is None
