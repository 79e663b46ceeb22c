"""Measures of detectors, on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks.evaluation.detection import Judged, at_threshold, average_precision, precision_interval

FACE, OTHER = [10.0, 10.0, 50.0, 50.0], [100.0, 100.0, 180.0, 180.0]
NOWHERE = [300.0, 300.0, 340.0, 340.0]
EASY, HARD = 0, 2


def judged(found, scores, true, counts=None, ignored=None, group="") -> Judged:
    """counts: whether each face counts, at every level."""
    faces = len(true)
    return Judged(
        np.reshape(found, (-1, 4)).astype(float),
        np.array(scores, float),
        np.reshape(true, (-1, 4)).astype(float),
        np.repeat(np.array(counts if counts is not None else [True] * faces, bool)[:, None], 3, axis=1),
        np.array(ignored if ignored is not None else [False] * faces, bool),
        group,
    )


@pytest.mark.parametrize(
    "pictures, wanted",
    [
        pytest.param([judged([FACE, OTHER], [0.9, 0.8], [FACE, OTHER])], 1.0, id="all found, none false"),
        pytest.param([judged([FACE], [0.9], [FACE, OTHER])], 0.5, id="half found"),
        pytest.param([judged([NOWHERE, FACE], [0.9, 0.5], [FACE])], 0.5, id="a false one before it"),
        pytest.param([judged([FACE, NOWHERE], [0.9, 0.5], [FACE])], 1.0, id="a false one after it costs nothing"),
        pytest.param([judged([FACE, FACE], [0.9, 0.8], [FACE, OTHER])], 0.5, id="a face found twice counts once"),
        pytest.param([judged([OTHER, FACE], [0.9, 0.5], [FACE, OTHER], [True, False])], 1.0, id="no harm by others"),
        pytest.param([judged([FACE], [0.9], [FACE], [False])], 0.0, id="no face counts"),
        pytest.param([judged([NOWHERE], [0.99], []), judged([FACE], [0.5], [FACE])], 1.0, id="no faces: left out"),
        pytest.param([judged([], [], [FACE])], 0.0, id="nothing found"),
        pytest.param([], 0.0, id="no pictures"),
    ],
)
def test_average_precision(pictures, wanted):
    assert average_precision(pictures, EASY) == pytest.approx(wanted, abs=1e-9)


def test_levels_are_counted_apart():
    counts = np.array([[True, True, True], [False, False, True]])
    picture = Judged(np.array([FACE]), np.array([0.9]), np.array([FACE, OTHER]), counts, np.zeros(2, bool))
    assert average_precision([picture], EASY) == pytest.approx(1.0)
    assert average_precision([picture], HARD) == pytest.approx(0.5)


def test_the_interval_holds_the_value_and_is_a_point_for_equal_pictures():
    found = judged([FACE], [0.9], [FACE])
    missed = judged([], [], [OTHER])
    low, high = precision_interval([found] * 10 + [missed] * 10, EASY, rounds=200)
    assert 0.2 < low < average_precision([found] * 10 + [missed] * 10, EASY) < high < 0.8
    assert precision_interval([found] * 5, EASY, rounds=20) == (pytest.approx(1.0), pytest.approx(1.0))


def test_figures_at_a_threshold():
    pictures = [
        judged([FACE, NOWHERE, OTHER], [0.9, 0.6, 0.4], [FACE, OTHER], group="party"),
        judged([FACE, OTHER], [0.9, 0.8], [FACE, OTHER], ignored=[True, False], group="sport"),
        judged([NOWHERE], [0.7], [], group="sport"),
    ]
    figures = at_threshold(pictures, 0.5)
    # Of FACE, OTHER in the first picture and OTHER in the second, two are found; the ignored one is no false one.
    assert figures["faces"] == 3 and figures["recall"] == pytest.approx(2 / 3)
    assert figures["false_per_picture"] == pytest.approx(2 / 3)
    assert figures["recall_by_size"]["32 to 64"] == {"faces": 1, "recall": 1.0}
    assert figures["recall_by_size"]["64 to 128"] == {"faces": 2, "recall": 0.5}
    assert figures["recall_by_group"]["sport"] == {"faces": 1, "recall": 1.0}
    assert at_threshold(pictures, 0.3)["recall"] == 1.0
    assert np.isnan(at_threshold([], 0.5)["recall"])
