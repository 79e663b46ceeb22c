"""What the shape of the landmarks says of other tasks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.relatedness import shapes, told_by_shape
from landmarks.datasets.table import points_of
from landmarks.schemes import ATTRIBUTES, POINTS_5

SHAPE = np.array([[30, 40], [70, 40], [50, 60], [36, 80], [64, 80]], float)


def faces(count: int, seed: int) -> pd.DataFrame:
    """Faces anywhere, of any size and angle: those that smile have a wide mouth, gender is a coin's."""
    generator = np.random.default_rng(seed)
    smile = generator.random(count) < 0.2
    points = SHAPE + generator.normal(0, 1, (count, 5, 2))
    points[:, 3:, 0] += np.where(smile, 8, 0)[:, None] * [-1, 1]
    angle, size = generator.uniform(-np.pi, np.pi, count), generator.uniform(0.5, 2, count)
    turn = size[:, None, None] * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(
        2, 0, 1
    )
    points = points @ turn + generator.normal(0, 100, (count, 1, 2))
    table = pd.DataFrame({POINTS_5.name: list(points)})
    table["smile"] = pd.array(smile.astype(int), "Int8")
    table["gender"] = pd.array(generator.integers(0, 2, count), "Int8")
    return table


def test_shapes_do_not_know_where_a_face_lies():
    points = points_of(faces(1, 0), POINTS_5)
    turn = 3 * np.array([[0.6, -0.8], [0.8, 0.6]])
    np.testing.assert_allclose(shapes(points @ turn + 50), shapes(points), atol=1e-9)
    assert shapes(points).shape == (1, 10)


def test_a_task_that_the_shape_tells_is_told_and_another_one_is_guessed():
    train, held_out = faces(400, 0), faces(400, 1)
    assert told_by_shape(train, held_out, ATTRIBUTES["smile"]) > 0.95
    assert told_by_shape(train, held_out, ATTRIBUTES["gender"]) == pytest.approx(0.5, abs=0.08)


def test_faces_without_points_or_labels_are_left_out_and_one_class_is_none():
    train, held_out = faces(60, 0), faces(60, 1)
    train.at[0, POINTS_5.name] = None
    held_out["smile"] = held_out["smile"].mask(np.arange(60) % 2 == 0)
    assert told_by_shape(train, held_out, ATTRIBUTES["smile"]) > 0.8
    held_out["smile"] = pd.array([1] * 60, "Int8")
    assert np.isnan(told_by_shape(train, held_out, ATTRIBUTES["smile"]))
