"""Boxes of faces: how much they overlap, and one of the many that tell a face."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.detection.overlap import AT_ONCE, agree, overlaps, sizes

FACE = np.array([10.0, 20, 50, 60])
FAR = FACE + 200
BESIDE = FACE + np.array([20, 0, 20, 0])
"""A third of what the two cover is common to FACE and to it."""


def test_sizes_and_overlaps_are_those_of_closed_forms():
    boxes = np.array([FACE, BESIDE, FAR])
    np.testing.assert_allclose(sizes(boxes), 40)
    np.testing.assert_allclose(overlaps(boxes, boxes[:1])[:, 0], [1, 1 / 3, 0])
    # With the last pixel: 41 x 41 each, 21 x 41 in common.
    np.testing.assert_allclose(overlaps(boxes[:1], boxes[1:2], pixel=1.0), 21 / (82 - 21))


@pytest.mark.parametrize(
    "others, scores, box, score",
    [
        ([], [0.8], FACE, 0.75 * 0.8),
        ([FACE], [0.8, 0.8], FACE, 0.8),
        ([FACE + 4, FAR], [0.8, 0.4, 0.1], None, 0.75 * 0.8 + 0.25 * 0.4),
        ([FACE, FACE], [0.8, 0.4, 0.6], FACE, 0.75 * 0.8 + 0.25 * 0.6),
        ([BESIDE], [0.8, 0.5], FACE, 0.75 * 0.8),
    ],
    ids=["alone", "twice", "moved", "thrice", "another face's"],
)
def test_what_no_second_cell_saw_is_less_sure(others, scores, box, score):
    found, joined = agree(np.array([FACE, *others]), np.array(scores), 0.05, 0.3)
    assert joined[0] == pytest.approx(score)
    if box is None:  # 36 of 40 pixels a side in common
        overlap = 36**2 / (2 * 40**2 - 36**2)
        by = np.array([0.8**2, overlap * 0.4**2])
        box = FACE + 4 * by[1] / by.sum()
    np.testing.assert_allclose(found[0], box)


def test_one_of_a_low_score_says_something_of_its_neighbour_only():
    boxes, scores = np.array([FACE, FACE, FAR]), np.array([0.7, 0.2, 0.2])
    found, joined = agree(boxes, scores, 0.5, 0.3)
    np.testing.assert_allclose(found, [FACE])
    np.testing.assert_allclose(joined, [0.575])
    assert not len(agree(boxes[1:], scores[1:], 0.5, 0.3)[0])


def test_many_and_none():
    none, scores = agree(np.zeros((0, 4)), np.zeros(0), 0.5, 0.3)
    assert none.shape == (0, 4) and scores.shape == (0,)
    many = np.tile(FACE, (2 * AT_ONCE + 7, 1)) + 100 * np.arange(2 * AT_ONCE + 7)[:, None]
    scores = np.linspace(0.6, 0.9, len(many))
    found, joined = agree(np.repeat(many, 2, axis=0), np.repeat(scores, 2), 0.5, 0.3)
    np.testing.assert_allclose(found, many[::-1])
    np.testing.assert_allclose(joined, scores[::-1])
