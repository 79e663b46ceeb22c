import csv
import json
import zipfile

import numpy as np
import PIL.Image
import pytest
import torch

from landmarks import Annotator, Faces, RunOptions, read_results
from landmarks.batch.run import annotate
from landmarks.batch.writers.drawings import drawing_path
from landmarks.detection.base import Detections
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, ImageError, LandmarksError, WeightsError
from landmarks.models.store import load_model
from landmarks.sources.find import find
from tests.helpers.faces import draw_face, write_png
from tests.helpers.pictures import jpeg
from tests.helpers.videos import make_video

ATTRIBUTES = ("pose", "smile", "glasses", "gender")


class Halves:
    """A detector that takes each half of a wide image for a face, and finds none in a narrow one."""

    name = "halves"
    rule = WholeImage().rule

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        height, width = image.shape[:2]
        if width < 2 * height:
            return Detections(np.zeros((0, 4)), np.zeros(0))
        return Detections(np.array([[0, 0, width / 2, height], [width / 2, 0, width, height]]), np.array([0.9, 0.8]))

    def settings(self) -> dict:
        return {}


@pytest.fixture
def annotator(small_weights):
    return Annotator(small_weights, detector=Halves(), device="cpu", batch_size=3)


@pytest.fixture
def folder(tmp_path):
    """Four images with two faces each, one without, and broken ones."""
    for seed in range(4):
        pair = np.concatenate([draw_face(seed)[0], draw_face(seed + 9)[0]], axis=1)
        write_png(tmp_path / "in" / f"pair{seed}.png", pair)
    write_png(tmp_path / "in" / "one.png", draw_face(0)[0])
    (tmp_path / "in" / "empty.jpg").write_bytes(b"")
    (tmp_path / "in" / "text.jpg").write_text("not a picture")
    return tmp_path / "in"


def test_path_bytes_and_array_give_the_same_faces(annotator, folder):
    path = folder / "pair0.png"
    from landmarks.images import read

    results = [annotator(path), annotator(str(path)), annotator(path.read_bytes()), annotator(read(path).pixels)]
    assert [len(faces) for faces in results] == [2, 2, 2, 2]
    for faces in results[1:]:
        assert np.array_equal(faces.points, results[0].points)
    assert set(results[0].attributes) == set(ATTRIBUTES)
    assert results[0].scores.tolist() == pytest.approx([0.9, 0.8])
    assert [faces.path for faces in results] == [str(path), str(path), None, None]


def test_no_face_is_an_empty_result(annotator, folder):
    faces = annotator(folder / "one.png")
    assert isinstance(faces, Faces) and len(faces) == 0 and set(faces.attributes) == set(ATTRIBUTES)


@pytest.mark.parametrize("bad", [b"", b"text", np.zeros((0, 0, 3), np.uint8), np.zeros((5, 5)), "missing.png"])
def test_one_bad_image_raises(annotator, bad):
    with pytest.raises(ImageError):
        annotator(bad)


def test_points_come_back_to_the_face_whatever_the_batch(small_weights, folder):
    """Faces of several images located together equal those of each image alone."""
    together = Annotator(small_weights, detector=Halves(), device="cpu", batch_size=64)
    records = list(together.stream([folder / f"pair{i}.png" for i in range(4)]))
    for i, record in enumerate(records):
        alone = Annotator(small_weights, detector=Halves(), device="cpu", batch_size=1)(folder / f"pair{i}.png")
        assert np.allclose(record.faces.points, alone.points, atol=1e-2)
        assert np.allclose(
            record.faces.attributes["pose"].probabilities, alone.attributes["pose"].probabilities, atol=1e-4
        )


def test_predict_takes_given_boxes(annotator):
    images = [draw_face(i)[0] for i in range(3)]
    boxes = [np.array([[10, 10, 150, 150.0]]), np.zeros((0, 4)), np.array([[0, 0, 80, 80], [40, 40, 160, 160.0]])]
    faces = annotator.predict(images, boxes)
    assert [len(f) for f in faces] == [1, 0, 2] and np.isnan(faces[0].scores).all()
    assert np.array_equal(faces[2].boxes, boxes[2])
    with pytest.raises(ValueError, match="2 arrays"):
        annotator.predict(images, boxes[:2])
    assert [len(f) for f in annotator.predict(images[:2], [boxes[0][0], []])] == [1, 0]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (np.zeros((4, 5)), r"array 0: boxes are an array \(n, 4\) .* not \(4, 5\)"),  # With scores, say.
        (np.arange(8), r"not \(8,\)"),
        (np.zeros((1, 2, 2)), r"not \(1, 2, 2\)"),
        ([[90, 10, 20, 80]], "x0 < x1"),
        ([[10, 10, 20, 10]], "y0 < y1"),
    ],
)
def test_predict_refuses_what_are_no_boxes(annotator, boxes, words):
    with pytest.raises(ValueError, match=words):
        annotator.predict([draw_face(0)[0]], [boxes])


