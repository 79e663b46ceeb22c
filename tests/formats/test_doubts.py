"""The list for review: the most doubtful faces first."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from landmarks.formats.doubts import doubts
from tests.helpers.results import NAN, calibrated, record, some_faces, write


def test_review_lists_the_doubtful_first(tmp_path):
    scores = np.array([0.9, 0.31, 0.65, 0.8])
    faces = replace(some_faces(4), scores=scores)
    points = faces.points.copy()
    points[3, 0] = NAN
    write(tmp_path, [record(replace(faces, points=points), "=x.jpg"), record(some_faces(0), "none.jpg")], ["csv"])
    frame = pd.read_csv(tmp_path / "review.csv")
    assert frame["face"].tolist() == [3, 1, 2, 0] and frame["rank"].tolist() == [1, 2, 3, 4]
    assert frame["reason"][0].startswith("landmarks missing") and "low detector score 0.31" in frame["reason"][1]
    assert set(frame["image"]) == {"'=x.jpg"}


def test_quality_replaces_the_score_in_the_review(tmp_path):
    faces = replace(calibrated(3), quality=np.array([0.9, 0.1, 0.95], np.float32))
    write(tmp_path, [record(faces)], ["csv"])
    frame = pd.read_csv(tmp_path / "review.csv")
    assert frame["face"].tolist() == [1, 0, 2] and "low quality 0.10" in frame["reason"][0]
    assert frame["quality"].tolist() == pytest.approx([0.1, 0.9, 0.95])


def test_a_face_is_the_lowest_of_the_run_only_where_that_means_something(tmp_path):
    """Faces without any other reason; the best of a good run are listed, and nothing is said against them."""
    upright = np.array([[30, 30], [70, 30], [50, 50], [35, 70], [65, 70]], np.float32)
    faces = calibrated(4)
    sure = {name: replace(one, probabilities=np.eye(len(one.attribute), dtype=np.float32)[[0] * 4])
            for name, one in faces.attributes.items()}  # fmt: skip
    faces = replace(
        faces, attributes=sure, points=np.stack([upright] * 4), boxes=np.tile(np.float32([20, 20, 80, 80]), (4, 1)),
        scores=np.full(4, 0.95, np.float32), quality=np.array([0.999, 0.91, 0.89, 0.49], np.float32),
    )  # fmt: skip
    write(tmp_path, [record(faces)], ["csv"])
    frame = pd.read_csv(tmp_path / "review.csv", keep_default_na=False)
    assert frame["face"].tolist() == [3, 2, 1, 0]
    assert frame["reason"].tolist() == ["low quality 0.49", "lowest of the run", "", ""]


def test_without_a_detector_the_least_sure_attribute_counts():
    faces = replace(some_faces(2), scores=np.array([NAN, NAN]))
    least = np.min([scores.confidence for scores in faces.attributes.values()], axis=0)
    assert doubts(faces) == pytest.approx(1 - least)
    assert doubts(some_faces(0)).shape == (0,)


def test_review_is_bounded(tmp_path):
    from landmarks.formats.doubts import Review
    from landmarks.formats.layout import Layout

    review = Review(tmp_path, Layout.of(some_faces(0)), most=5)
    for i in range(200):
        review.write(record(some_faces(2, seed=i), f"{i}.jpg"))
    assert len(review.kept) == len(review.places) == 5 and len(review.waiting) < 64
    review.close()
    scores = pd.read_csv(tmp_path / "review.csv")["score"]
    every = np.concatenate([some_faces(2, seed=i).scores for i in range(200)])
    assert scores.to_numpy() == pytest.approx(np.sort(every)[:5], abs=1e-4)


def test_the_doubtful_and_the_turned_are_counted(tmp_path):
    """Over the whole run, however few are listed."""
    from landmarks.formats.doubts import Review
    from landmarks.formats.layout import Layout

    faces = replace(calibrated(3), quality=np.array([0.9, 0.1, 0.95], np.float32))
    upright = np.array([[30, 30], [70, 30], [50, 50], [35, 70], [65, 70]], np.float32)
    faces = replace(faces, points=np.stack([upright, upright, 100 - upright]))
    review = Review(tmp_path, Layout.of(faces), most=2)
    for i in range(100):
        review.write(record(faces, f"{i}.jpg"))
    review.write(record(calibrated(0), "none.jpg"))
    review.close()
    assert (review.doubtful, review.upside_down) == (100, 100)
    frame = pd.read_csv(tmp_path / "review.csv")
    assert frame["image"].tolist() == ["0.jpg", "1.jpg"] and frame["face"].tolist() == [1, 1]
    write(tmp_path / "turned", [record(faces[2], "a.jpg")], ["csv"])
    assert "upside down" in pd.read_csv(tmp_path / "turned" / "review.csv")["reason"][0]
