"""The page of a run: what is in it, whatever the names and wherever the images."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from landmarks.errors import LandmarksError
from landmarks.images import decode
from landmarks.report.report import Options, write_report
from landmarks.report.run import read_run
from landmarks.report.run_figures import run_figures
from tests.helpers.archives import make
from tests.helpers.commands import run as command
from tests.helpers.faces import draw_face, write_png
from tests.helpers.runs import face_of, run_over, table_of
from tests.helpers.videos import make_video
from tests.report.conftest import EVIL


class Elements(HTMLParser):
    """All elements of a page, with their attributes, and the text outside scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def elements(page: Path) -> Elements:
    return Elements(page.read_text(encoding="utf-8"))


def pictures(page: Path) -> dict[int, bytes]:
    """The JPEG files of a page by the number of their item."""
    found = re.findall(r'<script type="text/plain" id="p(\d+)">([^<]*)</script>', page.read_text(encoding="utf-8"))
    return {int(number): base64.b64decode(text) for number, text in found}


def unpacked(table: dict, name: str, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(table["columns"][name]), kind)


def test_the_page_says_what_became_of_the_images(run):
    page = elements(run / "report.html")
    assert "images 26" in page.text and "faces 24" in page.text and "failed images 1" in page.text
    assert "without a face 1" in page.text and "unreadable 1" in page.text
    assert "eye" in page.text and "Quality" in page.text and "Expected error" in page.text
    assert page.text.count("None") == 0 and page.text.count("nan") == 0


def test_nothing_comes_from_elsewhere_and_no_name_is_markup(run):
    page = elements(run / "report.html")
    assert EVIL in page.text or EVIL in json.dumps(table_of(run / "report.html")["images"])
    assert not [tag for tag, _ in page.found if tag in ("img", "iframe", "object")]  # the script makes those
    for tag, attributes in page.found:
        assert not any(name.startswith("on") for name in attributes), tag
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:")), (tag, attributes)
    scripts = [attributes for tag, attributes in page.found if tag == "script" and "type" not in attributes]
    policy = next(a["content"] for t, a in page.found if t == "meta" and a.get("http-equiv"))
    assert (
        len(scripts) == 1 and "default-src 'none'" in policy and "'unsafe-inline'" not in policy.split("script-src")[1]
    )


def test_numbers_are_those_of_the_results(run):
    table = table_of(run / "report.html")
    names = [table["images"][i]["name"] for i in unpacked(table, "image", "<i4")]
    at = names.index("face 7.png")
    wanted = face_of(7)
    np.testing.assert_allclose(unpacked(table, "points").reshape(-1, 5, 2)[at], wanted.points[0], atol=1e-3)
    np.testing.assert_allclose(unpacked(table, "box").reshape(-1, 4)[at], wanted.boxes[0], atol=1e-3)
    assert unpacked(table, "quality")[at] == pytest.approx(0.75, abs=1e-4)
    assert table["count"] == 26 and (unpacked(table, "face", "<i4")[-2:] == -1).all()
    assert set(table["attributes"]) == {"pose", "smile", "glasses"}  # gender only where it is asked for
    statuses = {one["name"]: one["status"] for one in table["images"]}
    assert statuses["broken.png"] == "unreadable" and statuses["none.png"] == "no_face"
    order = np.argsort(unpacked(table, "rank", "<i4"))
    ordered = [names[i] for i in order if names[i].startswith("face")]
    assert ordered == [f"face {number}.png" for number in range(23)]


def test_pictures_show_the_face_where_the_points_say(run):
    """The nose of a drawn face is red, and nothing else is at its height."""
    table, found = table_of(run / "report.html"), pictures(run / "report.html")
    squares = unpacked(table, "square").reshape(-1, 3)
    points = unpacked(table, "points").reshape(-1, 5, 2)
    assert sorted(found) == [*range(24), *(i for i in (24, 25) if i in found)] and len(found) == 25
    for item in range(24):
        picture = decode(found[item], "").pixels
        x, y, side = squares[item]
        nose = (points[item, 2] - [x - side / 2, y - side / 2]) * len(picture) / side - 0.5
        red, green, _ = picture[round(float(nose[1])), round(float(nose[0]))].astype(int)
        assert red > 150 and green < 110


