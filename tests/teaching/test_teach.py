"""A teacher that labels photographs: what is written, read back and trained on; a call that was stopped."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from landmarks.datasets.photographs import read_photographs
from landmarks.detection.base import Detections
from landmarks.errors import DataError, DetectorError
from landmarks.teaching.teach import FOUND, main, plain_folder, teach, the_teacher
from landmarks.training.detector.from_config import train_detector
from tests.helpers.faces import draw_face, write_png
from tests.helpers.photographs import drawn_box
from tests.training.detector.test_from_config import TOML


class Teacher:
    """Finds the faces of `draw_face` by their look; `seen` counts the photographs."""

    def __init__(self, name, score=0.95, most=99):
        self.name, self.score, self.seen, self.most = name, score, 0, most

    def settings(self):
        return {"score": self.score}

    def __call__(self, image, name=""):
        if self.seen == self.most:
            raise KeyboardInterrupt
        self.seen += 1
        for seed in range(6):
            face, points, _ = draw_face(seed)
            if np.array_equal(face, image):
                return Detections(drawn_box(points)[None], [self.score])
        return Detections(np.zeros((0, 4)), [])


class Points:
    """As a network that puts five points into the middle of each box."""

    def predict(self, pictures, boxes):
        middles = [np.repeat((b[:, None, :2] + b[:, None, 2:]) / 2, 5, axis=1) for b in boxes]
        return [SimpleNamespace(points=m, quality=np.ones(len(m))) for m in middles]


@pytest.fixture
def folder(tmp_path):
    """Photographs without labels: five with a face, one without, one broken."""
    root = tmp_path / "photos"
    for seed in range(5):
        write_png(root / f"{seed}.png", draw_face(seed)[0])
    write_png(root / "none.png", np.full((60, 60, 3), 90, np.uint8))
    (root / "broken.png").write_bytes(b"no image")
    return root


def lines(path):
    return (path / FOUND).read_text().splitlines()


@pytest.mark.filterwarnings("ignore:left out")
def test_photographs_without_labels(folder, tmp_path):
    out = tmp_path / "out"
    teach(plain_folder(folder), False, out, Teacher("centerface"), Points())
    again = read_photographs(out)
    faces = again.labels("3.png")
    box = drawn_box(draw_face(3)[1])
    np.testing.assert_allclose(faces.boxes, [box], atol=0.01)
    np.testing.assert_allclose(faces.points[0], np.tile((box[:2] + box[2:]) / 2, (5, 1)), atol=0.01)
    assert not faces.ignore.any() and not len(again.labels("none.png"))
    assert "broken.png" not in set(again.table["image"]) and "broken.png" in (out / "left_out.csv").read_text()
    config = tmp_path / "detector.toml"
    config.write_text(TOML)
    assert train_detector(config, [out], tmp_path / "run", "cpu").is_file()


@pytest.mark.filterwarnings("ignore:left out")
def test_a_call_that_was_stopped_goes_on(folder, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    photographs = plain_folder(folder)
    teach(photographs, False, whole, Teacher("centerface"), Points())
    with pytest.raises(KeyboardInterrupt):
        teach(photographs, False, out, Teacher("centerface", most=2), Points())
    with open(out / FOUND, "a") as file:
        file.write('{"image": "half')  # killed within a line
    rest = Teacher("centerface")
    teach(photographs, False, out, rest, Points())
    assert rest.seen == 4 and lines(out) == lines(whole)
    assert (out / "faces.csv").read_text() == (whole / "faces.csv").read_text()


@pytest.mark.filterwarnings("ignore:left out")
def test_another_teacher_in_the_same_folder_is_refused(folder, tmp_path):
    teach(plain_folder(folder), False, tmp_path / "out", Teacher("centerface"), Points())
    with pytest.raises(DataError, match="is of other photographs or another teacher"):
        teach(plain_folder(folder), False, tmp_path / "out", Teacher("centerface", 0.8), Points())
    (tmp_path / "out" / FOUND).write_text("{}\nnonsense\n")
    with pytest.raises(DataError, match="is damaged"):
        teach(plain_folder(folder), False, tmp_path / "out", Teacher("centerface"), Points())


def test_labels_and_splits_of_people_stay_and_the_test_part_is_not_looked_at(tmp_path):
    root = tmp_path / "own"
    for seed in range(3):
        write_png(root / f"{seed}.png", draw_face(seed)[0])
    rows = ["0.png,train,1,2,30,40,no", "1.png,val,100,100,150,150,yes", "2.png,test,1,2,30,40,no"]
    (root / "faces.csv").write_text("\n".join(["image,split,x0,y0,x1,y1,ignore", *rows]))
    teacher = Teacher("centerface")
    taught = teach(read_photographs(root), True, tmp_path / "out", teacher, Points())
    assert teacher.seen == 2 and taught.names("val") == ["1.png"] and not taught.names("test")
    faces = taught.labels("0.png")
    assert faces.boxes[0].tolist() == [1, 2, 30, 40] and faces.ignore.tolist() == [False, True]


@pytest.mark.filterwarnings("ignore:left out")
def test_copies_of_what_is_measured_on_are_left_out(folder, tmp_path):
    measured = tmp_path / "measured"
    write_png(measured / "x.png", cv2.resize(draw_face(1)[0][:, ::-1], None, fx=0.7, fy=0.7))
    write_png(measured / "y.png", draw_face(2)[0])
    (measured / "faces.csv").write_text("image,split,x0,y0,x1,y1\nx.png,test,1,2,30,40\ny.png,train,1,2,30,40\n")
    out = tmp_path / "out"
    held = [read_photographs(measured)]
    taught = teach(plain_folder(folder), False, out, Teacher("centerface"), Points(), held)
    assert set(taught.table["image"]) == {"0.png", "2.png", "3.png", "4.png", "none.png"}
    assert (
        '1.png,measured,"1.png: is a copy of a photograph to be measured on, custom: x.png"'
        in (out / "left_out.csv").read_text()
    )
    with pytest.raises(DataError, match="is of other photographs or another teacher"):
        teach(plain_folder(folder), False, out, Teacher("centerface"), Points())


def test_points_alone_become_boxes(mtfl, tmp_path):
    photographs = read_photographs(mtfl)
    taught = teach(photographs, True, tmp_path, Teacher("centerface"), Points())
    first = next(name for name in photographs.table["image"] if name.endswith("000.png"))
    faces = taught.labels(first)
    np.testing.assert_allclose(faces.boxes, [drawn_box(draw_face(0)[1])], atol=0.01)
    np.testing.assert_allclose(faces.points[0], draw_face(0)[1], atol=0.01)
    assert not faces.ignore.any()


def test_folders_without_images_or_labels(tmp_path):
    with pytest.raises(DataError, match="no images are in it"):
        plain_folder(tmp_path)
    with pytest.raises(SystemExit, match="no dataset known here"):
        main([str(tmp_path), "--out", str(tmp_path / "out")])


def test_no_teacher(monkeypatch):
    monkeypatch.setattr("landmarks.detection.centerface.find_spec", lambda name: None)
    with pytest.raises(DetectorError, match="ships CenterFace, is not there"):
        the_teacher(320)
