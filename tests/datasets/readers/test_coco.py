"""COCO keypoints."""

import numpy as np
import pytest

from landmarks.datasets.dataset import check_images, read_dataset
from landmarks.datasets.table import BOX, points_of
from landmarks.errors import DataError
from landmarks.schemes import POINTS_5, SCHEMES
from tests.helpers.datasets import GARBAGE, coco, entry, face, keypoints
from tests.helpers.faces import draw_face, write_png


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
def test_coco(tmp_path, scheme):
    absent = keypoints(face(scheme), v=0)
    entries = [entry(face(scheme), bbox=[10, 20, 30, 40]), entry(keypoints=absent, bbox=[1, 2, 3, 4]), entry()]
    dataset = read_dataset(coco(tmp_path, entries, "annotations/person_keypoints_val2017.json"))
    table = dataset.table
    assert dataset.name == "coco" and table["split"].tolist() == ["val"] * 3
    assert (
        np.allclose(points_of(table, scheme)[0], face(scheme)) and table[scheme.name].isna().tolist()[1:] == [True] * 2
    )
    assert table[BOX].iloc[0].tolist() == [9.5, 19.5, 39.5, 59.5] and np.isnan(table["x0"].iloc[2])
    assert np.array_equal(dataset.image(0), draw_face(3)[0]) and check_images(dataset) == []


@pytest.mark.parametrize(
    ("name", "split"),
    [("train.json", "train"), ("faces-test.json", "test"), ("annotations/person_keypoints_test.json", "test"),
     ("latest.json", "train"), ("annotations/Val.JSON", "val"), ("any.json", "train")],
)  # fmt: skip
def test_coco_split_by_name(tmp_path, name, split):
    table = read_dataset(coco(tmp_path, [entry(face(POINTS_5))], name)).table
    assert table["split"].tolist() == [split]


def test_coco_images_of_a_split_lie_in_its_folder(tmp_path):
    for split in ("train", "val"):
        write_png(tmp_path / f"{split}2017" / "a.png", draw_face(0)[0])
        coco(tmp_path, [entry(face(POINTS_5))], f"annotations/{split}.json")
    assert read_dataset(tmp_path).table["image"].tolist() == ["train2017/a.png", "val2017/a.png"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": keypoints(np.ones((17, 2)))}, "annotation 5: there is no scheme of 17 landmarks"),
        ({"keypoints": [1, 2, 2, 3]}, "annotation 5: keypoints must be x, y, v"),
        ({"keypoints": [float("nan"), *keypoints(face(POINTS_5))[1:]]}, "annotation 5: .*finite numbers"),
        ({"keypoints": ["x", *keypoints(face(POINTS_5))[1:]]}, "annotation 5: could not convert"),
        ({"keypoints": [10**400, *keypoints(face(POINTS_5))[1:]]}, "annotation 5: int too large"),
        ({"keypoints": 7}, "annotation 5: "),
        ({"keypoints": keypoints(face(POINTS_5)[list(POINTS_5.swap)])}, "left and right must be the image's"),
        ({"bbox": [1, 2, 0, 4]}, "annotation 5: bbox must be"),
        ({"bbox": [1, 2, 3]}, "annotation 5: "),
        ({"bbox": [1, 2, float("inf"), 3]}, "annotation 5: bbox must be"),
        ({"image_id": 8}, "annotation 5: there is no image of id or no entry 8"),
        ({"image_id": [8]}, "annotation 5: "),
    ],
)
def test_coco_names_the_wrong_annotation(tmp_path, change, message):
    with pytest.raises(DataError, match=rf"faces\.json:? {message}" if message.startswith("annot") else message):
        read_dataset(coco(tmp_path, [{**entry(face(POINTS_5)), **change}]))


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../b.png", "..\\secret.png", "", 3, None])
def test_coco_images_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match=r"image 7: file_name .* is not a path inside the dataset"):
        read_dataset(coco(tmp_path, [entry(face(POINTS_5))], images=[{"id": 7, "file_name": name}]))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "7", '{"images": 3, "annotations": []}', '{"images": [], "annotations": [4]}', "[" * 99999]
)
def test_coco_that_is_none(tmp_path, text):
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(DataError, match=r"train\.json: an object with `images`"):
        read_dataset(tmp_path)


def test_binary_json(tmp_path):
    (tmp_path / "train.json").write_bytes(GARBAGE)
    with pytest.raises(DataError, match=r"train\.json is not UTF-8"):
        read_dataset(tmp_path)