def test_a_network_that_gives_nan_costs_only_its_faces(small_weights, folder):
    """Broken weights end in NaN, not in a crash: results are written with empty cells."""
    model = load_model(small_weights)
    torch.nn.init.constant_(model.network.heads["points_5"].linear.bias, float("nan"))
    faces = Annotator(model, detector=Halves(), device="cpu")(folder / "pair0.png")
    assert len(faces) == 2 and np.isnan(faces.points).all()


def test_stream_gives_a_record_an_image_in_order(annotator, folder):
    names = ["pair0.png", "text.jpg", "one.png", "gone.png", "pair1.png", "empty.jpg"]
    records = list(annotator.stream(folder / name for name in names))
    assert [record.status for record in records] == ["ok", "unreadable", "no_face", "missing", "ok", "unreadable"]
    assert [len(record.faces) for record in records] == [2, 0, 0, 0, 2, 0]
    assert [record.image.rsplit("/")[-1] for record in records] == names
    assert all(record.reason for record in records if record.status in ("unreadable", "missing"))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16", "1", "CMYK"])
def test_a_picture_of_pillow_is_taken_as_its_file(annotator, folder, tmp_path, mode):
    with PIL.Image.open(folder / "pair0.png") as opened:
        grey = np.asarray(opened.convert("L"), np.uint16)
        picture = PIL.Image.fromarray(grey * 257) if mode == "I;16" else opened.convert(mode)
    assert picture.mode == mode
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    picture.save(path)
    assert np.array_equal(annotator(picture).points, annotator(path).points)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_picture_of_pillow_is_turned_upright(annotator, folder, tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    with PIL.Image.open(folder / "pair0.png") as picture:
        exif = picture.getexif()
        exif[0x0112] = 6
        picture.rotate(90, expand=True).save(path, exif=exif, quality=95)
    expected = annotator(path)
    with PIL.Image.open(path) as picture:
        faces = annotator(picture)
    assert len(faces) == 2 and np.allclose(faces.points, expected.points, atol=0.5)


def test_a_bad_picture_of_pillow_is_an_image_error(small_weights, tmp_path):
    small = Annotator(small_weights, detector=Halves(), device="cpu", max_pixels=99)
    with pytest.raises(ImageError, match=r"above the cap of 99"):
        small(PIL.Image.new("RGB", (10, 10)))
    with pytest.raises(ImageError, match="the picture has no pixels"):
        small(PIL.Image.new("RGB", (0, 5)))
    write_png(tmp_path / "a.png", draw_face(0)[0])
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:999])
    with PIL.Image.open(tmp_path / "a.png") as broken, pytest.raises(ImageError, match="damaged"):
        Annotator(small_weights, detector=Halves(), device="cpu")(broken)


def test_a_source_is_one_source_and_not_its_letters(annotator, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "clip.mp4", frames=3)
    frames = ["clip.mp4/000000", "clip.mp4/000001", "clip.mp4/000002"]
    for source in ("clip.mp4", tmp_path / "clip.mp4", find("clip.mp4")[0]):
        assert [record.image for record in annotator.stream(source)] == frames
    names = [f"pair{i}.png" for i in range(4)]
    assert [record.image for record in annotator.stream("in/pair*.png")] == names
    assert [record.image for record in annotator.stream(folder)] == sorted(["empty.jpg", "one.png", "text.jpg", *names])
    several = annotator.stream(
        ["in/pair3.png", folder / "pair0.png", "clip.mp4", *find(folder / "one.png"), "in/pair1*"]
    )
    assert [record.image for record in several] == [
        "in/pair3.png", (folder / "pair0.png").as_posix(), *frames, "one.png", "in/pair1.png",
    ]  # fmt: skip
    with pytest.raises(LandmarksError, match="matches no image files"):
        list(annotator.stream("none*.png"))


