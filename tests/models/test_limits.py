"""Attributes that a face does not tell."""

import json

import numpy as np
import pytest

from landmarks import draw
from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.formats.records import record_from_dict, record_to_dict
from landmarks.models.calibration import Calibration, Limits, read_limits
from landmarks.record import Record
from landmarks.schemes import SMILE, UNCERTAIN
from landmarks.scores import AttributeScores

LOGITS = np.log([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])
BOXES = np.array([[0, 0, 50, 50], [0, 0, 50, 50], [0, 0, 10, 20]], float)


@pytest.mark.parametrize(
    ("limits", "labels"),
    [
        ({}, ["not smiling", "smiling", "not smiling"]),
        ({"gender": Limits(0.99)}, ["not smiling", "smiling", "not smiling"]),
        ({"smile": Limits(probability=0.7)}, ["not smiling", UNCERTAIN, "not smiling"]),
        ({"smile": Limits(side=20.0)}, ["not smiling", "smiling", UNCERTAIN]),
        ({"smile": Limits(0.7, 20.0)}, ["not smiling", UNCERTAIN, UNCERTAIN]),
    ],
)
def test_below_the_limits_a_label_is_uncertain(limits, labels):
    calibration = Calibration.from_dict(json.loads(json.dumps(Calibration(limits=limits).as_dict())))
    scores = calibration.scores(SMILE, LOGITS, BOXES)
    assert scores.labels.tolist() == labels and np.allclose(scores.confidence, [0.9, 0.6, 0.9])
    assert scores[[1]].labels.tolist() == labels[1:2]
    assert AttributeScores.concatenate([scores, scores[:1]]).labels.tolist() == [*labels, labels[0]]
    assert (
        AttributeScores.concatenate([scores, AttributeScores(SMILE, scores.probabilities)]).labels[3] == "not smiling"
    )
    faces = Faces(BOXES, np.ones((3, 5, 2)), np.ones(3), {"smile": scores})
    assert faces.columns()["smile"].tolist() == labels
    back = record_from_dict(json.loads(json.dumps(record_to_dict(Record("a.jpg", "ok", faces))))).faces
    assert back.attributes["smile"].labels.tolist() == labels
    assert faces[:0].attributes["smile"].labels.tolist() == []


def test_drawings_name_what_is_uncertain():
    image, probabilities = np.full((200, 200, 3), 90, np.uint8), np.array([[0.6, 0.4]], np.float32)
    points = np.array([[[80, 80], [120, 80], [100, 100], [85, 120], [115, 120]]])
    box = np.array([[60, 60, 140, 150]])
    drawn = [
        draw(image, Faces(box, points, np.array([np.nan]), {"smile": AttributeScores(SMILE, probabilities, uncertain)}))
        for uncertain in (None, np.array([False]), np.array([True]))
    ]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[1], drawn[2])


def test_weights_of_earlier_versions_have_no_limits():
    document = Calibration().as_dict()
    del document["limits"]
    assert Calibration.from_dict(document).limits == {}


def test_limits_as_the_command_takes_them():
    assert read_limits([], []) is None
    assert read_limits(["smile=0.7", "gender=0.8"], ["smile=20"]) == {"smile": Limits(0.7, 20.0), "gender": Limits(0.8)}
    for wrong in ("smile=1.2", "smile=high", "smile"):
        with pytest.raises(LandmarksError, match=wrong):
            read_limits([wrong], [])
