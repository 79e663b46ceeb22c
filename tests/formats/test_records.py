"""A record survives the journal to the last bit."""

import json
from dataclasses import replace

import numpy as np
import pytest

from landmarks import Faces
from landmarks.formats import (
    FORMATS,
    record_from_dict,
    record_to_dict,
)
from tests.helpers.results import CASES, write


@pytest.mark.parametrize("case", CASES)
def test_a_record_as_json_is_exact(case):
    for one in CASES[case][:5]:
        again = record_from_dict(json.loads(json.dumps(record_to_dict(one), allow_nan=False)))
        assert replace(again, faces=one.faces) == replace(one, faces=one.faces)
        assert_same_faces(again.faces, one.faces)


def assert_same_faces(found: Faces, wanted: Faces) -> None:
    assert found.scheme is wanted.scheme and list(found.attributes) == list(wanted.attributes)
    for name in ("boxes", "points", "scores", "quality", "point_errors"):
        if getattr(wanted, name) is None:
            assert getattr(found, name) is None
            continue
        assert getattr(found, name).dtype == np.float32
        assert np.array_equal(getattr(found, name), getattr(wanted, name), equal_nan=True)
    assert list(found.quantities) == list(wanted.quantities)
    for name, one in wanted.quantities.items():
        assert found.quantities[name].quantity == one.quantity
        assert np.array_equal(found.quantities[name].values, one.values, equal_nan=True)
    for name, scores in wanted.attributes.items():
        assert np.array_equal(found.attributes[name].probabilities, scores.probabilities, equal_nan=True)


@pytest.mark.filterwarnings("ignore:.*another image has its label file")
@pytest.mark.parametrize("found", [CASES["some without"] + CASES["failed"], CASES["calibrated"]])
def test_what_is_written_from_a_journal_is_the_same(found, tmp_path):
    write(tmp_path / "a", found, list(FORMATS))
    write(tmp_path / "b", [record_from_dict(json.loads(json.dumps(record_to_dict(r)))) for r in found], list(FORMATS))
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files and files == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file())
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