def test_stream_looks_into_archives(annotator, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("pair0.png", "one.png", "text.jpg"):
            archive.write(folder / name, name)
    records = list(annotator.stream(find([tmp_path / "a.zip"])))
    assert [(record.image, record.status) for record in records] == [
        ("a.zip/one.png", "no_face"), ("a.zip/pair0.png", "ok"), ("a.zip/text.jpg", "unreadable"),
    ]  # fmt: skip


def test_an_animation_gives_its_first_picture_and_says_so(annotator, tmp_path):
    pictures = [PIL.Image.new("L", (40, 30), level) for level in (0, 255)]
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:])
    pictures[0].save(tmp_path / "b.gif")
    first, second = annotator.stream([tmp_path / "a.gif", tmp_path / "b.gif"])
    assert (first.status, second.status, second.reason) == ("no_face", "no_face", "")
    assert "only the first" in first.reason and first.pixels.max() == 0


def test_damaged_images_are_taken_if_asked_for(small_weights, tmp_path):
    data = jpeg()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "b.jpg").write_bytes(data[:-2])
    for accept, expected in ((False, "unreadable"), (True, "ok")):
        annotator = Annotator(small_weights, detector="whole-image", device="cpu", accept_damaged=accept)
        assert annotator.settings()["accept_damaged"] == accept
        cut, endless = annotator.stream([tmp_path / "a.jpg", tmp_path / "b.jpg"])
        assert (cut.status, endless.status) == (expected, "ok")
        assert "damaged" in cut.reason and "lacks its end" in endless.reason
        if accept:
            assert len(annotator(tmp_path / "a.jpg")) == 1
        else:
            with pytest.raises(ImageError, match="accept_damaged=True"):
                annotator((tmp_path / "a.jpg").read_bytes())


def test_stream_does_not_read_ahead_without_end(annotator, folder):
    taken = []

    def sources():
        for i in range(1000):
            taken.append(i)
            yield folder / "one.png"

    next(annotator.stream(sources()))
    assert len(taken) < 50


