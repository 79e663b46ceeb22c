"""A page of faces side by side."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from landmarks.comparison.figures.faces_page import faces_page, write_page


def some_faces():
    crops = [np.full((60, 60, 3), 90, np.uint8), np.full((90, 70, 3), 200, np.uint8)]
    points = np.array([[[20, 20], [40, 20], [30, 30], [22, 42], [38, 42]]] * 2, float)
    return crops, points


def test_a_page_has_a_column_an_arm_and_a_row_a_face():
    crops, points = some_faces()
    page = faces_page(crops, {"single-task": points, "all tasks": points + 2}, cell=96)
    wider = faces_page(crops, {"single-task": points, "all tasks": points + 2}, points, cell=96)
    assert page.dtype == np.uint8 and page.shape[2] == 3
    gap = wider.shape[1] - page.shape[1]
    assert gap == page.shape[1] - faces_page(crops, {"single-task": points}, cell=96).shape[1] >= 96
    assert page.shape[0] > 2 * 96 > faces_page(crops[:1], {"one": points[:1]}, cell=96).shape[0]
    assert (wider[:, : gap // 2] != page[:, : gap // 2]).any()  # the first column is the truth's


def test_dots_are_where_the_points_are():
    """A crop twice as large as before has its points twice as far, with pixel centres at integers."""
    crops, points = some_faces()
    page = faces_page(crops[:1], {"one": points[:1]}, cell=120)
    plain = faces_page(crops[:1], {"one": np.full((1, 5, 2), np.nan)}, cell=120)
    rows, columns = np.nonzero((page != plain).any(axis=2))
    gap = (page.shape[1] - 120) // 2
    for x, y in (points[0] + 0.5) * 2 - 0.5:
        near = np.hypot(columns - gap - x, rows - gap - y) < 6
        assert near.any() and columns[near].mean() - gap == pytest.approx(x, abs=0.7)


def test_points_that_do_not_fit_are_refused():
    crops, points = some_faces()
    with pytest.raises(ValueError, match="'one' must have shape"):
        faces_page(crops, {"one": points[:1]})
    with pytest.raises(ValueError, match="'annotated' must have shape"):
        faces_page(crops, {"one": points}, points[:, :3])


def test_a_page_is_written(tmp_path):
    crops, points = some_faces()
    page = faces_page(crops, {"one": points}, points, cell=64)
    write_page(page, tmp_path / "docs" / "faces.png")
    read = cv2.imread(str(tmp_path / "docs" / "faces.png"))
    assert np.array_equal(read[..., ::-1], page) and len(list((tmp_path / "docs").iterdir())) == 1
