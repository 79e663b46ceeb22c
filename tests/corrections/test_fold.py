"""What lines add up to, and which face of a run each is about."""

from __future__ import annotations

import pytest

from landmarks.corrections import fold
from landmarks.corrections.fold import keys, overlap
from tests.corrections.test_log import POINTS, line


def ids(*kinds):
    """Lines of one face, with ids 00000000, 00000001, ...; `undo:N` undoes the N-th."""
    found = []
    for i, kind in enumerate(kinds):
        kind, _, of = kind.partition(":")
        found.append(line(kind, id=f"{i:08}", undoes=f"{int(of):08}" if of else ""))
    return found


@pytest.mark.parametrize(
    ("kinds", "status"),
    [
        ((), None),
        (("accept",), "accepted"),
        (("accept", "correct"), "corrected"),
        (("accept", "remove"), "removed"),
        (("put off",), "put off"),
        (("add",), "added"),
        (("add", "correct"), "added"),
        (("accept", "undo:0"), ""),
        (("accept", "remove", "undo:1"), "accepted"),
        (("accept", "remove", "undo:0"), "removed"),
        (("accept", "undo:7"), "accepted"),
        (("remove", "undo:0", "correct"), "corrected"),
    ],
)
def test_the_last_line_that_was_not_undone_holds(kinds, status):
    faces = fold(ids(*kinds))
    assert [face.status for face in faces.values()] == ([] if status is None else [status])
    assert all(face.version == len(kinds) for face in faces.values())


def test_labels_are_those_of_the_last_line_that_has_some():
    moved = POINTS | {"nose": (1.0, 2.0)}
    (face,) = fold([line("correct", points=moved, id="a" * 8), line("remove")]).values()
    assert face.status == "removed" and face.labels.points == moved
    (face,) = fold([line("correct", points=moved, id="a" * 8), line("undo", undoes="a" * 8)]).values()
    assert face.labels is None


def test_faces_and_images_are_kept_apart():
    lines = [line(image=image, face=face) for image in "ab" for face in "01"]
    assert list(fold(lines)) == [("a", "0"), ("a", "1"), ("b", "0"), ("b", "1")]


LEFT, RIGHT, FAR = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 30.0, 10.0), (80.0, 80.0, 90.0, 90.0)


def said(**boxes):
    return {one.face: one for one in fold([line(face=face, found=box) for face, box in boxes.items()]).values()}


@pytest.mark.parametrize(
    ("found", "corrected", "wanted"),
    [
        ({0: LEFT, 1: RIGHT}, {}, {0: "0", 1: "1"}),
        ({0: LEFT, 1: RIGHT}, {"0": LEFT}, {0: "0", 1: "1"}),
        ({0: RIGHT, 1: LEFT}, {"0": LEFT, "1": RIGHT}, {0: "1", 1: "0"}),
        ({0: RIGHT, 1: LEFT}, {"0": LEFT}, {1: "0", 0: "0.1"}),
        ({0: (1.0, 1.0, 11.0, 11.0)}, {"0": LEFT}, {0: "0"}),
        ({0: FAR}, {"0": LEFT}, {0: "0.1"}),
        ({0: None}, {"0": LEFT}, {0: "0"}),
        ({0: LEFT}, {"0": None, "new": None}, {0: "0"}),
        ({}, {"0": LEFT}, {}),
    ],
)
def test_a_face_is_known_whatever_its_number(found, corrected, wanted):
    assert keys(found, said(**corrected)) == wanted


def test_overlap():
    assert overlap(LEFT, LEFT) == 1 and overlap(LEFT, RIGHT) == 0
    assert overlap(LEFT, (0, 0, 10, 5)) == pytest.approx(0.5)
