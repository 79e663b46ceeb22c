"""WIDER FACE in its official layout and laid out, and lists that are cut short or say nonsense."""

import numpy as np
import pytest

from landmarks.datasets.photographs import read_photographs
from landmarks.errors import DataError
from tests.helpers.faces import draw_face, write_png

LINES = [
    "0--Parade/a.png", "3",
    "10 20 30 40 0 0 0 0 0 0 ",
    "1 2 50 60 0 0 0 1 0 0 ",
    "5 5 9 7 2 0 0 0 0 0 ",
    "1--Hand/b.png", "0",
    "0 0 0 0 0 0 0 0 0 0 ",
    "",
]  # fmt: skip


def official(root, lines, split="train", images=("0--Parade/a.png", "1--Hand/b.png")):
    folder = root / "wider_face_split"
    folder.mkdir(exist_ok=True, parents=True)
    (folder / f"wider_face_{split}_bbx_gt.txt").write_text("\n".join(lines))
    for name in images:
        write_png(root / f"WIDER_{split}" / "images" / name, draw_face(1)[0])
    return root


def test_official_layout(tmp_path):
    photographs = read_photographs(official(tmp_path, LINES))
    first, second = photographs.names("train")
    assert photographs.name == "wider" and first.endswith("0--Parade/a.png") and not photographs.names("test")
    faces = photographs.labels(first)
    np.testing.assert_allclose(faces.boxes[0], [9.5, 19.5, 39.5, 59.5])  # from the corner there, from a centre here
    assert faces.ignore.tolist() == [False, True, True], "invalid; small and blurred heavily"
    assert np.isnan(faces.points).all() and not faces.levels.any()
    assert len(photographs.labels(second)) == 0
    assert photographs.pixels(first).shape == (160, 160, 3)


def test_its_own_validation_part_is_kept(tmp_path):
    official(tmp_path, LINES)
    photographs = read_photographs(official(tmp_path, LINES[:5], "val", ["0--Parade/a.png"]))
    assert len(photographs.names("train")) == 2 and len(photographs.names("val")) == 1


def test_lists_without_their_images_are_passed_over(tmp_path):
    official(tmp_path, LINES, "val", images=())
    with pytest.raises(DataError, match="no folder WIDER_train or WIDER_val"):
        read_photographs(tmp_path)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (LINES[:3], "line 1: the file ends before the 3 faces"),
        (["0--Parade/a.png"], "line 1: the number of faces must follow"),
        (["0--Parade/a.png", "many", *LINES[2:]], "line 1: the number of faces must follow"),
        ([*LINES[:3], "1 2 x 60 0 0 0 1 0 0", *LINES[4:]], "line 4: 10 numbers wanted"),
        ([*LINES[:3], "1 2 nan 60 0 0 0 1 0 0", *LINES[4:]], "line 4: 10 numbers wanted"),
        ([*LINES[:3], "1 2 3", *LINES[4:]], "line 4: 10 numbers wanted"),
        (["0--Parade/a.png", "99999999999999999999", *LINES[2:]], "ends before"),
    ],
)
def test_wrong_lines_are_named(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        read_photographs(official(tmp_path, lines))


HEADER = "image,part,x0,y0,x1,y1,easy,medium,hard"


def laid_out(root, *rows):
    (root / "faces.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


def test_laid_out_with_events_for_validation(tmp_path):
    rows = [f"{n}--Event/{i}.jpg,train,1,2,11,22,0,1,1" for n in range(17) for i in range(2)]
    rows += ["3--Event/9.jpg,test,1,2,11,22,1,1,1", "4--Event/0.jpg,train,5,5,5,9,0,0,1"]
    photographs = read_photographs(laid_out(tmp_path, *rows))
    events = ["images/7--Event/0.jpg", "images/7--Event/1.jpg", "images/15--Event/0.jpg", "images/15--Event/1.jpg"]
    assert photographs.names("val") == sorted(events) and photographs.names("test") == ["images/3--Event/9.jpg"]
    faces = photographs.labels("images/4--Event/0.jpg")
    assert len(faces) == 1, "a box without an area is none"
    np.testing.assert_allclose(faces.boxes, [[0.5, 1.5, 10.5, 21.5]])
    assert faces.levels.tolist() == [[False, True, True]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.jpg,train,1,2,3", "line 2: 9 cells wanted, not 5"),
        ("a.jpg,train,1,2,3,inf,0,0,0", "line 2: 4 numbers wanted"),
        ("a.jpg,left out,1,2,3,4,0,0,0", "split must be one of"),
    ],
)
def test_wrong_rows_are_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read_photographs(laid_out(tmp_path, row))


def test_the_same_photograph_in_two_splits(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: it is in two splits"):
        read_photographs(laid_out(tmp_path, "a.jpg,train,1,2,3,4,0,0,0", "a.jpg,test,1,2,3,4,0,0,0"))
