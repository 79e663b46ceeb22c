"""Photographs with all their faces: from any dataset, written and read back."""

import json

import numpy as np
import pytest

from landmarks.datasets.photographs import BOX, COLUMNS, FACTS, read_photographs, write_photographs
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_5
from tests.helpers.datasets import coco, entry
from tests.helpers.faces import draw_face, write_png

POINT_COLUMNS = [f"{name}_{axis}" for name in POINTS_5.points for axis in "xy"]


def own(root, header, *rows):
    root.mkdir(exist_ok=True)
    (root / "faces.csv").write_text("\n".join([",".join(header), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return root


@pytest.fixture
def photographs(tmp_path):
    """Four own photographs: two faces, one of them to ignore; points alone; no face; in the folder `images`."""
    points = np.round(draw_face(0)[1], 3).ravel().tolist()
    root = own(
        tmp_path / "own",
        ["image", "split", *BOX, "ignore", *POINT_COLUMNS],
        ["a.png", "train", 10, 20, 50, 70, "", *points],
        ["a.png", "train", 100, 20, 150, 70, "yes", *[""] * 10],
        ["b.png", "train", *[""] * 5, *points],
        ["none.png", "val", *[""] * 15],
        ["c,1.png".replace(",", "_"), "test", 1, 2, 30, 40, 0, *[""] * 10],
    )
    for i, name in enumerate(("a.png", "b.png", "none.png", "images/c_1.png")):
        write_png(root / name, draw_face(i)[0])
    return read_photographs(root)


def test_own_photographs(photographs):
    assert photographs.names("train") == ["a.png", "b.png"] and photographs.names("test") == ["images/c_1.png"]
    faces = photographs.labels("a.png")
    np.testing.assert_allclose(faces.boxes, [[10, 20, 50, 70], [100, 20, 150, 70]])
    assert faces.ignore.tolist() == [False, True] and np.isfinite(faces.points[0]).all()
    assert len(photographs.labels("none.png")) == 0


def test_a_face_that_only_points_place_is_ignored(photographs):
    faces, points = photographs.labels("b.png"), draw_face(0)[1]
    assert faces.ignore.tolist() == [True]
    assert (points > faces.boxes[0, :2]).all() and (points < faces.boxes[0, 2:]).all()


def test_written_and_read_back(photographs, tmp_path):
    write_photographs(photographs, tmp_path / "out")
    again = read_photographs(tmp_path / "out")
    assert (again.name, again.terms, list(again.table.columns)) == (photographs.name, photographs.terms, COLUMNS)
    for name in photographs.table["image"].unique():
        for before, after in zip(vars(photographs.labels(name)).values(), vars(again.labels(name)).values()):
            np.testing.assert_allclose(after, before, atol=1e-3)
        assert np.array_equal(again.pixels(name), photographs.pixels(name))


@pytest.mark.parametrize("damage", ["facts", "column", "number", "box"])
def test_written_photographs_that_were_damaged(photographs, tmp_path, damage):
    write_photographs(photographs, tmp_path)
    table = tmp_path / "faces.csv"
    if damage == "facts":
        (tmp_path / FACTS).write_text("[]")
    elif damage == "column":
        table.write_text(table.read_text().replace("ignore", "ignored"))
    elif damage == "number":
        table.write_text(table.read_text().replace("10.000", "ten"))
    else:
        table.write_text(table.read_text().replace("10.000", "90.000"))
    with pytest.raises(DataError, match=str(tmp_path)):
        read_photographs(tmp_path)


def test_a_tenth_is_for_validation_and_always_the_same(tmp_path):
    root = own(tmp_path, ["image", *BOX], *[[f"{i}.png", 1, 2, 3, 4] for i in range(40)])
    first, second = read_photographs(root), read_photographs(root)
    assert len(first.names("val")) == 4 and first.names("val") == second.names("val")


def test_faces_that_nothing_places_are_left_out(tmp_path):
    root = own(tmp_path, ["image", "smile", *BOX], ["a.png", 1, "", "", "", ""], ["b.png", 1, 1, 2, 3, 4])
    with pytest.warns(UserWarning, match=r"1 photographs are left out.*a\.png"):
        photographs = read_photographs(root)
    assert photographs.names("train") == ["b.png"]


def test_ignore_must_be_yes_or_no(tmp_path):
    with pytest.raises(DataError, match="line 2: ignore must be yes or no"):
        read_photographs(own(tmp_path, ["image", "ignore"], ["a.png", "perhaps"]))


def test_no_rows(tmp_path):
    with pytest.raises(DataError, match="no photographs are in it"):
        read_photographs(own(tmp_path, ["image", *BOX]))


def test_a_photograph_that_is_gone(photographs):
    (photographs.files.root / "b.png").unlink()
    with pytest.raises(ImageError):
        photographs.pixels("b.png")


def test_coco(tmp_path):
    crowd = entry(bbox=[50, 20, 60, 40], iscrowd=1)
    photographs = read_photographs(coco(tmp_path, [entry(bbox=[10, 20, 30, 40]), crowd]))
    assert photographs.labels("images/a.png").ignore.tolist() == [False, True]
    np.testing.assert_allclose(photographs.labels("images/a.png").boxes[0], [9.5, 19.5, 39.5, 59.5])


def test_landmark_datasets_have_points_alone(mtfl):
    photographs = read_photographs(mtfl)
    assert photographs.table["ignore"].all() and json.dumps(photographs.name) == '"mtfl"'
