"""How good teachers' labels would be: what counts as right, and as found."""

from __future__ import annotations

import json

import numpy as np
import pytest

from landmarks.datasets.photographs import read_photographs
from landmarks.detection.base import Detections
from landmarks.errors import DataError
from landmarks.studies.detectors import teachers
from tests.studies.detectors.test_pose import BOX, photograph

FACE, SMALL, PLAIN = (100, 100, 180, 200), (300, 300, 320, 320), (400, 10, 480, 90)


def found(*boxes):
    return Detections(np.array([box for box, _ in boxes], float).reshape(-1, 4), [score for _, score in boxes])


def drawn(folder, boxes):
    photograph(folder, 0, boxes)
    text = (folder / "faces.csv").read_text().replace(",val,", ",train,")
    (folder / "faces.csv").write_text(text + "b.png,val,,,,\n")
    return read_photographs(folder)


def test_boxes_are_right_and_faces_found(tmp_path):
    photographs = drawn(tmp_path, [FACE, SMALL])
    teacher = found((FACE, 0.9), (PLAIN, 0.45), (SMALL, 0.55))
    rows = teachers.figures([photographs.labels("a.png")], [1.0], {"one": [teacher], "none": [found()]})
    told = {(row["way"], row["size"], row["score"]): (row["boxes"], row["right"], row["found"]) for row in rows}
    assert told["one", 16.0, 0.4] == (3, pytest.approx(2 / 3), 1.0)
    assert told["one", 16.0, 0.6] == (1, 1.0, 0.5)
    assert told["one", 32.0, 0.4] == (2, 0.5, 1.0), "a small face that is found is neither right nor wrong"
    assert told["none", 32.0, 0.4] == (0, None, 0.0)


def test_what_another_detector_confirms():
    first = found((FACE, 0.9), (PLAIN, 0.8))
    second = found(([v + 3 for v in FACE], 0.7), (PLAIN, 0.5))
    assert teachers.agreeing(first, second).scores == pytest.approx([0.9])
    assert len(teachers.agreeing(first, found())) == 0


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LANDMARKS_YUNET", raising=False)
    drawn(tmp_path, [BOX])
    teachers.main([str(tmp_path), "--out", str(tmp_path / "teachers.json")])
    told = json.loads((tmp_path / "teachers.json").read_text())
    rows = {(row["way"], row["size"], row["score"]): row for row in told["teachers"]}
    assert rows["three looks", 64.0, 0.5] == {
        "way": "three looks", "size": 64.0, "score": 0.5, "boxes": 1, "faces": 1, "right": 1.0, "found": 1.0,
    }  # fmt: skip
    assert set(told["protocol"]["detectors"]) == {"one look", "three looks"}
    assert "without YuNet's agreement" in capsys.readouterr().out


def test_without_a_face_that_counts(tmp_path):
    photographs = drawn(tmp_path, [(10, 10, 20, 20)])
    with pytest.raises(DataError, match="no labelled faces of 16 pixels or more"):
        teachers.figures([photographs.labels("a.png")], [1.0], {"one": [found()]})
