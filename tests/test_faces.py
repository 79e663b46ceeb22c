import sys
from dataclasses import replace

import numpy as np
import pytest

from landmarks import Faces
from landmarks.errors import LandmarksError
from landmarks.schemes import ATTRIBUTES, GENDER, POINTS_5, SMILE, scheme_of_size
from landmarks.scores import AttributeScores
from tests.helpers.results import measured


def two_faces() -> Faces:
    return Faces(
        boxes=np.array([[0, 0, 10, 10], [5, 5, 9, 9]]),
        points=np.arange(20).reshape(2, 5, 2),
        scores=np.array([0.9, np.nan]),
        attributes={"smile": AttributeScores(SMILE, np.array([[0.2, 0.8], [0.7, 0.3]], np.float32))},
    )


def test_empty_has_the_fields_of_any_other_result():
    empty = Faces.empty(POINTS_5, tuple(ATTRIBUTES))
    assert len(empty) == 0 and empty.points.shape == (0, 5, 2)
    assert list(empty.attributes["pose"].labels) == [] and len(empty.attributes["pose"].confidence) == 0
    assert empty.to_pandas().empty


def calibrated_faces() -> Faces:
    return replace(two_faces(), quality=np.array([0.9, 0.1]), point_errors=np.arange(10).reshape(2, 5) / 100)


def test_quality_and_errors_go_along():
    faces = calibrated_faces()
    assert faces[1].quality.tolist() == pytest.approx([0.1]) and faces[1].point_errors[0, 0] == pytest.approx(0.05)
    assert two_faces()[1].quality is None and two_faces()[1].point_errors is None
    joined = Faces.concatenate([faces, faces[1], faces[:0]])
    assert joined.quality.tolist() == pytest.approx([0.9, 0.1, 0.1]) and joined.point_errors.shape == (3, 5)
    assert Faces.concatenate([two_faces(), two_faces()]).quality is None
    empty = Faces.empty(POINTS_5, ("smile",), calibrated=True)
    assert empty.quality.shape == (0,) and empty.point_errors.shape == (0, 5)
    frame = faces.to_pandas()
    assert frame.columns.tolist() == empty.to_pandas().columns.tolist() == [
        "face", "x0", "y0", "x1", "y1", "score", "quality",
        *(f"{name}_{what}" for name in POINTS_5.points for what in ("x", "y", "error")),
        "smile", "smile_probability",
    ]  # fmt: skip
    assert frame["nose_error"].tolist() == pytest.approx([0.02, 0.07])


def test_labels_and_probabilities():
    smile = two_faces().attributes["smile"]
    assert smile.labels.tolist() == ["smiling", "not smiling"]
    assert smile.confidence == pytest.approx([0.8, 0.7])


@pytest.mark.parametrize("index", [1, np.int64(1), [1], np.array([False, True]), slice(1, None)])
def test_picking_gives_faces(index):
    one = two_faces()[index]
    assert isinstance(one, Faces) and len(one) == 1
    assert one.points[0, 0].tolist() == [10, 11] and one.attributes["smile"].labels[0] == "not smiling"


def test_iterates_over_faces_of_one():
    assert [len(face) for face in two_faces()] == [1, 1]


def test_frame_has_a_row_a_face():
    frame = two_faces().to_pandas()
    assert frame.columns.tolist() == [
        "face", "x0", "y0", "x1", "y1", "score",
        *(f"{name}_{axis}" for name in POINTS_5.points for axis in "xy"),
        "smile", "smile_probability",
    ]  # fmt: skip
    assert frame.loc[1, "left_eye_y"] == 11 and frame.loc[0, "smile"] == "smiling"
    assert set(frame) == set(Faces.empty(POINTS_5, ("smile",)).to_pandas())


@pytest.mark.parametrize(
    "change",
    [
        {"points": np.zeros((2, 4, 2))},
        {"scores": np.zeros(3)},
        {"boxes": np.zeros((2, 5))},
        {"quality": np.zeros(3)},
        {"point_errors": np.zeros((2, 4))},
    ],
)
def test_wrong_shapes_are_refused(change):
    fields = {"boxes": np.zeros((2, 4)), "points": np.zeros((2, 5, 2)), "scores": np.zeros(2)} | change
    with pytest.raises(ValueError, match="must have shape"):
        Faces(**fields)


def test_scheme_of_size():
    assert scheme_of_size(5) is POINTS_5
    with pytest.raises(ValueError, match="no scheme of 17"):
        scheme_of_size(17)


