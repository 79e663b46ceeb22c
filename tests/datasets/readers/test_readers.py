"""What all readers share: files that cannot be read, data that nobody knows, tables of another age."""

import zipfile

import numpy as np
import pandas as pd
import pytest

from landmarks.datasets.dataset import read_dataset
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import load_table, points_of
from landmarks.errors import DataError
from landmarks.schemes import ATTRIBUTES, POINTS_5, SCHEMES


def test_names_that_no_file_can_have(tmp_path):
    for name in ("a\0b", "x" * 5000):
        with pytest.raises(DataError, match="cannot read"):
            Files(tmp_path).read(name)


def test_damaged_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("training.txt", "x" * 5000)
        archive.writestr("testing.txt", "")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    start = data.index(b"training.txt") + len("training.txt")
    data[start : start + 4] = b"\xff" * 4
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"cannot read training\.txt"):
        read_dataset(tmp_path / "a.zip")


def test_unknown_data_lists_what_is_known(tmp_path):
    with pytest.raises(DataError, match=r"CelebA.*MTFL.*WFLW.*COFW.*faces\.csv.*300-W.*COCO"):
        read_dataset(tmp_path)


def test_table_from_before_a_scheme_existed(prepared, tmp_path):
    frame = pd.read_parquet(prepared / "table.parquet").drop(columns=["points_98", "points_29"])
    frame.to_parquet(tmp_path / "old.parquet")
    again = load_table(tmp_path / "old.parquet")
    assert set(SCHEMES) | set(ATTRIBUTES) <= set(again.columns) and again["points_98"].isna().all()
    assert np.array_equal(points_of(again, POINTS_5), points_of(load_table(prepared / "table.parquet"), POINTS_5))
