"""Label folders of YOLO's, and labels that are none."""

import io

import numpy as np
import PIL.Image
import pytest

from landmarks.datasets.photographs import read_photographs
from landmarks.errors import DataError
from tests.helpers.faces import draw_face, write_png

POINTS = "0.1 0.2 2 0.3 0.2 2 0 0 0 0.1 0.4 1 0.3 0.4 2"


def labels(root, text, name="a", size=(160, 160)):
    write_png(root / "images" / "train" / f"{name}.png", draw_face(1)[0][: size[1], : size[0]])
    path = root / "labels" / "train" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def test_boxes_points_and_photographs_without_faces(tmp_path):
    labels(tmp_path, f"0 0.5 0.5 0.25 0.5\n0 0.2 0.3 0.1 0.1 {POINTS}\n", size=(160, 80))
    labels(tmp_path, "", "empty")
    write_png(tmp_path / "images" / "val" / "none.png", draw_face(1)[0])
    photographs = read_photographs(tmp_path)
    assert photographs.name == "yolo" and photographs.names("val") == ["images/val/none.png"]
    faces = photographs.labels("images/train/a.png")
    np.testing.assert_allclose(faces.boxes[0], [59.5, 19.5, 99.5, 59.5])
    np.testing.assert_allclose(faces.points[1, 0], [15.5, 15.5])
    assert np.isnan(faces.points[0]).all() and np.isnan(faces.points[1, 2]).all()
    assert [len(photographs.labels(name)) for name in ("images/train/empty.png", "images/val/none.png")] == [0, 0]


def test_shares_are_of_the_upright_image(tmp_path):
    labels(tmp_path, "0 0.5 0.5 1 1\n")
    picture, file = PIL.Image.fromarray(draw_face(1)[0][:40, :100]), io.BytesIO()
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(file, "JPEG", exif=exif)
    (tmp_path / "images" / "train" / "a.png").write_bytes(file.getvalue())
    photographs = read_photographs(tmp_path)
    np.testing.assert_allclose(photographs.labels("images/train/a.png").boxes, [[-0.5, -0.5, 39.5, 99.5]])
    assert photographs.pixels("images/train/a.png").shape == (100, 40, 3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.25", "line 1: class, x, y"),
        ("face 0.5 0.5 0.25 0.5", "line 1: class, x, y"),
        ("0 0.5 0.5 nan 0.5", "line 1: class, x, y"),
        ("0 0.5 0.5 0 0.5", "line 1: class, x, y"),
        ("0 0.5 0.5 0.2 0.5 0.1 0.2", "line 1: class, x, y"),
        ("\n0 80 60 20 30", "line 2: numbers must be shares"),
    ],
)
def test_wrong_lines_are_named(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        read_photographs(labels(tmp_path, line))


def test_an_image_whose_size_is_unknown(tmp_path):
    labels(tmp_path, "0 0.5 0.5 0.2 0.5")
    (tmp_path / "images" / "train" / "a.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"a\.png: its size cannot be read"):
        read_photographs(tmp_path)