@pytest.mark.parametrize("formats", [("csv",), ("jsonl",), ("csv", "jsonl")])
def test_run_writes_what_the_annotator_found(annotator, folder, tmp_path, formats):
    out = tmp_path / "out"
    summary = annotate(annotator, find([folder]), out, RunOptions(formats, drawings=True))
    assert summary.statuses == {"ok": 4, "no_face": 1, "unreadable": 2} and summary.faces == 8 and summary.failed == 2
    frame = read_results(out)
    assert frame["image"].tolist() == [f"pair{i}.png" for i in range(4) for _ in "ab"]
    expected = annotator(folder / "pair2.png").to_pandas()
    found = frame[frame["image"] == "pair2.png"].drop(columns="image").reset_index(drop=True)
    assert set(found.columns) == set(expected.columns)
    for column in expected:
        if expected[column].dtype.kind in "fi":
            assert found[column].to_numpy(float) == pytest.approx(expected[column].to_numpy(float), abs=1e-2)
        else:
            assert found[column].tolist() == expected[column].tolist()
    with open(out / "images.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 and {row["image"]: row["status"] for row in rows}["empty.jpg"] == "unreadable"
    with open(out / "failures.csv", newline="", encoding="utf-8") as file:
        assert {row["image"] for row in csv.DictReader(file)} == {"empty.jpg", "text.jpg"}
    assert sorted(p.name for p in (out / "drawings").iterdir()) == [
        "one.png.jpg",
        *(f"pair{i}.png.jpg" for i in range(4)),
    ]
    assert not list(out.glob("*.partial"))


def test_a_stopped_run_leaves_no_results_that_look_whole(annotator, folder, tmp_path):
    def stop(record):
        if record.image == "pair2.png":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(annotator, find([folder]), tmp_path / "out", report=stop)
    assert not list((tmp_path / "out").glob("*.csv"))


def test_formats_hold_the_same(annotator, folder, tmp_path):
    annotate(annotator, find([folder]), tmp_path / "out", RunOptions(("csv", "jsonl")))
    from_csv = read_results(tmp_path / "out")
    (tmp_path / "out" / "faces.csv").unlink()
    from_jsonl = read_results(tmp_path / "out")
    assert from_csv.columns.tolist() == from_jsonl.columns.tolist()
    assert from_csv.equals(from_jsonl.astype(from_csv.dtypes))


def test_jsonl_has_a_line_for_every_image(annotator, folder, tmp_path):
    annotate(annotator, find([folder]), tmp_path / "out", RunOptions(("jsonl",)))
    lines = [json.loads(line) for line in (tmp_path / "out" / "faces.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines].count("unreadable") == 2 and len(lines) == 7
    assert set(lines[2]["faces"][0]["points"]) == {"left_eye", "right_eye", "nose", "mouth_left", "mouth_right"}


def test_a_drawing_that_cannot_be_written_costs_only_itself(small_weights, tmp_path):
    """A side beyond what JPEG can hold; a name that would be too long once it ends in .jpg is shortened."""
    face = draw_face(0)[0]
    write_png(tmp_path / "in" / f"{'x' * 250}.png", face)
    write_png(tmp_path / "in" / "wide.png", np.zeros((20, 66_000, 3), np.uint8))
    write_png(tmp_path / "in" / "zz.png", face)
    annotator = Annotator(small_weights, detector="whole-image", device="cpu")
    with pytest.warns(UserWarning, match="no drawing") as caught:
        summary = annotate(annotator, find([tmp_path / "in"]), tmp_path / "out", RunOptions(drawings=True))
    assert len(caught) == 1 and summary.statuses == {"ok": 3}
    drawn = sorted(path.name for path in (tmp_path / "out" / "drawings").iterdir())
    assert len(drawn) == 2 and drawn[0].startswith("xxx") and drawn[1] == "zz.png.jpg"


def test_read_results_of_nothing(tmp_path):
    with pytest.raises(DataError, match=r"none of .*faces\.csv"):
        read_results(tmp_path)
    (tmp_path / "faces.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="line 1"):
        read_results(tmp_path)


def test_unwritable_folder(annotator, folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LandmarksError, match="choose another --out"):
        annotate(annotator, find([folder]), tmp_path / "file" / "out")


def test_tasks_narrow_the_heads(small_weights, folder):
    annotator = Annotator(small_weights, detector=Halves(), device="cpu", tasks=["smile"])
    assert set(annotator(folder / "pair0.png").attributes) == {"smile"}


@pytest.mark.parametrize(
    ("options", "counts"),
    [({}, [2, 0]), ({"max_faces": 1}, [1, 0]), ({"min_face_size": 160}, [2, 0]), ({"min_face_size": 160.5}, [0, 0])],
)
def test_the_largest_faces_are_selected(small_weights, folder, options, counts):
    annotator = Annotator(small_weights, detector=Halves(), device="cpu", **options)
    paths = [folder / "pair0.png", folder / "one.png"]
    records = list(annotator.stream(paths))
    assert [len(record.faces) for record in records] == counts == [len(annotator(path)) for path in paths]
    assert [record.status for record in records] == ["ok" if count else "no_face" for count in counts]
    assert all(annotator.settings()[name] == value for name, value in options.items())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scheme": 68}, WeightsError, "no head for 68 landmarks"),
        ({"scheme": 17}, ValueError, "no scheme of 17"),
        ({"tasks": ["age"]}, WeightsError, "no head for 'age'"),
        ({"device": "cuda:99"}, ValueError, "cannot be used here"),
        ({"passes": 0}, ValueError, "at least 1"),
        ({"max_faces": 0}, ValueError, "at least 1"),
        ({"detector": "telepathy"}, LandmarksError, "centerface"),
    ],
)
def test_what_does_not_fit_is_refused(small_weights, options, error, message):
    with pytest.raises(error, match=message):
        Annotator(small_weights, **({"detector": "whole-image", "device": "cpu"} | options))


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("a.jpg", "a.jpg"),
        ("a/b.png", "a/b.png.jpg"),
        ("A.JPG", "A.JPG"),
        ("photo.png.jpg", "photo.png.jpg~.jpg"),
        ("photo.jpg.jpg", "photo.jpg.jpg"),
        ("photo.png~.jpg", "photo.png~.jpg~.jpg"),
        ("scan", "scan~.jpg"),
        ("clip.mp4/000010", "clip.mp4/000010.jpg"),
        ("../../x.jpg", "%2E%2E/%2E%2E/x.jpg"),
        ("/r/x.jpg", "%/r/x.jpg"),
    ],
)
def test_drawings_stay_in_their_folder(image, expected):
    assert str(drawing_path(image)) == expected


def test_every_image_has_a_drawing_of_its_own():
    """Also names that differ in folders that are no folders, in what comes after 200 letters, and in suffixes alone."""
    stems = ["a", "a.jpg", "a.png", "a~", "../a", "/a", "a" * 300, "a" * 299 + "b", "b/a", "b/../a", ".a", "%2E%2E/a"]
    images = {stem + suffix for stem in stems for suffix in ("", ".jpg", ".png", "~.jpg", ".png.jpg", ".JPG", ".x")}
    drawings = [str(drawing_path(image)) for image in images]
    assert len(set(drawings)) == len(images)
    assert all(len(part.encode()) <= 255 and part != ".." for drawing in drawings for part in drawing.split("/"))