def test_repr_has_a_line_a_face_and_tells_no_gender():
    gender = AttributeScores(GENDER, np.array([[0.9, 0.1], [0.2, 0.8]], np.float32))
    faces = replace(calibrated_faces(), attributes=two_faces().attributes | {"gender": gender})
    assert repr(faces).splitlines() == [
        "face 0: box 0 0 10 10, score 0.90, quality 0.90, smiling 80%",
        "face 1: box 5 5 9 9, quality 0.10, not smiling 70%",
    ]
    assert repr(Faces.empty()) == "no faces (5 points)"
    over = replace(faces, boxes=np.array([[-0.3, -0.6, 10, 10], [5, 5, 9, 9]], np.float32))
    assert repr(over).startswith("face 0: box 0 -1 10 10")


def test_quantities_go_with_their_faces():
    faces = measured(3)
    assert faces[[2, 0]].quantities["years"].values.tolist() == faces.quantities["years"].values[[2, 0]].tolist()
    both = Faces.concatenate([faces, faces[0]])
    assert both.quantities["years"].quantity is faces.quantities["years"].quantity
    assert len(both.quantities["head_turn"].values) == 4 and len(faces[:0].quantities["years"].values) == 0
    turn = faces.quantities["head_turn"].values[0]
    assert f"head_turn {turn:.4g} degrees" in repr(faces[0]) and "head_turn" not in repr(faces[2])
    with pytest.raises(ValueError, match=r"head_turn must have shape \(2,\), not \(3,\)"):
        replace(faces[:2], quantities=faces.quantities)


def test_supervision():
    pytest.importorskip("supervision")
    detections = two_faces().to_supervision()
    assert detections.xyxy.tolist() == two_faces().boxes.tolist() and detections.confidence is None
    assert detections[1].data["points"].shape == (1, 5, 2) and detections.data["smile"][0] == "smiling"
    assert replace(two_faces(), scores=np.array([0.9, 0.5])).to_supervision().confidence[1] == pytest.approx(0.5)
    assert len(Faces.empty(POINTS_5, ("smile",)).to_supervision()) == 0


def test_fiftyone():
    """Shares of the image's sides, from its corner; NaN for what lies outside. FiftyOne 1.22.1 took it."""
    fiftyone = pytest.importorskip("fiftyone", reason="needs fiftyone")
    faces = replace(calibrated_faces(), track=np.array([7, np.nan]), yaw=np.array([1.5, np.nan]))
    faces = replace(faces, attributes=two_faces().attributes)
    faces.points[1, 0] = -3, 5
    sample = fiftyone.Sample(filepath="photo.jpg")
    sample.update_fields(faces.to_fiftyone(width=100, height=50))
    one, other = sample["faces"].detections
    np.testing.assert_allclose(one.bounding_box, [0.005, 0.01, 0.1, 0.2])
    assert (one.label, one.index, one.smile, one.yaw) == ("face", 7, "smiling", 1.5)
    assert one.confidence == pytest.approx(0.9) and one.smile_probability == pytest.approx(0.8)
    assert (other.index, other.yaw, other.confidence) == (None, None, None)
    points = sample["landmarks"].keypoints
    np.testing.assert_allclose(points[0].points, (faces.points[0] + 0.5) / (100, 50))
    assert np.isnan(points[1].points[0]).all() and np.isfinite(points[1].points[1:]).all()
    assert len(points[0].errors) == 5 and len(Faces.empty().to_fiftyone(1, 1)["faces"].detections) == 0
    with pytest.raises(ValueError, match="no image of 0 x 5 pixels"):
        faces.to_fiftyone(0, 5)


@pytest.mark.parametrize(("library", "sides"), [("supervision", ()), ("fiftyone", (100, 50))])
def test_a_library_that_is_missing_is_named(monkeypatch, library, sides):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(LandmarksError, match=f"pip install {library}"):
        getattr(two_faces(), f"to_{library}")(*sides)


def test_tracks_are_whole_numbers():
    faces = replace(two_faces(), track=np.array([7, np.nan]))
    assert faces[0].track.tolist() == [7] and Faces.concatenate([faces, faces]).track.shape == (4,)
    column = faces.to_pandas()["track"]
    assert column.dtype == "Int64" and column[0] == 7 and column.isna()[1]
    assert ", track 7, " in repr(faces[0]) and "track" not in repr(faces[1])
    assert "track" not in two_faces().to_pandas()
