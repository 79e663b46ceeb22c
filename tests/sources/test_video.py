from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest

from landmarks.errors import ImageError
from landmarks.sources.find import expand, find
from tests.helpers.videos import make_video

LIMIT = 10**8


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_frames(tmp_path, suffix):
    path = make_video(tmp_path / f"clip{suffix}")
    seen = []
    for source in expand(find([path], every=10)):
        pixels = source.load(LIMIT)
        assert pixels.shape == (48, 64, 3) and abs(pixels.mean() - 8 * source.frame) < 6
        assert source.weight == pixels.nbytes
        seen.append((source.name, source.frame, round(source.time, 3)))
    assert seen == [(f"clip{suffix}/0000{i:02}", i, i / 25) for i in (0, 10, 20)]


def test_frames_that_are_not_wanted_are_not_decoded(tmp_path):
    sources = expand(find([make_video(tmp_path / "a.mp4")]))
    assert [source.frame for source in sources] == list(range(30))


def test_held_frames_stay(tmp_path):
    held = [source.hold(LIMIT) for source in expand(find([make_video(tmp_path / "a.avi")], every=15))]
    assert [round(source.load(LIMIT).mean() / 8) for source in held] == [0, 15]


def test_a_frame_above_the_limit(tmp_path):
    (source, *_) = expand(find([make_video(tmp_path / "a.avi")]))
    with pytest.raises(ImageError, match="cap"):
        source.load(100)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a video"),
        (b"text", "not a video"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "not a video"),
        (b"\0" * 1000, "not a video"),
        (None, "no such file"),
    ],
)
def test_what_is_no_video_is_a_row(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.mp4").write_bytes(content)
    (source,) = expand(find([tmp_path / "a.mp4"]))
    assert source.name == "a.mp4"
    with pytest.raises(ImageError, match=words):
        source.load(LIMIT)


def test_a_video_that_breaks_off_says_so_after_its_frames(tmp_path):
    path = make_video(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    *frames, last = expand(find([path]))
    assert frames and all(frame.frame is not None for frame in frames)
    with pytest.raises(ImageError, match=r"breaks off after \d+ of about 30 frames"):
        last.load(LIMIT)


def test_odd_names(tmp_path, monkeypatch):
    """Neither a pattern nor a protocol."""
    monkeypatch.chdir(tmp_path)
    for name in ("a%02d.mp4", "concat:b.mp4"):
        make_video(tmp_path / "x.mp4").rename(tmp_path / name)
        assert len(list(expand(find([name])))) == 30


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names that are not Unicode")
@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"\xff\xfe/clip.mp4", "日本 ä.mp4".encode(), b"a.\xe9.mp4"])
def test_any_bytes_in_a_path(tmp_path, name):
    """OpenCV dies of a path that is no Unicode; nothing is left of the link that stands for it."""
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    try:
        path.parent.mkdir(exist_ok=True)
        make_video(tmp_path / "x.mp4").rename(path)
    except OSError:
        pytest.skip("this file system refuses such names")
    before = set(os.listdir(tempfile.gettempdir()))
    (source, *others) = expand(find([path]))
    assert len(others) == 29 and source.name.isprintable()
    assert not {name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("landmarks-")}