def test_gender_is_shown_where_it_is_asked_for(run, tmp_path):
    page = write_report(run, Options(tmp_path / "x.html", gender=True)).path
    assert "gender" in table_of(page)["attributes"]


@pytest.mark.parametrize("kind", ["folder", "deep", "zip", "tar", "list", "moved", "glob"])
def test_images_are_found_again(kind, photographs, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    shutil.copytree(photographs, folder / "a" / "b")
    monkeypatch.chdir(tmp_path)
    files = {path.name: path.read_bytes() for path in photographs.iterdir() if path.name.startswith("face")}
    source: str | list = "in/a/b"
    if kind == "deep":
        source = "in"
    elif kind in ("zip", "tar"):
        source = f"shard.{kind}"
        make(tmp_path / source, files)
    elif kind == "list":
        (tmp_path / "list.txt").write_text("in/a/b/face 1.png\nin/a/b/face 2.png\n")
        source = "@list.txt"
    elif kind == "glob":
        source = ["in/a/*/face 1*.png", "in/a/b/face 2.png"]
    out = run_over(source, tmp_path / "out", recursive=kind == "deep")
    monkeypatch.chdir("/")
    if kind == "moved":
        shutil.move(folder / "a" / "b", tmp_path / "elsewhere")
        assert write_report(out).missing == 24
        assert "24 faces are shown without a picture" in elements(out / "report.html").text
        written = write_report(out, Options(images=(str(tmp_path / "elsewhere"),)))
    else:
        written = write_report(out, Options(threads=2))
    assert written.missing == 0 and pictures(written.path)


def test_frames_of_a_video_are_found_again(tmp_path):
    make_video(tmp_path / "clip.mp4", frames=4)
    written = write_report(run_over(tmp_path / "clip.mp4", tmp_path / "out"))
    assert written.missing == 0 and len(pictures(written.path)) == 4


def test_images_that_are_gone_or_changed_have_no_picture_and_are_counted(photographs, tmp_path):
    folder = tmp_path / "in"
    shutil.copytree(photographs, folder)
    out = run_over(folder, tmp_path / "out")
    (folder / "face 3.png").unlink()
    write_png(folder / "face 4.png", draw_face(4, 170)[0])
    (folder / "face 5.png").write_bytes(b"")
    written = write_report(out)
    assert written.missing == 3
    assert "3 faces are shown without a picture" in elements(written.path).text
    assert len(pictures(written.path)) == 25 - 3


@pytest.mark.parametrize("name", ["sep\u2028arator 1.png", "é 2 ünï 日本 🙂.png", "</script> 3.png", "a&amp;b 4.png"])
def test_any_name(name, tmp_path):
    write_png(tmp_path / "in" / name, draw_face(1)[0]) if "/" not in name else write_png(
        tmp_path / "in" / name.replace("/", "\uff0f"), draw_face(1)[0]
    )
    out = run_over(tmp_path / "in", tmp_path / "out")
    written = write_report(out)
    assert written.missing == 0
    assert table_of(written.path)["images"][0]["name"] == name.replace("/", "\uff0f")


def test_a_name_that_is_no_utf8(tmp_path):
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    try:
        with open(folder + b"/bad \xff 1.png", "wb") as file:
            file.write(cv2.imencode(".png", draw_face(1)[0])[1].tobytes())
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    written = write_report(run_over(tmp_path / "in", tmp_path / "out"))
    assert written.missing == 0 and table_of(written.path)["images"][0]["name"] == "bad \\xff 1.png"


@pytest.mark.parametrize("format", ["parquet", "jsonl", "coco", "yolo", "pts", "cvat", "labelstudio"])
def test_every_format(format, photographs, tmp_path):
    """Those without boxes or attributes have pictures all the same."""
    written = write_report(run_over(photographs, tmp_path / "out", (format,)))
    assert written.missing == 0 and len(pictures(written.path)) >= 24


def test_coordinates_of_stored_pixels(tmp_path):
    """A photograph that is stored turned: points of the page are of the upright picture."""
    from PIL import Image

    (tmp_path / "in").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = cv2.resize(draw_face(1)[0], (200, 160))[:, :160]
    Image.fromarray(np.rot90(upright)).save(tmp_path / "in" / "1.png", exif=exif)
    pages = []
    from landmarks.batch.options import RunOptions
    from landmarks.batch.run import annotate
    from landmarks.sources.find import find
    from landmarks.sources.named import Named
    from tests.helpers.runs import Eye

    for coords in ("upright", "original"):
        out = tmp_path / coords
        named = Named.here(tmp_path / "in", False, 1)
        annotate(Eye(), find(tmp_path / "in"), out, RunOptions(("csv",), coords=coords, workers=0), named=named)
        written = write_report(out)
        assert written.missing == 0
        pages.append(table_of(written.path))
    for name in ("points", "box", "square"):
        np.testing.assert_allclose(unpacked(pages[0], name), unpacked(pages[1], name), atol=0.01)


def test_of_too_many_faces_the_doubtful_ones_are_shown(run, tmp_path):
    page = write_report(run, Options(tmp_path / "few.html", faces=8)).path
    table = table_of(page)
    quality = unpacked(table, "quality")[:8]
    assert table["count"] == 8 + 2 and (quality < 0.2).sum() >= 4 and quality.max() > 0.7
    assert "The gallery shows 8 faces" in elements(page).text and "faces 24" in elements(page).text


def test_a_run_without_faces(tmp_path):
    write_png(tmp_path / "in" / "none.png", draw_face(0)[0])
    page = write_report(run_over(tmp_path / "in", tmp_path / "out")).path
    assert "faces 0" in elements(page).text and len(pictures(page)) == 1


@pytest.mark.parametrize(
    ("make_it", "said"),
    [
        (lambda path: None, "is not there"),
        (lambda path: path.mkdir(), "holds none of them"),
        (lambda path: path.write_text("{}"), "is none of them"),
        (lambda path: (path.mkdir(), (path / "run.json").write_text("[]")), "does not tell of a run"),
        (
            lambda path: (path.mkdir(), (path / "run.json").write_text('{"settings": {}, "starts": []}')),
            "has not ended",
        ),
        (lambda path: (path.mkdir(), (path / "grid.json").write_text("{}")), "grid.json"),
    ],
)
def test_anything_else_is_refused(make_it, said, tmp_path, monkeypatch, capsys):
    make_it(tmp_path / "it")
    with pytest.raises(LandmarksError, match=said):
        write_report(tmp_path / "it")
    assert command(monkeypatch, "report", tmp_path / "it") == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.html*"))


def test_the_command(run, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "report", run, "--out", tmp_path / "deep" / "p.html", "--quiet") == 0
    assert f"page: {tmp_path / 'deep' / 'p.html'}" in capsys.readouterr().out.replace("\n", "")
    assert (tmp_path / "deep" / "p.html").stat().st_size > 10_000


@pytest.mark.parametrize("count", [1, 2, 5])
def test_histograms_of_few_faces_have_numbers_and_wide_bars(tmp_path, count):
    """Sizes of one octave, too: an axis of powers of two had no number then."""
    for number in range(count):
        write_png(tmp_path / "in" / f"{number}.png", draw_face(number)[0])
    figures = run_figures(read_run(run_over(tmp_path / "in", tmp_path / "out")), gender=False)
    (sizes,) = (figure for figure in figures if figure.title == "Face size")
    numbers = [int(text) for text in re.findall(r">(\d+)</text>", sizes.svg)]
    powers = {2**power for power in range(4, 12)} & set(numbers)
    assert len(powers) >= 2 and sizes.note.startswith("Median: ")
