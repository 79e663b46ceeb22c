"""What detectors mind."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from landmarks.studies.detectors import curves
from landmarks.studies.detectors.curves import CHANGES, turned
from tests.helpers.faces import SAMPLES, write_png

BOX = np.array([[170.0, 65.0, 280.0, 215.0]])


@pytest.fixture
def photographs(tmp_path):
    """The astronaut, and a hundredth of its labelled box to be passed over."""
    pixels = cv2.imread(str(SAMPLES / "astronaut.png"))[..., ::-1]
    write_png(tmp_path / "a.png", np.ascontiguousarray(pixels))
    rows = ["image,split,x0,y0,x1,y1", "a.png,val," + ",".join(str(v) for v in BOX[0]), "a.png,val,10,10,20,20"]
    (tmp_path / "faces.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.parametrize("degrees", [0, 30, 90, 180, 270])
def test_boxes_turn_with_the_picture(degrees):
    picture = np.zeros((300, 400, 3), np.uint8)
    centre, halves = np.array([120.0, 90.0]), (30, 20)
    cv2.ellipse(picture, (120, 90), halves, 0, 0, 360, (255, 255, 255), -1)
    box = np.concatenate([centre - halves, centre + halves])[None] + 0.5
    seen, moved = turned(picture, box, degrees)
    ys, xs = np.nonzero(seen[..., 0] > 127)
    found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
    np.testing.assert_allclose(moved[0], found, atol=1.5)


def test_a_change_of_no_strength_changes_nothing():
    picture = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    for change, nothing in (
        (turned, 0),
        (curves.blurred, 0),
        (curves.dark, 1),
        (curves.shrunk, 1),
    ):
        seen, boxes = change(picture, BOX, nothing)
        np.testing.assert_array_equal(seen, picture)
        np.testing.assert_allclose(boxes, BOX)


def test_the_command(photographs, tmp_path, monkeypatch, capsys):
    few = {name: (change, strengths[:1]) for name, (change, strengths) in CHANGES.items()}
    monkeypatch.setattr(curves, "CHANGES", few)
    out, drawn = tmp_path / "curves.json", tmp_path / "sheet.png"
    arguments = ["--detectors", "centerface", "--out", str(out), "--sheet", str(drawn)]
    monkeypatch.setattr("sys.argv", ["curves", str(photographs), *arguments])
    curves.main()
    report = json.loads(out.read_text())
    rows, protocol = report["curves"], report["protocol"]
    assert protocol["photographs"] == 1 and protocol["detectors"]["centerface"]["threshold"] == 0.5
    assert [row["change"] for row in rows] == list(few) and all(row["faces"] == 1 for row in rows)
    assert rows[0]["centerface"] == {"recall": 1.0, "false_per_picture": 0.0}
    sheet = cv2.imread(str(drawn))
    assert sheet.shape == (curves.TILE, curves.COLUMNS * curves.TILE, 3)
    assert "turned, degrees" in capsys.readouterr().out
