"""Landmark schemes: mirrored, anchored, with names of their own."""

import numpy as np
import pytest

from landmarks.detection.centerface import CenterFace
from landmarks.geometry import FACE_BOX, face_squares
from landmarks.schemes import SCHEMES
from tests.helpers.datasets import symmetric_face


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_mirrored_symmetric_face_is_itself(scheme):
    points = symmetric_face(scheme)
    assert points.shape == (len(scheme), 2)
    assert np.allclose((points * [-1, 1])[list(scheme.swap)], points)
    assert [scheme.swap[scheme.swap[i]] for i in range(len(scheme))] == list(range(len(scheme)))
    left_eye, right_eye, nose, mouth_left, mouth_right = scheme.anchors(points)
    assert left_eye == pytest.approx([-0.45, -0.4]) and right_eye == pytest.approx([0.45, -0.4])
    assert nose.tolist() == [0, 0] and mouth_left == pytest.approx([-0.3, 0.5])
    assert mouth_right == pytest.approx([0.3, 0.5])
    left, right = points[list(scheme.interocular)]
    assert left[0] == pytest.approx(-right[0]) and left[0] <= points[list(scheme.left_eye), 0].min() + 1e-9
    assert face_squares(points[None], scheme, 1)[0] == pytest.approx([0, 0.05, 0.9, 0])


def test_schemes_share_no_name():
    names = [name for scheme in SCHEMES.values() for name in scheme.points]
    assert len(names) == len(set(names)), "columns of a faces.csv would mean two things"


def test_face_box_is_a_detectors():
    assert CenterFace.rule == FACE_BOX
