"""What a run leaves behind reads back equal, whatever the format and whatever the image is called."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from landmarks import Faces, images, read_results
from landmarks.errors import DataError
from landmarks.faces import AttributeScores
from landmarks.formats import (
    FORMATS,
    Results,
    formats_in,
    record_from_dict,
    record_to_dict,
    to_original,
)
from landmarks.formats.doubts import doubts
from landmarks.formats.text import csv_text, from_csv_text, safe_path
from landmarks.images.image import turn
from landmarks.inference.annotator import Record
from landmarks.schemes import ATTRIBUTES, scheme_of_size

WIDTH, HEIGHT = 640, 480
HELD = {name: {"box", "score", "attributes"} for name in FORMATS} | {"yolo": {"box"}, "pts": set()}
TOLERANCE = {name: 1e-4 for name in FORMATS} | {"parquet": 0, "yolo": 2e-3}
NAMES = [
    "plain.jpg", "folder/b.jpg", "folder_b.jpg", "folder/b.png", "päris été 東京 🙂.jpg", "quo\"te 'single'.jpg",
    "a,b;c.jpg", "new\nline.jpg", "car\rriage.jpg", "<&>.jpg", "=1+1.jpg", "+a.jpg", "-b.jpg", "@c.jpg", "'d.jpg",
    "\ttab.jpg", "NA", "nan.jpg", "null", "../up.jpg", "/absolute.jpg", "%2E.jpg", "no_suffix", ".hidden", " space ",
    "x" * 250 + ".jpg", "日" * 80 + ".jpg", "a.b.c.jpg", "archive.zip/member.jpg", "C:\\windows.jpg", "]]>.jpg",
    "semi;colon&amp;.jpg", "#hash.jpg", "1.50", "True",
]  # fmt: skip


def some_faces(count: int, points: int = 5, attributes=tuple(ATTRIBUTES), seed: int = 0) -> Faces:
    """Faces inside an image of WIDTH x HEIGHT, the numbers of float32 at random."""
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(1, 200, (count, 2)), rng.uniform(40, 230, (count, 1))
    boxes = np.concatenate([corner, corner + size], axis=1)
    scores = {}
    for name in attributes:
        raw = rng.uniform(0.01, 1, (count, len(ATTRIBUTES[name])))
        scores[name] = AttributeScores(ATTRIBUTES[name], (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32))
    located = corner[:, None] + size[:, None] * rng.uniform(0, 1, (count, points, 2))
    return Faces(boxes, located, rng.uniform(0.3, 1, count), scores, scheme_of_size(points))


def calibrated(count: int, points: int = 5, seed: int = 3) -> Faces:
    """The same with a quality and an expected error for each landmark."""
    rng, faces = np.random.default_rng(seed), some_faces(count, points, seed=seed)
    return replace(faces, quality=rng.uniform(0, 1, count), point_errors=rng.uniform(0, 0.1, (count, points)))


def record(faces: Faces, image: str = "a.jpg", **facts) -> Record:
    status = "ok" if len(faces) else "no_face"
    return Record(image, status, faces, **{"width": WIDTH, "height": HEIGHT} | facts)


def write(out: Path, found: list[Record], formats, coords: str = "upright") -> None:
    results = Results(out, found[0].faces[:0], formats, coords)
    for one in found:
        results.write(one)
    results.close()


def expected(found: list[Record], format: str) -> pd.DataFrame:
    """What the format holds of the records, as the table of faces."""
    frame = pd.concat([one.faces.to_frame().assign(image=one.image) for one in found], ignore_index=True)
    frame = frame[["image", *frame.columns.drop("image")]]
    drop = [] if "box" in HELD[format] else ["x0", "y0", "x1", "y1"]
    if "score" not in HELD[format]:
        drop += ["score", *(c for c in frame if c == "quality" or c.endswith("_error"))]
    if "attributes" not in HELD[format]:
        drop += [c for name in found[0].faces.attributes for c in (name, f"{name}_probability")]
    return frame.drop(columns=drop)


def assert_same(found: pd.DataFrame, wanted: pd.DataFrame, tolerance: float) -> None:
    assert found.columns.tolist() == wanted.columns.tolist()
    assert len(found) == len(wanted)
    for name in wanted:
        if wanted[name].dtype.kind in "fi":
            assert found[name].dtype == ("int64" if name == "face" else "float32")
            np.testing.assert_allclose(
                found[name].to_numpy(float), wanted[name].to_numpy(float), rtol=2e-7, atol=tolerance, err_msg=name
            )
        else:
            values = [[None if pd.isna(v) else v for v in frame[name].tolist()] for frame in (found, wanted)]
            assert values[0] == values[1]


NAN = np.float32("nan")
CASES = {
    "two faces": [record(some_faces(2))],
    "68 landmarks": [record(some_faces(3, 68))],
    "29 landmarks": [record(calibrated(3, 29))],
    "98 landmarks": [record(calibrated(2, 98))],
    "no attributes": [record(some_faces(1, 68, ()))],
    **{f"only {name}": [record(some_faces(2, 5, (name,)))] for name in ATTRIBUTES},
    "no score": [record(replace(some_faces(2), scores=np.array([NAN, 0.5])))],
    "no faces": [record(some_faces(0)), record(some_faces(0, seed=1), "b.jpg")],
    "no faces, 68": [record(some_faces(0, 68, ("smile",)))],
    "some without": [record(some_faces(2)), record(some_faces(0), "b.jpg"), record(some_faces(1, seed=2), "c/d.jpg")],
    "failed": [
        record(some_faces(1)),
        Record("bad.jpg", "unreadable", some_faces(0), "=the file is <empty>", 0, 0),
    ],
    "calibrated": [record(calibrated(2)), record(calibrated(0), "b.jpg"), record(calibrated(1, seed=4), "c.jpg")],
    "calibrated, 68": [record(calibrated(3, 68))],
    "many": [record(some_faces(i % 3, seed=i), f"{i // 100}/{i}.jpg") for i in range(600)],
}


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
    """YOLO cannot hold them: its boxes end at the border and its landmarks outside are gone. All others can."""
    faces = some_faces(2)
    boxes, points = faces.boxes - 30, faces.points.copy()
    boxes[0, :2], points[0, 0], points[1, 1] = -20, (-5, 100), (WIDTH + 3, HEIGHT + 9)
    wanted = replace(faces, boxes=boxes, points=points)
    write(tmp_path, [record(wanted)], [format])
    if format == "yolo":
        points[0, 0], points[1, 1] = NAN, NAN
        wanted = replace(faces, boxes=np.maximum(boxes, -0.5), points=points)
    assert_same(read_results(tmp_path), expected([record(wanted)], format), TOLERANCE[format])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [0, 3])
@pytest.mark.parametrize("points", [5, 68])
def test_quality_and_errors_are_in_every_format(format, count, points, tmp_path):
    found = [record(calibrated(count, points)), record(calibrated(0, points), "none.jpg")]
    write(tmp_path, found, [format])
    wanted = expected(found, format)
    extra = ["quality", *(f"{name}_error" for name in found[0].faces.scheme.points)]
    assert (set(extra) < set(wanted)) == (format not in ("yolo", "pts"))
    assert_same(read_results(tmp_path), wanted, TOLERANCE[format])


def test_all_formats_at_once_and_by_name(tmp_path):
    found = CASES["some without"]
    write(tmp_path, found, list(FORMATS))
    assert set(formats_in(tmp_path)) == set(FORMATS)
    for format in FORMATS:
        assert_same(read_results(tmp_path, format), expected(found, format), TOLERANCE[format])
    assert_same(read_results(tmp_path), expected(found, "parquet"), 0)
    files = {
        "faces.csv": "csv", "faces.jsonl": "jsonl", "faces.parquet": "parquet",
        "faces.parquet/part-00000.parquet": "parquet",
        "coco.json": "coco", "pts": "pts", "yolo": "yolo", "cvat": "cvat", "cvat/annotations.xml": "cvat",
        "labelstudio": "labelstudio", "labelstudio/tasks.json": "labelstudio",
    }  # fmt: skip
    for file, format in files.items():
        assert_same(read_results(tmp_path / file), expected(found, format), TOLERANCE[format])
    one = read_results(tmp_path / "pts" / "c" / "d.jpg.0.pts")
    assert one["left_eye_x"][0] == pytest.approx(found[2].faces.points[0, 0, 0], abs=1e-4)


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
    path.write_text(path.read_text().replace("a.jpg.0.pts", "../x").replace("labels/a.txt", "/etc/passwd"))
    with pytest.raises(DataError, match="not in the folder"):
        read_results(tmp_path)


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
    from landmarks.formats import parquet

    monkeypatch.setattr(parquet, "SHARD_ROWS", 100)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 40)
    found = [record(some_faces(i % 3, seed=i), f"{i}.jpg") for i in range(500)]
    write(tmp_path, found, ["parquet"])
    shards = sorted((tmp_path / "faces.parquet").iterdir())
    assert len(shards) == 5 and [shard.name for shard in shards] == [f"part-{i:05}.parquet" for i in range(5)]
    assert max(len(pd.read_parquet(shard)) for shard in shards) < 100 + 40 + 2
    assert_same(read_results(tmp_path), expected(found, "parquet"), 0)
    statuses = pd.read_parquet(tmp_path / "images.parquet")
    assert statuses["image"].tolist() == [one.image for one in found]
    assert statuses["faces"].tolist() == [len(one.faces) for one in found]


# Records


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


# Frames


@pytest.mark.parametrize("orientation", range(1, 9))
def test_original_coordinates_are_the_inverse_of_turning(orientation, tmp_path):
    """Where the file stores a bright pixel, there its landmark is; and back."""
    upright = record(some_faces(2), orientation=orientation)
    stored = to_original(upright)
    image = images.Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), orientation)
    assert (stored.width, stored.height) == image.stored_size
    assert np.allclose(images.to_upright(stored.faces.points, image), upright.faces.points, atol=1e-3)
    corners = images.to_upright(stored.faces.boxes.reshape(-1, 2, 2), image)
    assert np.allclose(np.sort(corners, axis=1), upright.faces.boxes.reshape(-1, 2, 2), atol=1e-3)
    assert (stored.faces.boxes[:, 2:] > stored.faces.boxes[:, :2]).all()
    write(tmp_path, [upright], list(FORMATS), "original")
    for format in FORMATS:
        wanted = replace(stored, faces=stored.faces)
        assert_same(read_results(tmp_path, format), expected([wanted], format), max(TOLERANCE[format], 1e-4))
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert (coco["images"][0]["width"], coco["images"][0]["height"]) == image.stored_size


def test_original_coordinates_point_at_the_stored_pixel():
    for orientation in range(1, 9):
        turned = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        turned[30, 70] = 255
        stored = images.to_stored(np.array([70.0, 30.0]), images.Image(turned, orientation))
        width, height = images.Image(turned, orientation).stored_size
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[int(stored[1]), int(stored[0])] = 255
        assert turn(pixels, orientation)[30, 70, 0] == 255


# Review


def test_review_lists_the_doubtful_first(tmp_path):
    scores = np.array([0.9, 0.31, 0.65, 0.8])
    faces = replace(some_faces(4), scores=scores)
    points = faces.points.copy()
    points[3, 0] = NAN
    write(tmp_path, [record(replace(faces, points=points), "=x.jpg"), record(some_faces(0), "none.jpg")], ["csv"])
    frame = pd.read_csv(tmp_path / "review.csv")
    assert frame["face"].tolist() == [3, 1, 2, 0] and frame["rank"].tolist() == [1, 2, 3, 4]
    assert frame["reason"][0].startswith("landmarks missing") and "low detector score 0.31" in frame["reason"][1]
    assert set(frame["image"]) == {"'=x.jpg"}


def test_quality_replaces_the_score_in_the_review(tmp_path):
    faces = replace(calibrated(3), quality=np.array([0.9, 0.1, 0.95], np.float32))
    write(tmp_path, [record(faces)], ["csv"])
    frame = pd.read_csv(tmp_path / "review.csv")
    assert frame["face"].tolist() == [1, 0, 2] and "low quality 0.10" in frame["reason"][0]
    assert frame["quality"].tolist() == pytest.approx([0.1, 0.9, 0.95])


def test_without_a_detector_the_least_sure_attribute_counts():
    faces = replace(some_faces(2), scores=np.array([NAN, NAN]))
    least = np.min([scores.confidence for scores in faces.attributes.values()], axis=0)
    assert doubts(faces) == pytest.approx(1 - least)
    assert doubts(some_faces(0)).shape == (0,)


def test_review_is_bounded(tmp_path):
    from landmarks.formats.doubts import Review
    from landmarks.formats.layout import Layout

    review = Review(tmp_path, Layout.of(some_faces(0)), most=5)
    for i in range(200):
        review.write(record(some_faces(2, seed=i), f"{i}.jpg"))
    assert len(review.heap) == 5
    review.close()
    scores = pd.read_csv(tmp_path / "review.csv")["score"]
    every = np.concatenate([some_faces(2, seed=i).scores for i in range(200)])
    assert scores.to_numpy() == pytest.approx(np.sort(every)[:5], abs=1e-4)


# Names


@pytest.mark.parametrize("text", ["", "a", "'", "''", "=1", "'=1", "-", "\n", "\uff1dx"])
def test_guarded_text_comes_back(text):
    guarded = csv_text(text)
    assert from_csv_text(guarded) == text and not guarded.startswith(tuple("=+-@\t\n\r\uff1d"))


def test_paths_stay_inside_and_apart():
    paths = [safe_path(name) for name in NAMES] + [
        safe_path(n) for n in ("a//b", "a/b", "a/./b", "a/../b", "a/%/b", "%/b", "/b")
    ]
    assert len(set(paths)) == len(paths)
    for path in paths:
        parts = path.split("/")
        assert not set(parts) & {"", ".", ".."} and max(len(part.encode()) for part in parts) <= 200
