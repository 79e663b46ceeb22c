"""What a run leaves behind reads back equal, whatever the format and whatever the image is called."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from landmarks import read_results
from landmarks.errors import DataError
from landmarks.formats import (
    FORMATS,
    Results,
    formats_in,
)
from landmarks.formats.text import from_csv_text
from landmarks.formats.writing import places
from landmarks.schemes import ATTRIBUTES
from landmarks.scores import AttributeScores
from tests.helpers.results import (
    CASES,
    HEIGHT,
    HELD,
    NAMES,
    NAN,
    TOLERANCE,
    WIDTH,
    assert_same,
    calibrated,
    expected,
    record,
    some_faces,
    write,
)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_reads_back_equal(case, format, tmp_path):
    write(tmp_path, CASES[case], [format])
    assert formats_in(tmp_path) == [format]
    assert_same(read_results(tmp_path), expected(CASES[case], format), TOLERANCE[format])
    assert not [p for p in tmp_path.rglob("*") if p.suffix in (".partial", ".old") or p.name.startswith(".")]


@pytest.mark.filterwarnings("ignore:.*another image has its label file")
@pytest.mark.parametrize("format", FORMATS)
def test_names_of_images_survive(format, tmp_path):
    found = [record(some_faces(2, seed=i), name) for i, name in enumerate(NAMES)]
    write(tmp_path / "out", found, [format])
    assert_same(read_results(tmp_path / "out"), expected(found, format), TOLERANCE[format])
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "a name led out of the folder"
    listed = pd.read_csv(tmp_path / "out" / "images.csv", keep_default_na=False, dtype=str)["image"]
    assert [from_csv_text(name) for name in listed] == NAMES


@pytest.mark.parametrize("format", FORMATS)
def test_landmarks_that_do_not_exist(format, tmp_path):
    faces = some_faces(3)
    points, smile = faces.points.copy(), faces.attributes["smile"].probabilities.copy()
    points[0], points[1, 2], smile[2] = NAN, NAN, NAN
    attributes = {**faces.attributes, "smile": AttributeScores(ATTRIBUTES["smile"], smile)}
    found = [record(replace(faces, points=points, attributes=attributes))]
    write(tmp_path, found, [format])
    assert_same(read_results(tmp_path), expected(found, format), TOLERANCE[format])


@pytest.mark.parametrize("format", FORMATS)
def test_faces_over_the_border(format, tmp_path):
    """Some tools cannot hold them: landmarks outside are gone there, and boxes end at the border."""
    faces = some_faces(2)
    boxes, points = faces.boxes - 30, faces.points.copy()
    boxes[0, :2], points[0, 0], points[1, 1] = -20, (-5, 100), (WIDTH + 3, HEIGHT + 9)
    wanted = replace(faces, boxes=boxes, points=points)
    write(tmp_path, [record(wanted)], [format])
    if format in ("coco", "labelstudio", "yolo"):
        points[0, 0], points[1, 1] = NAN, NAN
        wanted = replace(wanted, points=points)
    if format in ("labelstudio", "yolo"):
        wanted = replace(wanted, boxes=np.maximum(boxes, -0.5))
    assert_same(read_results(tmp_path), expected([record(wanted)], format), TOLERANCE[format])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("points", [5, 68])
def test_quality_and_errors_are_in_every_format(format, count, points, tmp_path):
    found = [record(calibrated(count, points)), record(calibrated(0, points), "none.jpg")]
    write(tmp_path, found, [format])
    wanted = expected(found, format)
    extra = ["quality", *(f"{name}_error" for name in found[0].faces.scheme.points)]
    assert (set(extra) < set(wanted)) == ("score" in HELD[format])
    assert_same(read_results(tmp_path), wanted, TOLERANCE[format])


@pytest.mark.parametrize("format", FORMATS)
def test_a_format_names_all_that_it_leaves(format, tmp_path):
    write(tmp_path, CASES["two faces"], [format])
    assert {path.name for path in tmp_path.iterdir()} == set(places([format]))


def test_all_formats_at_once_and_by_name(tmp_path):
    found = CASES["some without"]
    write(tmp_path, found, list(FORMATS))
    assert set(formats_in(tmp_path)) == set(FORMATS)
    for format in FORMATS:
        assert_same(read_results(tmp_path, format), expected(found, format), TOLERANCE[format])
        assert_same(read_results(tmp_path / FORMATS[format].place), expected(found, format), TOLERANCE[format])
    assert_same(read_results(tmp_path), expected(found, "parquet"), 0)
    files = {
        "faces.csv": "csv", "faces.jsonl": "jsonl", "faces.parquet": "parquet",
        "faces.parquet/part-00000.parquet": "parquet",
        "coco.json": "coco", "pts": "pts", "yolo": "yolo", "cvat": "cvat", "cvat/annotations.xml": "cvat",
        "labelstudio": "labelstudio", "labelstudio/tasks.json": "labelstudio",
    }  # fmt: skip
    for file, format in files.items():
        assert_same(read_results(tmp_path / file), expected(found, format), TOLERANCE[format])
    one = read_results(tmp_path / "pts" / "c" / "d.pts")
    assert one["left_eye_x"][0] == pytest.approx(found[2].faces.points[0, 0, 0], abs=1e-4)


@pytest.mark.parametrize("place", ["faces.new", "new.json", "new"])
def test_a_new_format_is_read_by_its_place_alone(place, tmp_path, monkeypatch):
    """The entry in the registry is enough, whatever the suffix; `read_results` needs no other list."""
    monkeypatch.setitem(FORMATS, "new", replace(FORMATS["jsonl"], place=place))
    write(tmp_path, CASES["two faces"], ["jsonl"])
    (tmp_path / "faces.jsonl").rename(tmp_path / place)
    assert_same(read_results(tmp_path / place), expected(CASES["two faces"], "jsonl"), TOLERANCE["jsonl"])


def test_what_an_earlier_run_left_in_another_format_is_not_read(tmp_path):
    write(tmp_path, CASES["many"], ["parquet", "coco"])
    write(tmp_path, CASES["two faces"], ["csv", "coco"])
    assert formats_in(tmp_path) == ["csv", "coco"] and len(read_results(tmp_path)) == 2


def test_a_second_run_replaces_the_first(tmp_path):
    write(tmp_path, CASES["many"], list(FORMATS))
    write(tmp_path, CASES["two faces"], list(FORMATS))
    for format in FORMATS:
        assert len(read_results(tmp_path, format)) == 2
    assert len(list((tmp_path / "pts").rglob("*.pts"))) == 2


def test_unknown_formats_are_named(tmp_path):
    with pytest.raises(ValueError, match="'doc' is none of parquet"):
        Results(tmp_path, some_faces(0), ["doc"])
    with pytest.raises(ValueError, match="'sideways' is none of upright"):
        Results(tmp_path, some_faces(0), coords="sideways")
    with pytest.raises(DataError, match="unknown format"):
        read_results(tmp_path, "doc")
    with pytest.raises(DataError, match=r"holds no coco\.json"):
        read_results(tmp_path, "coco")


def test_schema_names_every_column(tmp_path):
    write(tmp_path, [record(calibrated(1))], ["parquet", "csv"], "original")
    schema = json.loads((tmp_path / "schema.json").read_text())
    tables = {table: [column["name"] for column in columns] for table, columns in schema["tables"].items()}
    assert tables["faces"] == read_results(tmp_path).columns.tolist()
    assert tables["faces"] == pd.read_csv(tmp_path / "faces.csv").columns.tolist()
    for table, columns in tables.items():
        written = pyarrow.parquet.read_schema(tmp_path / f"{table}.parquet" / "part-00000.parquet")
        assert written.names == columns
        types = {"string": pyarrow.string(), "int32": pyarrow.int32(), "float32": pyarrow.float32()}
        assert written.types == [types[column["type"]] for column in schema["tables"][table]]
    assert all(column["meaning"] for columns in schema["tables"].values() for column in columns)
    assert schema["coordinates"]["frame"] == "original" and set(schema["formats"]) == {"parquet", "csv"}
    assert "how the annotators" in str(schema["tables"]["faces"]).lower()


def test_parquet_shards_are_bounded(tmp_path, monkeypatch):
    from landmarks.formats.own import parquet

    monkeypatch.setattr(parquet, "SHARD_ROWS", 30)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 12)
    found = [record(some_faces(i % 3, seed=i), f"{i}.jpg") for i in range(150)]
    write(tmp_path, found, ["parquet"])
    shards = sorted((tmp_path / "faces.parquet").iterdir())
    assert len(shards) == 5 and [shard.name for shard in shards] == [f"part-{i:05}.parquet" for i in range(5)]
    assert max(len(pd.read_parquet(shard)) for shard in shards) < 30 + 12 + 2
    assert_same(read_results(tmp_path), expected(found, "parquet"), 0)
    statuses = pd.read_parquet(tmp_path / "images.parquet")
    assert statuses["image"].tolist() == [one.image for one in found]
    assert statuses["faces"].tolist() == [len(one.faces) for one in found]
