"""Labels from people and teachers: agreement is a face, doubt is ignored, what people said stays."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.datasets.photographs import FaceLabels
from landmarks.detection.base import Detections
from landmarks.teaching.agree import TRUST, Opinion, consensus, label

A, B, C = [10.0, 10, 50, 60], [100.0, 10, 140, 60], [200.0, 10, 240, 60]


def opinion(name, *found):
    return Opinion(Detections(np.array([f[0] for f in found]).reshape(-1, 4), [f[1] for f in found]), TRUST[name])


def given(*boxes, ignore=False, points=None):
    count = len(boxes)
    points = np.full((count, 5, 2), np.nan) if points is None else points
    levels = np.zeros((count, 3), bool)
    return FaceLabels(np.reshape(boxes, (-1, 4)).astype(float), points, np.full(count, ignore), levels)


def shifted(box, by):
    return [v + by for v in box]


@pytest.mark.parametrize(
    ("center", "yunet", "agreed", "doubtful"),
    [
        ([(A, 0.9)], [(shifted(A, 2), 0.9)], [shifted(A, 1)], []),
        ([(A, 0.9)], [(shifted(A, 2), 0.5)], [], [shifted(A, 1)]),  # one is not sure enough
        ([(A, 0.4)], [(shifted(A, 2), 0.9)], [], [shifted(A, 1)]),
        ([(A, 0.9)], [(B, 0.9)], [], [A, B]),
        ([(A, 0.9)], [], [], [A]),
        ([(A, 0.2)], [(B, 0.1)], [], []),
        ([(A, 0.6), (shifted(A, 1), 0.9)], [(shifted(A, 1), 0.9)], [shifted(A, 1)], [A]),  # one for one
        ([], [], [], []),
    ],
)
def test_two_teachers(center, yunet, agreed, doubtful):
    found = consensus([opinion("centerface", *center), opinion("yunet", *yunet)])
    assert [boxes.tolist() for boxes in found] == [agreed, doubtful]


def test_one_teacher_is_believed_where_it_is_surer():
    sure, doubtful = consensus([opinion("centerface", (A, 0.71), (B, 0.6), (C, 0.2))])
    assert sure.tolist() == [A] and doubtful.tolist() == [B]


def both(*boxes, score=0.95):
    return [opinion(name, *((box, score) for box in boxes)) for name in ("centerface", "yunet")]


def test_nobody_has_labelled():
    faces = label(None, [opinion("centerface", (A, 0.9), (B, 0.5)), opinion("yunet", (A, 0.9))])
    assert faces.boxes.tolist() == [A, B] and faces.ignore.tolist() == [False, True]


def test_what_people_left_out_is_ignored_and_what_they_said_stays():
    faces = label(given(A), both(shifted(A, 3), B))
    assert faces.boxes.tolist() == [A, B] and faces.ignore.tolist() == [False, True]
    assert not len(label(given(), both(A, score=0.5))), "a weak one where people saw no face is a hard negative"
    assert label(given(), both(A)).ignore.tolist() == [True]
    faces = label(given(A, ignore=True), both(A))
    assert faces.boxes.tolist() == [A] and faces.ignore.tolist() == [True], "what they ignored stays ignored"


def test_points_become_faces_where_a_box_fits():
    points = np.random.default_rng(0).uniform(20, 40, (2, 5, 2))
    around = given([0, 0, 60, 70], [300, 0, 360, 70], ignore=True, points=points)
    faces = label(around, both(A, B), by_points=True)
    assert faces.boxes.tolist() == [A, [300, 0, 360, 70], B]
    assert faces.ignore.tolist() == [False, True, False], "no teacher found the second; people labelled not all"
    assert np.array_equal(faces.points[:2], points) and np.isnan(faces.points[2]).all()
    alone = label(around, [opinion("centerface", (A, 0.75)), opinion("yunet")], by_points=True)
    assert alone.ignore.tolist() == [False, True] and alone.boxes[0].tolist() == A, "points confirm a single teacher"


@pytest.mark.parametrize("box", [[0, 0, 10, 10], [-200, -200, 260, 270], [40, 10, 80, 60]])
def test_boxes_that_do_not_fit_the_points(box):
    faces = label(given([0, 0, 60, 70], ignore=True), both(box), by_points=True)
    assert faces.ignore[0] and faces.boxes[0].tolist() == [0, 0, 60, 70]
