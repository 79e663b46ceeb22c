"""WFLW."""

import numpy as np
import pytest

from landmarks.datasets.dataset import check_images, prepare, read_dataset
from landmarks.datasets.table import BOX, points_of
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_98
from tests.helpers.datasets import face, wflw, wflw_line


@pytest.mark.parametrize("images", ["WFLW_images", "WFLW_images/WFLW_images"])
def test_wflw(tmp_path, images):
    train = [wflw_line("0--Parade/0_Parade_1.jpg", face(POINTS_98, seed)) for seed in range(2)]
    dataset = read_dataset(wflw(tmp_path, train, [wflw_line("1--Hand/a.jpg", face(POINTS_98, 2))], images))
    assert dataset.name == "wflw" and dataset.table["split"].tolist() == ["train", "train", "test"]
    assert np.allclose(points_of(dataset.table, POINTS_98), [face(POINTS_98, seed) for seed in range(3)])
    assert dataset.table[BOX].iloc[2].tolist() == [10, 20, 110, 140]
    assert check_images(dataset) == []
    assert len(prepare(dataset, tmp_path / "out").table) == 2, "two faces of one image are no copies"


GOOD_WFLW = wflw_line("1--Hand/a.jpg", face(POINTS_98))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", "line 2: 207 fields wanted"),
        (GOOD_WFLW.replace(GOOD_WFLW.split()[0], "x", 1), "line 2: could not convert"),
        (GOOD_WFLW.replace(GOOD_WFLW.split()[0], "nan", 1), "line 2: a coordinate is not finite"),
        (GOOD_WFLW.replace("0 1 0 0 1 0", "0 1 0 0 1 2"), "line 2: the six marks"),
        (wflw_line("1--Hand/a.jpg", face(POINTS_98), (10, 20, 10, 140)), "line 2: the box needs x0 < x1"),
        ("\x00" * 20, "line 2: 207 fields wanted"),
    ],
)
def test_wflw_names_the_wrong_line(tmp_path, line, message):
    with pytest.raises(DataError, match=message):
        read_dataset(wflw(tmp_path, [GOOD_WFLW, line]))


def test_wflw_images_are_sought(tmp_path):
    with pytest.raises(DataError, match=r"other\.jpg is not there; put the folder WFLW_images"):
        read_dataset(wflw(tmp_path / "a", [wflw_line("other.jpg", face(POINTS_98))]))
    outside = wflw_line("../../secret.jpg", face(POINTS_98))
    dataset = read_dataset(wflw(tmp_path / "b", [GOOD_WFLW, outside]))
    with pytest.raises(ImageError, match="leads out"):
        dataset.image(1)
