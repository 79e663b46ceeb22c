"""Yaw, pitch and roll from landmarks."""

import numpy as np
import pytest

from landmarks.geometry import flip_points, rotate
from landmarks.head_pose import head_angles
from landmarks.mean_shape import MEAN_SHAPE, WEIGHTS
from landmarks.schemes import POINTS_5, POINTS_29, POINTS_68, SCHEMES
from tests.helpers.datasets import face

SHAPE = np.array(MEAN_SHAPE)


def seen(yaw, pitch, roll, scheme):
    """The mean face as a camera sees it that is far away: looking right, up, turned clockwise. (1, K, 2)."""
    a, b, c = np.radians([-yaw, -pitch, roll])
    x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    points = SHAPE if scheme is POINTS_68 else POINTS_68.anchors(SHAPE)
    return (points @ (z @ y @ x).T)[None, :, :2] * 70 + [300, 200]


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_68], ids=lambda scheme: scheme.name)
@pytest.mark.parametrize(
    "angles", [(0, 0, 0), (40, 0, 0), (-40, 0, 0), (0, 25, 0), (0, -25, 0), (0, 0, 170), (-30, 15, -60)]
)
def test_the_angles_of_a_rigid_face_are_found(angles, scheme):
    assert np.allclose(head_angles(seen(*angles, scheme), scheme), [angles], atol=1e-3)


def test_signs_are_those_of_the_picture():
    """Looking right the nose moves right of the eyes, looking up it moves up, clockwise the right eye sinks."""
    still = POINTS_68.anchors(seen(0, 0, 0, POINTS_68))[0]
    right, up, turned = (POINTS_68.anchors(seen(*a, POINTS_68))[0] for a in ((20, 0, 0), (0, 20, 0), (0, 0, 20)))
    assert right[2, 0] - right[:2, 0].mean() > still[2, 0] - still[:2, 0].mean()
    assert up[2, 1] - up[:2, 1].mean() < still[2, 1] - still[:2, 1].mean()
    assert turned[1, 1] > turned[0, 1]


@pytest.mark.parametrize("scheme", [POINTS_5, POINTS_29, POINTS_68], ids=lambda scheme: scheme.name)
def test_turning_and_mirroring_the_picture(scheme):
    points = np.stack([face(scheme, seed) for seed in range(5)])
    yaw, pitch, roll = head_angles(points, scheme).T
    for turn in (-90, 15, 60):
        turned = head_angles(rotate(points, np.full(5, np.radians(turn))), scheme)
        assert np.allclose(turned, np.stack([yaw, pitch, roll + turn], axis=1), atol=1e-2)
    assert np.allclose(
        head_angles(flip_points(points, 160, scheme), scheme), np.stack([-yaw, pitch, -roll], axis=1), atol=1e-2
    )
    assert np.allclose(head_angles(3 * points + 100, scheme), np.stack([yaw, pitch, roll], axis=1), atol=1e-2)


def test_what_is_not_told_is_nan():
    points = np.stack([face(POINTS_5), np.full((5, 2), np.nan), np.zeros((5, 2)), face(POINTS_5)])
    points[3, 2] = np.inf
    angles = head_angles(points, POINTS_5)
    assert np.isfinite(angles[0]).all() and np.isnan(angles[1:]).all()
    for scheme in SCHEMES.values():
        assert head_angles(np.zeros((0, len(scheme), 2)), scheme).shape == (0, 3)


def test_the_mean_face_is_its_own_mirror_image():
    assert np.allclose(SHAPE[list(POINTS_68.swap)] * [-1, 1, 1], SHAPE, atol=2e-3)
    assert np.allclose(np.array(WEIGHTS)[list(POINTS_68.swap)], WEIGHTS, atol=2e-3) and max(WEIGHTS) == 1
    assert np.linalg.norm(SHAPE[36] - SHAPE[45]) == pytest.approx(1, abs=2e-3)
    assert SHAPE[30, 2] == SHAPE[:, 2].min()
