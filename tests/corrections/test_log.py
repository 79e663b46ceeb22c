"""The file of corrections: what is written is read back; what was never finished costs itself alone."""

from __future__ import annotations

import json

import pytest

from landmarks.corrections import FILE, Correction, CorrectionLog, read_corrections
from landmarks.corrections.correction import correction_from
from landmarks.errors import DataError, LandmarksError
from landmarks.schemes import POINTS_5

POINTS = {name: (10.0 + i, 20.5) for i, name in enumerate(POINTS_5.points)}


def line(kind="accept", **fields) -> Correction:
    labels = {} if kind in ("remove", "undo") else {"points": POINTS, "attributes": {"smile": "smiling"}}
    return Correction(**{"kind": kind, "image": "a.jpg", "face": "0", "box": (1, 2, 30, 40), **labels, **fields})


def test_lines_come_back_in_order(tmp_path):
    wanted = [
        line("accept", who="ann", time="2026-01-01T00:00:00.000+00:00", found=(1.0, 2.0, 30.0, 40.0)),
        line("correct", image="=<&>\udcff été\n.jpg", points=POINTS | {"nose": None}, attributes={"smile": None}),
        line("remove", box=None),
        line("correct", quantities={"turn": 0.1, "years": None}),
        line("undo", box=None, undoes="0123456789abcdef"),
    ]
    with CorrectionLog(tmp_path) as log:
        assert log.corrections == []
        for one in wanted:
            log.append(one)
    assert read_corrections(tmp_path) == wanted
    with CorrectionLog(tmp_path) as log:
        assert log.corrections == wanted


def test_lines_that_speak_of_no_number_stay_as_older_readers_know_them():
    assert json.loads(line().line())["v"] == 1 and "quantities" not in line().line()
    told = line(quantities={"turn": -12.5, "years": None, "most": 1e30, "whole": 3})
    assert json.loads(told.line())["v"] == 2 and correction_from(json.loads(told.line())) == told
    old = {name: value for name, value in json.loads(told.line()).items() if name != "quantities"} | {"v": 1}
    assert correction_from(old).quantities == {}


def test_without_a_file_there_are_none(tmp_path):
    assert read_corrections(tmp_path) == []


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_torn_last_line_is_told_and_taken_away_by_the_next_writer(tmp_path, cut):
    first, second = line().line().encode(), line().line().encode()
    (tmp_path / FILE).write_bytes(first + b"\n" + second[:-cut])
    with pytest.warns(UserWarning, match="line 2 is left out: it was never finished"):
        assert len(read_corrections(tmp_path)) == 1
    with pytest.warns(UserWarning, match="never finished"), CorrectionLog(tmp_path) as log:
        log.append(line("remove"))
    assert [one.kind for one in read_corrections(tmp_path)] == ["accept", "remove"]


def test_a_last_line_that_lacks_its_end_alone_is_kept(tmp_path):
    (tmp_path / FILE).write_text(line().line())
    with CorrectionLog(tmp_path) as log:
        log.append(line("remove"))
    assert [one.kind for one in read_corrections(tmp_path)] == ["accept", "remove"]


BROKEN = {
    "rubbish": b"\0\xff",
    "another version": json.dumps({**json.loads(line().line()), "v": 3}).encode(),
    "a huge whole number": line().line().replace("[10.0,", f"[1{'0' * 400},").encode(),
    "a number that is none": json.dumps({**json.loads(line().line()), "v": 2, "quantities": {"turn": 1e999}}).encode(),
    "not an object": b"[1]",
    "deep": b"[" * 60000,
    "long": b'{"v":1,"who":"' + b"a" * 70000 + b'"}',
}


@pytest.mark.parametrize("rubbish", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_costs_itself(tmp_path, rubbish):
    (tmp_path / FILE).write_bytes(b"\n".join([line().line().encode(), rubbish, line("remove").line().encode(), b""]))
    with pytest.warns(UserWarning, match="line 2 is left out"):
        assert [one.kind for one in read_corrections(tmp_path)] == ["accept", "remove"]


def test_one_process_writes_at_a_time(tmp_path):
    with CorrectionLog(tmp_path), pytest.raises(LandmarksError, match="another process is writing corrections"):
        CorrectionLog(tmp_path)
    CorrectionLog(tmp_path).close()


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    with CorrectionLog(tmp_path) as log:
        log.append(line())
        before = (tmp_path / FILE).read_bytes()

        def full(descriptor):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch, pytest.raises(OSError, match=FILE):
            patch.setattr("os.fsync", full)
            log.append(line("remove"))
        assert (tmp_path / FILE).read_bytes() == before and len(log.corrections) == 1


WRONG = {
    "kind": {"kind": "praise"},
    "no image": {"image": ""},
    "number for a name": {"face": 0},
    "id": {"id": "../../x"},
    "undo without its line": {"kind": "undo", "undoes": ""},
    "accept that undoes": {"undoes": "0123456789abcdef"},
    "landmarks of no scheme": {"points": {"nose": [1, 2]}},
    "landmarks out of order": {"points": dict(reversed(POINTS.items()))},
    "infinite": {"points": POINTS | {"nose": [float("inf"), 1]}},
    "text": {"points": POINTS | {"nose": ["1", 1]}},
    "three numbers": {"points": POINTS | {"nose": [1, 1, 1]}},
    "yes": {"points": POINTS | {"nose": [True, 1]}},
    "label": {"attributes": {"smile": 1}},
    "attributes as a list": {"attributes": ["smile"]},
    "box": {"box": [3, 2, 1, 4]},
    "half a box": {"box": [1, 2, 3]},
    "a number as text": {"quantities": {"turn": "1"}},
    "a number that is yes": {"quantities": {"turn": True}},
    "a number that is not one": {"quantities": {"turn": float("nan")}},
    "an infinite number": {"quantities": {"turn": float("-inf")}},
    "a number beyond 32 bits": {"quantities": {"turn": 1e31}},
    "a whole number beyond all": {"quantities": {"turn": 10**400}},
    "a list for a number": {"quantities": {"turn": [1]}},
    "numbers as a list": {"quantities": [1]},
    "no numbers": {"quantities": None},
    "added without a box": {"kind": "add", "box": None},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused(change):
    with pytest.raises(DataError):
        correction_from(json.loads(line().line()) | change)
