"""Labels from people and a teacher: what it is sure of is a face, doubt is ignored, what people said stays."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.datasets.photographs import FaceLabels
from landmarks.detection.base import Detections
from landmarks.teaching.believe import CONFIRMED, DOUBTFUL, MISSED, SURE, label

A, B = [10.0, 10, 50, 60], [100.0, 10, 140, 60]
JUST = 0.01


def found(*boxes):
    """Pairs of a box and its score."""
    return Detections(np.array([box for box, _ in boxes]).reshape(-1, 4), [score for _, score in boxes])


def given(*boxes, ignore=False, points=None):
    count = len(boxes)
    points = np.full((count, 5, 2), np.nan) if points is None else points
    levels = np.zeros((count, 3), bool)
    return FaceLabels(np.reshape(boxes, (-1, 4)).astype(float), points, np.full(count, ignore), levels)


def shifted(box, by):
    return [v + by for v in box]


def told(labels):
    """Boxes and whether each is ignored."""
    return [(box.tolist(), bool(ignore)) for box, ignore in zip(labels.boxes, labels.ignore)]


@pytest.mark.parametrize(
    ("teacher", "expected"),
    [
        ([], []),
        ([(A, SURE + JUST)], [(A, False)]),
        ([(A, SURE - JUST)], [(A, True)]),
        ([(A, DOUBTFUL - JUST)], []),
        ([(A, 0.9), (B, 0.3)], [(A, False), (B, True)]),
        ([(A, 0.9), (shifted(A, 12), 0.4)], [(A, False)]),  # the second covers much of a face that is one
        ([(A, 0.6), (shifted(A, 2), 0.9)], [(shifted(A, 2), False)]),
    ],
)
def test_nobody_has_labelled(teacher, expected):
    assert told(label(None, found(*teacher))) == expected


@pytest.mark.parametrize(
    ("labelled", "teacher", "expected"),
    [
        (given(A), [(shifted(A, 3), 0.9), (B, 0.9)], [(A, False), (B, True)]),
        (given(), [(A, MISSED + JUST)], [(A, True)]),
        (given(), [(A, MISSED - JUST)], []),  # where people saw no face a weak one is a hard negative
        (given(A, ignore=True), [(A, 0.9)], [(A, True)]),
        (given(A), [], [(A, False)]),
    ],
)
def test_what_people_left_out_is_ignored_and_what_they_said_stays(labelled, teacher, expected):
    assert told(label(labelled, found(*teacher))) == expected


def test_points_become_faces_where_a_box_fits():
    points = np.random.default_rng(0).uniform(20, 40, (2, 5, 2))
    around = given([0, 0, 60, 70], [300, 0, 360, 70], ignore=True, points=points)
    faces = label(around, found((A, 0.9), (B, 0.9)), by_points=True)
    far = [300.0, 0, 360, 70]
    assert told(faces) == [(A, False), (far, True), (B, False)], "nothing fits the second; people labelled not all"
    assert np.array_equal(faces.points[:2], points) and np.isnan(faces.points[2]).all()
    faces = label(around, found((A, CONFIRMED + JUST), (B, CONFIRMED + JUST)), by_points=True)
    assert told(faces) == [(A, False), (far, True), (B, True)], "points confirm what is no more than likely"


def test_one_box_is_of_one_face():
    twice = given([0, 0, 60, 70], [1, 0, 61, 70], ignore=True)
    assert label(twice, found((A, 0.9)), by_points=True).ignore.tolist() == [False, True]


@pytest.mark.parametrize("box", [[0, 0, 10, 10], [-200, -200, 260, 270], [40, 10, 80, 60]])
def test_boxes_that_do_not_fit_the_points(box):
    faces = label(given([0, 0, 60, 70], ignore=True), found((box, 0.95)), by_points=True)
    assert told(faces)[0] == ([0, 0, 60, 70], True)
