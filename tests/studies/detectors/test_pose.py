"""Which faces detectors miss."""

from __future__ import annotations

import json

import cv2
import pytest

from landmarks.errors import DataError
from landmarks.studies.detectors import pose
from tests.helpers.faces import SAMPLES, write_png

BOX = (170, 65, 280, 215)


def photograph(folder, turn, boxes):
    """The astronaut, leaning by `turn` degrees about its face, with these labels."""
    pixels = cv2.imread(str(SAMPLES / "astronaut.png"))[..., ::-1]
    matrix = cv2.getRotationMatrix2D(((BOX[0] + BOX[2]) / 2, (BOX[1] + BOX[3]) / 2), -turn, 1.0)
    write_png(folder / "a.png", cv2.warpAffine(pixels, matrix, pixels.shape[1::-1]))
    rows = ["image,split,x0,y0,x1,y1", *("a.png,val," + ",".join(map(str, box)) for box in boxes)]
    (folder / "faces.csv").write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(("turn", "group"), [(0, 0.0), (22, 15.0)])
def test_faces_count_where_they_lean_and_as_found(tmp_path, turn, group):
    """A box of the background is the unsure one, which nothing finds."""
    photograph(tmp_path, turn, [BOX, (420, 20, 500, 120)])
    pose.main(
        [str(tmp_path), "--detectors", "centerface", "--weights", "compact", "--out", str(tmp_path / "pose.json")]
    )
    rows = json.loads((tmp_path / "pose.json").read_text())["poses"]
    faces = {(row["of"], row["from"]): (row["faces"], row.get("centerface")) for row in rows}
    assert faces["unsure", None] == (1, 0.0)
    assert faces["roll", group] == (1, 1.0)
    assert sum(count for (of, _), (count, _) in faces.items() if of == "yaw") == 1
    assert all(found is None for count, found in faces.values() if not count)


def test_without_a_face_that_counts(tmp_path):
    photograph(tmp_path, 0, [(10, 10, 20, 20)])
    with pytest.raises(DataError, match="no labelled faces of 24 pixels or more"):
        pose.main([str(tmp_path)])
