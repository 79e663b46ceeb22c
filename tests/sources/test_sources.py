from __future__ import annotations

import io
import os
import sys

import cv2
import pytest

from landmarks import images
from landmarks.errors import LandmarksError
from landmarks.sources import local
from landmarks.sources.find import find
from landmarks.sources.names import natural
from tests.helpers.faces import draw_face


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of files of every sort; the working directory."""
    for name in (
        "photos/img10.jpg",
        "photos/img2.JPG",
        "photos/notes.txt",
        "photos/._img2.jpg",
        "photos/sub/img1.png",
        "photos/sub/deep/x.heic",
        "photos/.thumbnails/t.jpg",
        "photos/dir.jpg/inside.jpg",
        "other/img2.JPG",
        "nested/only/a.jpg",
        "text/readme.txt",
        "a[1].jpg",
        "a1.jpg",
        "@me.jpg",
        "odd.dat",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("sources", "recursive", "names"),
    [
        (["photos"], False, ["img2.JPG", "img10.jpg"]),
        (["photos/"], True, ["dir.jpg/inside.jpg", "img2.JPG", "img10.jpg", "sub/deep/x.heic", "sub/img1.png"]),
        (["."], False, ["@me.jpg", "a1.jpg", "a[1].jpg"]),
        ("photos", False, ["img2.JPG", "img10.jpg"]),
        (["odd.dat", "gone.jpg"], False, ["gone.jpg", "odd.dat"]),
        (["a1.jpg", "./a1.jpg", "photos/../a1.jpg"], False, ["a1.jpg"]),
        (["photos", "photos/img2.JPG"], False, ["img2.JPG", "img10.jpg"]),
        (["photos", "other"], False, ["img10.jpg", "other/img2.JPG", "photos/img2.JPG"]),
        (["a[1].jpg"], False, ["a[1].jpg"]),
        (["@me.jpg"], False, ["@me.jpg"]),
        (["a[0-9].jpg"], False, ["a1.jpg"]),
        (["photos/*"], False, ["img2.JPG", "img10.jpg"]),
        (["photos/*/*"], False, ["dir.jpg/inside.jpg", "sub/img1.png"]),
        (["photos/**/*.png"], False, ["sub/img1.png"]),
        (["p*/img?.JPG"], False, ["photos/img2.JPG"]),
        ([], False, []),
    ],
)
def test_find(folder, sources, recursive, names):
    found = find(sources, recursive)
    assert [source.name for source in found] == names
    assert all((folder / source.path).is_file() for source in found if source.name != "gone.jpg")


def test_names_stay_distinct_when_a_path_equals_another_name(folder):
    for name in ("d/a/1.jpg", "a/1.jpg", "b/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    found = find(["d", "a/1.jpg", "b/1.jpg"], recursive=True)
    assert [source.name for source in found] == ["a/1.jpg", "b/1.jpg", "d/a/1.jpg"]


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (["text"], "text: this folder holds no image files; check the path"),
        (["nested"], r"nested: this folder holds no image files; its subfolders do: add --recursive"),
        (["*.bmp"], r"\*.bmp: matches no image files"),
        (["gone[1].jpg"], "gone.*matches no image files"),
        (["@gone.txt"], r"gone.txt: this list of images cannot be read \(No such file"),
        (["@text/readme.txt"], "names no images"),
    ],
)
def test_sources_that_hold_nothing_are_named(folder, sources, words):
    with pytest.raises(LandmarksError, match=words):
        find(sources)


LINES = "\ufeff# faces\n\n  ../a1.jpg \r\nimg2.JPG\n../nested/only\nimg2.JPG\n../gone é.jpg\n"


def test_find_in_a_list(folder):
    (folder / "photos/list.txt").write_bytes(LINES.encode())
    found = find(["@photos/list.txt"])
    assert [source.name for source in found] == ["a.jpg", "a1.jpg", "gone é.jpg", "img2.JPG"]
    (folder / "photos/list.txt").write_bytes(LINES.encode("utf-16"))
    with pytest.raises(LandmarksError, match="must be UTF-8 text with a path a line"):
        find(["@photos/list.txt"])


def test_find_on_standard_input(folder, monkeypatch):
    monkeypatch.chdir(folder / "photos")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    assert [source.name for source in find(["-"])] == ["a.jpg", "a1.jpg", "gone é.jpg", "img2.JPG"]


def test_links(folder):
    (folder / "photos/sub/up").symlink_to("..", target_is_directory=True)
    (folder / "photos/sub/self").symlink_to("self")
    (folder / "photos/sub/same.jpg").symlink_to("../img10.jpg")
    (folder / "photos/sub/broken.jpg").symlink_to("nowhere.jpg")
    (folder / "photos/linked").symlink_to("../nested", target_is_directory=True)
    assert not any("up" in path.parts for path in local.walk(folder / "photos", recursive=True))
    names = [source.name for source in find(["photos"], recursive=True)]
    assert names == [
        "dir.jpg/inside.jpg",
        "img2.JPG",
        "img10.jpg",
        "linked/only/a.jpg",
        "sub/broken.jpg",
        "sub/deep/x.heic",
        "sub/img1.png",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names that are not Unicode")
def test_names_are_always_valid_unicode(folder):
    path = os.fsencode(folder) + b"/latin\xe9.jpg"
    try:
        with open(path, "wb") as file:
            file.write(cv2.imencode(".jpg", draw_face(0)[0])[1].tobytes())
    except OSError:
        pytest.skip("this file system refuses such names")
    (source,) = find([os.fsdecode(path)])
    assert source.name == "latin\\xe9.jpg"
    assert images.read(source.path).width == 160


def test_digits_without_end_are_no_trouble():
    assert natural("9" * 5000) > natural("9" * 30)
