"""Geometry of crops: maps and their inverses, faces and pixels that move together."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from landmarks.detection.overlap import sizes
from landmarks.training.detector.crops.place import (
    crop_cells,
    crop_matrix,
    cut,
    ignored_cells,
    move_boxes,
    move_points,
    sort_out,
)

BOXES = np.array([[10.0, 20, 40, 60], [-5, 0, 20, 30]])
POINTS = np.random.default_rng(0).uniform(0, 80, (2, 5, 2))


def inverse(matrix):
    return cv2.invertAffineTransform(matrix)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("angle", [0.0, 0.7, -2.5])
@pytest.mark.parametrize("zoom", [0.3, 1.0, 2.5])
def test_points_there_and_back(zoom, angle, mirror):
    centre, at = np.array([30.0, 40.0]), np.array([64.0, 50.0])
    matrix = crop_matrix(centre, at, zoom, angle, mirror)
    assert np.allclose(matrix[:, :2] @ centre + matrix[:, 2], at)
    assert np.allclose(move_points(move_points(POINTS, matrix), inverse(matrix)), POINTS)
    assert abs(np.linalg.det(matrix[:, :2])) == pytest.approx(zoom**2)


@pytest.mark.parametrize("mirror", [False, True])
def test_boxes_there_and_back_where_they_are_not_turned(mirror):
    matrix = crop_matrix(np.array([30.0, 40.0]), np.array([64.0, 50.0]), 1.7, 0.0, mirror)
    assert np.allclose(move_boxes(move_boxes(BOXES, matrix), inverse(matrix)), BOXES)


def test_a_turned_box_holds_the_turned_ellipse():
    box, angle = BOXES[:1], 0.6
    matrix = crop_matrix(np.zeros(2), np.zeros(2), 1.3, angle, False)
    turn = np.linspace(0, 2 * np.pi, 2000)
    centre, half = (box[0, :2] + box[0, 2:]) / 2, (box[0, 2:] - box[0, :2]) / 2
    ellipse = (centre + half * np.stack([np.cos(turn), np.sin(turn)], 1)) @ matrix[:, :2].T
    assert np.allclose(move_boxes(box, matrix)[0], [*ellipse.min(0), *ellipse.max(0)], atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("zoom", [0.2, 0.9, 2.0])
def test_pixels_move_with_their_places(zoom, channels):
    picture = np.zeros((400, 300, channels), np.uint8)
    picture[190:230, 100:140] = 255  # its middle is (120, 210), measured from the corner
    matrix = crop_matrix(np.array([120.0, 210.0]), np.array([70.0, 50.0]), zoom, 0.0, True)
    crop = cut(picture, matrix, (128, 96), (0, 0, 0), smooth=True).astype(float)
    assert crop.shape == (96, 128, 3)
    rows, columns = np.indices(crop.shape[:2]) + 0.5
    weight = crop[..., 0] / crop[..., 0].sum()
    assert (weight * columns).sum() == pytest.approx(70, abs=0.35) and (weight * rows).sum() == pytest.approx(
        50, abs=0.35
    )


def test_a_crop_beside_its_picture_is_border():
    matrix = crop_matrix(np.array([1000.0, 1000.0]), np.array([32.0, 32.0]), 1.0, 0.0, False)
    crop = cut(np.zeros((50, 50, 3), np.uint8), matrix, (64, 64), (1, 2, 3), smooth=False)
    assert (crop == [1, 2, 3]).all()


def test_which_faces_of_a_crop_are_learned():
    boxes = np.array([
        [10, 10, 50, 50],     # inside
        [-15, 10, 25, 50],    # most of it
        [-30, 10, 10, 50],    # a quarter
        [20, 20, 24, 24],     # too small
        [20, 20, 60, 23],     # too flat
        [200, 10, 240, 50],   # elsewhere
        [60, 60, 90, 90],     # to ignore
    ], float)  # fmt: skip
    ignore = np.array([False] * 6 + [True])
    learn, passed = sort_out(boxes, ignore, (128, 128), smallest=6)
    assert learn.tolist() == [True, True, False, False, False, False, False]
    assert passed.tolist() == [False, False, True, True, True, False, True]
    assert [len(of) for of in sort_out(boxes[:0], ignore[:0], (128, 128), 6)] == [0, 0]


def test_ignored_cells():
    box = np.array([[30.0, 30, 60, 60], [101, 101, 103, 103]])
    places, ignored = crop_cells(128), ignored_cells(box, 128)
    inside = ((places[:, None, :2] > box[:, :2]) & (places[:, None, :2] < box[:, 2:])).all(2).any(1)
    assert ignored[inside].all() and 0 < ignored.sum() < 40
    near = places[ignored & ~inside]
    assert (near[:, 2] <= 16).all(), "a box that no centre lies in concerns the cells beside it on the two finest grids"
    assert (abs(near[:, :2] - 102) <= 9).all(1).any() and not ignored_cells(box[:0], 128).any()
    assert sizes(box).tolist() == [30, 2]
