"""Angles beside classes, and those of five points beside those of 68."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.mean_shape import MEAN_SHAPE
from landmarks.studies.pose_classes import apart, boundary


def test_the_boundary_parts_two_classes():
    yaw = np.array([-20.0, -10.0, 2.0, 4.0, 15.0, 30.0])
    assert boundary(yaw, yaw > 3) == (pytest.approx(2.5, abs=0.6), 1.0)


def test_five_points_of_a_rigid_face_say_what_all_of_them_say():
    """Also where roll goes round from 180 to -180 degrees; a moved nose is noticed."""
    flat = np.array(MEAN_SHAPE)[None, :, :2]
    faces = 100 * np.concatenate([flat, -flat + [0.001, 0.0], flat[..., ::-1] * [-1, 1]])
    np.testing.assert_allclose(apart(faces), 0, atol=0.2)
    moved = faces.copy()
    moved[:, 30] += [12, 0]
    assert apart(moved)[0] > 3
