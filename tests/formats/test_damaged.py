"""Files that no run left behind are read or refused, with a sentence."""

import random

import pandas as pd
import pytest

from landmarks import read_results
from landmarks.errors import DataError
from landmarks.formats import (
    FORMATS,
)
from tests.helpers.results import CASES, write


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("faces.csv", "a,b\n1,2\n"), ("faces.csv", "\0\0"), ("faces.jsonl", "{}\n"), ("faces.jsonl", "[]\n"),
        ("faces.jsonl", '{"image": "a", "faces": [1]}\n'), ("coco.json", "{"), ("coco.json", "[1]"),
        ("coco.json", '{"images": 3}'), ("faces.parquet", "PAR1"), ("a.txt", "0 1"), ("a.pts", "version: 1"),
        ("a.pts", "version: 1\nn_points: 5\n{\n1 2\n}\n"),
        ("a.xml", "<annotations><image name='a'><skeleton/></image></annotations>"), ("a.xml", "<"), ("a.doc", ""),
        ("a.xml", "<?xml version='1.0' encoding='utf-9'?><annotations/>"),
        ("a.pts", "version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n"), ("index.csv", "x\n1\n"), ("labels.csv", "x\n1\n"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_a_sentence(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    path = tmp_path if name in ("index.csv", "labels.csv") else tmp_path / name
    with pytest.raises(DataError, match=str(tmp_path)):
        read_results(path)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """A file with a flipped bit, a lost, doubled or replaced piece, or cut short."""
    at = rng.randrange(len(data))
    end = at + rng.randint(1, 40)
    return rng.choice(
        [
            data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
            data[:at] + data[end:],
            data[:end] + data[at:],
            data[:at],
            data[:at] + rng.choice([b"null", b"1e999", b"9" * 40, b"[[", b"\0", b"\xff", b"../..", b"{}"]) + data[end:],
        ]
    )


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_are_read_or_refused(format, tmp_path):
    """Never a crash, never another error than DataError."""
    write(tmp_path, CASES["some without"], [format])
    files = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file() and p.stat().st_size}
    rng = random.Random(0)
    for _ in range(30):
        path = rng.choice(list(files))
        path.write_bytes(mutated(rng, files[path]))
        try:
            assert isinstance(read_results(tmp_path, format), pd.DataFrame)
        except DataError as error:
            assert str(tmp_path) in str(error)
        path.write_bytes(files[path])


@pytest.mark.parametrize(("format", "list_file"), [("pts", "index.csv"), ("yolo", "labels.csv")])
def test_a_list_names_only_files_of_its_folder(format, list_file, tmp_path):
    write(tmp_path, CASES["two faces"], [format])
    path = tmp_path / format / list_file
    path.write_text(path.read_text().replace("a.pts", "../x").replace("labels/a.txt", "/etc/passwd"))
    with pytest.raises(DataError, match="not in the folder"):
        read_results(tmp_path)
