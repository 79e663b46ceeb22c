"""Angles beside classes, and those of five points beside those of 68."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.mean_shape import MEAN_SHAPE
from landmarks.studies.pose_classes import apart, boundaries, boundary, recalls


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


def test_classes_are_told_by_yaw():
    yaw = np.array([-50.0, -40.0, -30.0, -20.0, 0.0, 1.0, 20.0, 24.0, 40.0, 50.0, 0.0])
    pose = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, -1])
    cuts = boundaries(yaw, pose)
    assert cuts == sorted(cuts) and recalls(yaw, pose, cuts).tolist() == [1.0] * 5
    of = recalls(np.array([-45.0, -25.0, -25.0, 30.0]), np.array([0, 0, 1, 3]), [-35.0, -15.0, 15.0, 35.0])
    assert of[[0, 1, 3]].tolist() == [0.5, 1.0, 1.0] and np.isnan(of[[2, 4]]).all()
