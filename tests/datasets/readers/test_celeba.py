"""CelebA and MAFL."""

import numpy as np
import pytest

from landmarks.datasets.crops.cutting import CACHE_SIZE
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import load_crops, prepare, read_dataset
from landmarks.datasets.table import BOX, counts, labels_of, points_of
from landmarks.errors import DataError
from landmarks.schemes import GENDER, GLASSES, POINTS_5, SMILE
from tests.helpers.datasets import CELEBA_POINTS, GARBAGE, POINT_COLUMNS, celeba
from tests.helpers.faces import draw_face, shared, write_png


def test_celeba_attributes_alone(tmp_path):
    dataset = read_dataset(celeba(tmp_path, size=(89, 109)))
    table = dataset.table
    assert dataset.name == "celeba" and set(table["source"]) == {"celeba"}
    assert labels_of(table, GLASSES).tolist() == [0, 1, 0, 1, 0, 1]
    assert labels_of(table, GENDER).tolist() == [1, 1, 1, 0, 0, 0]
    assert labels_of(table, SMILE).tolist() == [0, 0, 0, 0, 0, 1]
    assert table["pose"].isna().all() and table["points_5"].isna().all()
    box = table[BOX].to_numpy()
    assert (box == box[0]).all() and np.allclose((box[0] + 0.5) / [89, 109, 89, 109], [0.267, 0.317, 0.751, 0.837])
    assert dataset.image(0).shape == (109, 89, 3)


@pytest.mark.parametrize(("size", "expected"), [((178, 218), CELEBA_POINTS), ((89, 109), CELEBA_POINTS / 2 - 0.25)])
def test_celeba_points_and_partition(tmp_path, size, expected):
    celeba(tmp_path, size, points=True)
    text = "".join(f"00000{i}.jpg {i // 2}\n" for i in range(6))
    (tmp_path / "Anno" / "list_eval_partition.txt").write_text(text)
    table = read_dataset(tmp_path).table
    assert table["split"].tolist() == ["train", "train", "val", "val", "test", "test"]
    assert np.allclose(points_of(table, POINTS_5), expected) and table["x0"].isna().all()


def test_mafl_is_not_taken_for_mtfl(tmp_path):
    celeba(tmp_path, points=True)
    (tmp_path / "training.txt").write_text("000001.jpg\r\n000002.jpg\r\n")
    (tmp_path / "testing.txt").write_text("000005.jpg\n")
    dataset = read_dataset(tmp_path)
    assert dataset.name == "celeba" and dataset.table["split"].tolist() == ["train", "train", "test"]
    assert dataset.table["image"].str.contains("img_align_celeba").all()
    (tmp_path / "training.txt").write_text("other.jpg\n")
    (tmp_path / "testing.txt").write_text("")
    with pytest.raises(DataError, match="no image in common"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list_attr_celeba.txt", "", "line 1: not CelebA's list"),
        ("list_attr_celeba.txt", "1\nBald Male\nx.jpg 1 1\n", "line 1: not CelebA's list"),
        ("list_attr_celeba.txt", "0\nEyeglasses Male Smiling\n", "the image '' is not there; put img_align_celeba"),
        ("list_attr_celeba.txt", "2\nEyeglasses Male Smiling\nx.jpg 1 1 1\n", "line 1: 2 rows announced, 1 found"),
        (
            "list_attr_celeba.txt",
            "1\nEyeglasses Male Smiling\nx.jpg 1 1\n",
            "line 3: an image name and 3 values wanted",
        ),
        ("list_attr_celeba.txt", "1\nEyeglasses Male Smiling\nx.jpg 1 0 1\n", "line 3: .*one of -1, 1"),
        ("list_attr_celeba.txt", "1\nEyeglasses Male Smiling\nx.jpg 1 1 1\n", "the image 'x.jpg' is not there"),
        ("list_attr_celeba.txt", GARBAGE.decode("latin1"), "line 1"),
        ("list_eval_partition.txt", "000000.jpg 0\n000001.jpg 3\n", "line 2: an image name and 0, 1 or 2 wanted"),
        ("list_eval_partition.txt", "000000.jpg\n", "line 1: an image name and 0, 1 or 2 wanted"),
        ("list_landmarks_align_celeba.txt", f"1\n{POINT_COLUMNS}\nx.jpg 1 1 1 1 1 1 1 1 1 y\n", "line 3: could not"),
        ("list_landmarks_align_celeba.txt", f"1\n{POINT_COLUMNS}\nx.jpg 1 1 1 1 1 1 1 1 1 inf\n", "line 3: .*finite"),
    ],
)
def test_celeba_names_the_wrong_line(tmp_path, name, text, message):
    celeba(tmp_path, points=True)
    (tmp_path / "Anno" / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


def test_faces_with_a_box_alone_are_cached(tmp_path):
    crops = prepare(read_dataset(celeba(tmp_path / "data")), tmp_path / "out")
    assert len(crops.table) == 6 and len(load_crops(tmp_path / "out").part("train")) >= 5
    middle = (CACHE_SIZE - 1) / 2
    assert np.allclose(canonical_squares(crops.table, 1.8), [middle, middle, CACHE_SIZE * 1.8 / 4, 0], atol=1e-6)
    boxes = crops.table[BOX].to_numpy()
    assert (boxes[:, 0] < middle).all() and (boxes[:, 2] > middle).all(), "boxes move with the crop"
    assert all(crops.picture(row)[CACHE_SIZE // 2, CACHE_SIZE // 2].any() for row in range(6))


def test_faces_without_points_and_box_are_not_cached(tmp_path):
    write_png(tmp_path / "a.png", draw_face(0)[0])
    write_png(tmp_path / "b.png", draw_face(1)[0])
    (tmp_path / "faces.csv").write_text("image,smile,x0,y0,x1,y1\na.png,smiling,,,,\nb.png,smiling,20,20,140,140\n")
    crops = prepare(read_dataset(tmp_path), tmp_path / "out")
    assert crops.table["image"].tolist() == ["b.png"] and len(read_dataset(tmp_path / "out").table) == 2


def test_real_celeba_has_its_counts():
    table = read_dataset(shared("datasets/CelebA-8k.zip")).table
    assert counts(table).loc["boxes"].tolist() == [7200, 800]
    assert np.bincount(labels_of(table, GLASSES)).tolist() == [7454, 546]
    assert np.bincount(labels_of(table, SMILE)).tolist() == [4161, 3839]
    assert np.bincount(labels_of(table, GENDER)).tolist() == [4628, 3372]
