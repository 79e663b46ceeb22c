"""The folder of a comparison: what is written is read back, what is broken is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.grid.arms import LATER, Arm, Grid
from landmarks.comparison.results import (
    FACES,
    GRID,
    RESULTS,
    ROW_SCHEMA,
    collect,
    read_results,
    row_path,
    write_faces,
    write_grid,
    write_row,
)
from landmarks.comparison.runs.logs import read_log
from landmarks.errors import LandmarksError
from tests.helpers.comparisons import ALL, POINTS, config, make_run


def a_row(arm="one", seed=0, faces=3, **others):
    generator = np.random.default_rng(seed)
    row = {name: () for name in ROW_SCHEMA.names} | {
        **{"arm": arm, "group": "tasks", "seed": seed, "config": config((POINTS, "smile"))},
        **{"vectors": generator.normal(size=(faces, 5, 2)), "guess_smile": generator.integers(0, 2, faces)},
        **{"train_error": 0.05, "val_error": 0.06, "train_loss": {POINTS: 0.1}, "val_loss": {POINTS: 0.2}},
        **{"parameters": 79_357, "multiply_adds": 3_400_000, "train_seconds": 12.5, "epochs_run": 30},
    }
    return row | others


def some_faces(count=3):
    labels = {"pose": [2, 4, 0], "smile": [0, 1, None], "glasses": [0, 0, 1], "gender": [None, None, None]}
    columns = {name: pd.array(values[:count], dtype="Int8") for name, values in labels.items()}
    names = [f"{i}.jpg" for i in range(count)]
    return pd.DataFrame({"image": names, **columns, "source": "aflw", "interocular": 45.5, "fallback": False})


def begin(folder, faces):
    write_grid(folder, Grid((Arm("one"),), "one"))
    write_faces(folder, faces)


def test_what_is_written_is_read_back(tmp_path):
    begin(tmp_path, some_faces())
    rows = [a_row(seed=seed, vectors_2=np.full((3, 5, 2), seed)) for seed in (1, 0)]
    for row in rows:
        write_row(tmp_path, row)
    write_row(tmp_path, a_row("alone", 7, vectors=(), config=config(("smile",))))
    collect(tmp_path, {"one": 0.25})
    read = read_results(tmp_path)
    assert list(read.arms) == ["one", "alone"]
    pd.testing.assert_frame_equal(read.faces, some_faces()[read.faces.columns], check_dtype=False)
    one, alone = read.arms.values()
    kept = config((POINTS, "smile"))
    assert one.seeds == (0, 1) and one.config.items() >= kept.items() and one.group == "tasks"
    assert set(one.config) - set(kept) == set(LATER)  # the usual ones
    assert one.vectors.dtype == np.float32
    for place, row in enumerate(reversed(rows)):
        assert np.array_equal(one.vectors[place], row["vectors"].astype(np.float32))
        assert np.array_equal(one.second[place], row["vectors_2"])
        assert np.array_equal(one.guesses["smile"][place], row["guess_smile"])
        assert one.numbers.loc[place].to_dict() == {name: (row | {"ms_face": 0.25})[name] for name in one.numbers}
    assert list(one.guesses) == ["smile"] and one.levels == () and one.locates and one.auxiliary == {"smile"}
    assert alone.vectors.shape == (1, 0, 5, 2) and not alone.locates and alone.seeds == (7,)
    assert alone.numbers["ms_face"].isna().all()  # no time was given for it


def test_a_cascade_has_levels(tmp_path):
    begin(tmp_path, some_faces())
    first, second, last = (np.full((3, 5, 2), level) for level in (3, 2, 1))
    write_row(tmp_path, a_row(vectors=last, vectors_level_1=first, vectors_level_2=second))
    collect(tmp_path, {})
    assert [level.mean() for level in read_results(tmp_path).arms["one"].levels] == [3, 2, 1]


def test_a_row_is_whole_or_absent(tmp_path, monkeypatch):
    write_row(tmp_path, a_row())
    before = row_path(tmp_path, "one", 0).read_bytes()
    monkeypatch.setattr("landmarks.atomic.os.fsync", lambda _: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_row(tmp_path, a_row(train_error=0.9))
    with pytest.raises(OSError, match="full"):
        write_row(tmp_path, a_row(seed=1))
    assert row_path(tmp_path, "one", 0).read_bytes() == before and not row_path(tmp_path, "one", 1).exists()
    monkeypatch.undo()
    begin(tmp_path, some_faces())
    collect(tmp_path, {})  # what was half written is not taken for a row
    assert read_results(tmp_path).arms["one"].seeds == (0,)


@pytest.mark.parametrize("change", [{"extra": 1}, {"seed": None}, {"arm": "a/b"}, {"arm": ""}, {"arm": ".hidden"}])
def test_a_row_that_is_none_is_refused(tmp_path, change):
    row = a_row(**change)
    if change == {"seed": None}:
        del row["seed"]
    with pytest.raises(ValueError, match=r"columns|name"):
        write_row(tmp_path, row)
    assert not list(tmp_path.rglob("*.parquet"))


def test_an_empty_comparison_has_no_arms(tmp_path):
    begin(tmp_path, some_faces())
    collect(tmp_path, {})
    assert read_results(tmp_path).arms == {}


def test_what_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(LandmarksError, match=f"{GRID}: missing; give `landmarks compare` the same folder again"):
        read_results(tmp_path)
    begin(tmp_path, some_faces())
    (tmp_path / FACES).rename(tmp_path / "aside")
    with pytest.raises(LandmarksError, match=f"{FACES}: missing"):
        read_results(tmp_path)
    (tmp_path / "aside").rename(tmp_path / FACES)
    with pytest.raises(LandmarksError, match=f"{RESULTS}: missing"):
        read_results(tmp_path)
    (tmp_path / RESULTS).write_bytes(b"PAR1 but not quite")
    with pytest.raises(LandmarksError, match=f"{RESULTS}: not of a comparison"):
        read_results(tmp_path)
    pd.DataFrame({"arm": ["a"]}).to_parquet(tmp_path / RESULTS)
    with pytest.raises(LandmarksError, match=f"{RESULTS}: not of a comparison"):
        read_results(tmp_path)
    write_row(tmp_path, a_row())
    row_path(tmp_path, "one", 0).write_bytes(b"")
    with pytest.raises(LandmarksError, match=r"one-0.parquet: .*delete it"):
        collect(tmp_path, {})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([a_row(faces=4)], "does not fit the 3 faces"),
        ([a_row(guess_smile=[0, 1])], "guess_smile of the arm 'one' does not fit"),
        ([a_row(), a_row(seed=1, vectors=())], "vectors of the arm 'one' does not fit"),
        ([a_row(), a_row(seed=1, config=config(epochs=7))], "differ in their settings"),
    ],
)
def test_rows_that_do_not_fit_are_named(tmp_path, rows, message):
    begin(tmp_path, some_faces())
    for row in rows:
        write_row(tmp_path, row)
    collect(tmp_path, {})
    with pytest.raises(LandmarksError, match=message):
        read_results(tmp_path)


def test_logs(tmp_path):
    make_run(tmp_path, {"all": ("tasks", config(ALL), 0.08, 0.01, 1)}, faces=5)
    rows = read_log(tmp_path, "all", 0)
    assert [row["epoch"] for row in rows] == list(range(6)) and set(rows[0]["train"]) == set(ALL)
    assert read_log(tmp_path, "all", 1) == []
    path = tmp_path / "runs" / "all-0" / "log.jsonl"
    path.write_text(path.read_text() + '{"epoch": 6, "tr')
    with pytest.raises(LandmarksError, match="line 7"):
        read_log(tmp_path, "all", 0)
