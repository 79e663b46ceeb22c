"""COFW and the MATLAB files it comes in."""

import pickle
import sys
import zipfile

import numpy as np
import pytest

from landmarks.datasets.dataset import check_images, prepare, read_dataset
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_29
from tests.helpers.datasets import GARBAGE, cofw, cofw_file, cofw_shape, face
from tests.helpers.faces import draw_face


@pytest.mark.parametrize("colour", [True, False])
def test_cofw(tmp_path, colour):
    dataset = pickle.loads(pickle.dumps(read_dataset(cofw(tmp_path, colour=colour))))
    table = dataset.table
    assert dataset.name == "cofw" and (table["split"] == "test").sum() == 3
    assert table["source"].tolist() == ["lfpw"] * 3 + ["cofw"] * 3
    for row in range(6):
        drawn = draw_face(row % 3)[0][:, : 150 + row % 3]
        assert np.array_equal(dataset.image(row), drawn if colour else np.repeat(drawn[..., :1], 3, axis=2))
        assert np.allclose(table["points_29"].iloc[row], face(POINTS_29, row % 3))
        assert table[BOX].iloc[row].tolist() == [10 + row % 3, 20, 110 + row % 3, 130]
    assert check_images(dataset) == []
    prepared = prepare(dataset, tmp_path / "out")
    assert len(prepared.table) == 3 and read_dataset(tmp_path / "out").image(4).shape == (160, 151, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": np.full((1, 87), np.nan)}, "face 1: a coordinate is not finite"),
        ({"boxes": [[1, 1, 0, 5]]}, "face 1: the box has width 0"),
        ({"shapes": np.ones((1, 136))}, "N x 87 shapes"),
        ({"shapes": np.ones((2, 87))}, "N x 87 shapes"),
        ({"ending": "T"}, "not the MATLAB 7.3 file"),
    ],
)
def test_cofw_names_the_wrong_face(tmp_path, change, message):
    good = {"images": [draw_face(0)[0]], "shapes": [cofw_shape(face(POINTS_29))], "boxes": [[1, 1, 9, 9]]}
    cofw_file(tmp_path / "COFW_train.mat", **{**good, **change})
    with pytest.raises(DataError, match=rf"COFW_train\.mat.*{message}"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("image", [np.zeros((9, 9)), np.zeros((9, 9, 4), np.uint8), np.zeros(9, np.uint8)])
def test_cofw_image_that_is_none(tmp_path, image):
    cofw_file(tmp_path / "COFW_train.mat", [image], [cofw_shape(face(POINTS_29))], [[1, 1, 9, 9]])
    with pytest.raises(ImageError, match=r"COFW_train\.mat.*not an 8-bit image"):
        read_dataset(tmp_path).image(0)


def test_mat_files_that_cannot_be_read(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    cofw(tmp_path / "data")
    train = tmp_path / "data" / "common" / "COFW_train_color.mat"
    for name in ("IsTr/0004", "IsTr/x", "IsTr", "none/1", "IsTr/1/../../.."):
        with pytest.raises(DataError):
            Files(tmp_path / "data").read(f"common/COFW_train_color.mat/{name}")
    with zipfile.ZipFile(tmp_path / "cofw.zip", "w") as archive:
        archive.write(train, train.name)
    with pytest.raises(DataError, match="unpack it"):
        read_dataset(tmp_path / "cofw.zip")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(DataError, match=r"landmarks\[cofw\]"):
            read_dataset(tmp_path / "data")
    for damage in (b"", GARBAGE, train.read_bytes()[:3000]):
        train.write_bytes(damage)
        with pytest.raises(DataError, match=r"COFW_train_color\.mat: not the MATLAB 7.3 file"):
            read_dataset(tmp_path / "data")
