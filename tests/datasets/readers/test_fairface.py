"""FairFace, as published and laid out with parts of one's own; faces that a detector places."""

import numpy as np
import pytest

from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import load_crops, prepare, read_dataset
from landmarks.datasets.table import counts, labels_of
from landmarks.detection.base import Detections
from landmarks.errors import DataError
from landmarks.geometry import BoxRule
from landmarks.schemes import GENDER
from tests.helpers.commands import run
from tests.helpers.faces import draw_face, write_png

ROWS = [
    ("1.png", "train", "03-Sep", "Male", "East Asian"),
    ("2.png", "val", "20-29", "Female", "Latino_Hispanic"),
    ("3.png", "test", "more than 70", "Female", "Black"),
    ("4.png", "train", "0-2", "", ""),
]


def laid_out(root, rows=ROWS, head="image,part,age,gender,race"):
    root.mkdir(exist_ok=True)
    (root / "faces.csv").write_text("\n".join([head, *map(",".join, rows)]) + "\n")
    for name, *_ in rows:
        write_png(root / "images" / name, draw_face(int(name[0]))[0])
    return root


class Middle:
    """Finds a face of 40 pixels in the middle of each picture but that of one name, and a larger one in the corner."""

    name, rule, least_side = "middle", BoxRule(), None

    def __call__(self, image, name=""):
        x, y = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
        boxes = [[x - 20, y - 20, x + 20, y + 20], [0, 0, 50, 50]] if "4.png" not in name else []
        return Detections(np.array(boxes).reshape(-1, 4), np.ones(len(boxes)))


def test_laid_out_with_own_parts(tmp_path):
    dataset = read_dataset(laid_out(tmp_path))
    table = dataset.table
    assert dataset.name == "fairface" and "CC BY 4.0" in dataset.terms and set(table["source"]) == {"fairface"}
    assert table["split"].tolist() == ["train", "val", "test", "train"]
    assert labels_of(table, GENDER).tolist() == [1, 0, 0, -1]
    assert table["age"].tolist() == ["3-9", "20-29", "more than 70", "0-2"]
    assert table["race"].tolist() == ["East Asian", "Latino Hispanic", "Black", ""]
    assert dataset.image(0).shape == (160, 160, 3)
    assert counts(table).loc["race: Black"].tolist() == [0, 0, 1]


def test_as_published(tmp_path):
    head = "file,age,gender,race,service_test"
    (tmp_path / "fairface_label_train.csv").write_text(f"{head}\n" + "".join(
        f"train/{i}.png,3-9,Male,White,True\n" for i in range(10)))  # fmt: skip
    (tmp_path / "fairface_label_val.csv").write_text(f"{head}\nval/1.png,30-39,Female,Indian,False\n")
    write_png(tmp_path / "val" / "1.png", draw_face(1)[0])
    for i in range(10):
        write_png(tmp_path / "train" / f"{i}.png", draw_face(i)[0])
    dataset = read_dataset(tmp_path)
    assert dataset.table["split"].value_counts().to_dict() == {"train": 9, "val": 1, "test": 1}
    assert dataset.image(10).shape == (160, 160, 3)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("1.png", "train", "3-9", "Man", "White"), "line 2: gender must be one of female, male, not 'Man'"),
        (("1.png", "all", "3-9", "Male", "White"), "line 2: part must be one of train, val, test, not 'all'"),
        (("1.png", "train", "3-9", "Male"), "line 2: 5 cells wanted, 4 found"),
    ],
)
def test_the_wrong_line_is_named(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        read_dataset(laid_out(tmp_path, [row]))


def test_a_list_without_rows_or_columns(tmp_path):
    with pytest.raises(DataError, match="name no image"):
        read_dataset(laid_out(tmp_path, []))
    (tmp_path / "fairface_label_train.csv").write_text("file,age\n")
    with pytest.raises(DataError, match="line 1: not FairFace's list, without a column gender"):
        read_dataset(tmp_path)


def test_a_detector_places_faces(tmp_path):
    dataset = read_dataset(laid_out(tmp_path / "in"))
    with pytest.warns(UserWarning, match=r"1 in which the detector finds no face \(images/4.png\)"):
        prepare(dataset, tmp_path / "out", detector=Middle())
    crops = load_crops(tmp_path / "out")
    assert crops.table["split"].tolist() == ["train", "val"] and crops.table["race"].tolist()[0] == "East Asian"
    squares = canonical_squares(crops.table, 1.0)  # BoxRule's square is the box, which holds CACHE_SCALE extents
    assert np.allclose(squares, [[95.5, 95.5, 192 / 4, 0]] * 2)
    with pytest.raises(DataError, match="without a box or points"):
        prepare(dataset, tmp_path / "none")


def test_the_command_places_faces(tmp_path, monkeypatch, capsys):
    laid_out(tmp_path / "in")
    arguments = ("data", "prepare", tmp_path / "in", "--out", tmp_path / "out", "--detector")
    assert run(monkeypatch, *arguments, "whole-image") == 0
    assert "4 faces, 3 of them cropped" in capsys.readouterr().out
    assert run(monkeypatch, *arguments, "nobody") == 2
