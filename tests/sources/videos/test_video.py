from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
import pytest

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.find import expand, find
from landmarks.sources.videos import decoder_process
from landmarks.sources.videos.frames import Decoder
from tests.helpers.videos import encoded, make_video, turn

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


def test_a_codec_that_nobody_knows(tmp_path):
    path = make_video(tmp_path / "a.avi")
    path.write_bytes(path.read_bytes().replace(b"MJPG", b"????"))
    (source,) = expand(find([path]))
    with pytest.raises(ImageError, match="not a video that can be read"):
        source.load(LIMIT)


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
    with pytest.raises(ImageError, match=r"breaks off after \d+ frames, at 0.\d\d of 1.20 s"):
        last.load(LIMIT)


def outcome(path, **options):
    """Numbers of the frames, their times, and what is said of frames and video."""
    numbers, times, said = [], [], []
    for source in expand(find([path])):
        try:
            images.take(source.load(LIMIT), source.name, **options)
        except ImageError as error:
            said.append(str(error))
        else:
            numbers.append(source.frame)
            times.append(round(source.time, 2))
    return numbers, times, said


UNEVEN = [0, 1, 2, 3, 10, 11, 50, 51, 52, 120]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("options", "times"),
    [
        ({}, range(60)),
        ({"times": UNEVEN}, UNEVEN),
        ({"times": range(20), "sound": 4.0}, range(20)),
        ({"times": range(30, 60)}, range(30)),
    ],
    ids=["even", "uneven", "sound longer than picture", "begins late"],
)
def test_whole_videos_do_not_break_off(tmp_path, suffix, options, times):
    numbers, seen, said = outcome(encoded(tmp_path / f"a{suffix}", **options))
    assert (numbers, said) == (list(range(len(times))), [])
    assert seen == [round(time / 25, 2) for time in times]


def test_a_clip_that_was_cut_without_encoding_it_anew(tmp_path):
    """An edit list leaves out the frames before the cut, which the ones after it are drawn after."""
    numbers, times, said = outcome(encoded(tmp_path / "a.mp4", shift=20))
    assert (len(numbers), times[0], said) == (40, 0.0, [])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_cut_video_is_told(tmp_path, suffix):
    path = (
        encoded(tmp_path / f"a{suffix}", movflags="faststart") if suffix == ".mp4" else encoded(tmp_path / f"a{suffix}")
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    numbers, _, said = outcome(path)
    assert 0 < len(numbers) < 60
    assert "the video breaks off after" in said[-1]


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "mpeg4"), (".mp4", "libx264"), (".avi", "mjpeg")])
def test_damage_in_the_middle_is_told(tmp_path, suffix, codec):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = encoded(tmp_path / f"a{suffix}", codec=codec)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    numbers, _, said = outcome(path)
    assert said and 10 < len(numbers) < 60
    # What is drawn after a damaged frame is damaged, too, up to the next frame that stands alone.
    assert len(outcome(path, accept_damaged=True)[0]) >= len(numbers)


@pytest.mark.parametrize("quarters", range(4))
def test_frames_are_those_of_opencv(tmp_path, quarters):
    """Also for a telephone that was held upright: the header says how the picture is to be turned."""
    path = encoded(tmp_path / "a.mp4", times=range(5))
    turn(path, quarters)
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # OpenCV 4.11 turns nothing.
    for source in expand(find([path])):
        good, expected = capture.read()
        assert good and source.time == pytest.approx(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        np.testing.assert_array_equal(source.load(LIMIT), np.rot90(expected[..., ::-1], -quarters))


def test_odd_names(tmp_path, monkeypatch):
    """Neither a pattern nor a protocol."""
    monkeypatch.chdir(tmp_path)
    for name in ("a%02d.mp4", "concat:b.mp4"):
        make_video(tmp_path / "x.mp4").rename(tmp_path / name)
        assert len(list(expand(find([name])))) == 30


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names that are not Unicode")
@pytest.mark.parametrize("name", [b"caf\xe9.mp4", b"\xff\xfe/clip.mp4", "日本 ä.mp4".encode(), b"a.\xe9.mp4"])
def test_any_bytes_in_a_path(tmp_path, name):
    """FFmpeg is given the open file, never its name."""
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


@pytest.fixture
def bad_decoder(monkeypatch):
    """Have the next decoders do a deed at a frame; see `serve_badly`."""

    def install(*arguments) -> None:
        decoder_process.end_idle()
        program = f"from tests.helpers.bad_decoder import serve_badly; serve_badly(*{arguments!r})"
        monkeypatch.setattr(decoder_process, "PROGRAM", program)

    yield install
    decoder_process.end_idle()


@pytest.mark.parametrize(
    ("deed", "status", "words"),
    [
        ("segv", "error", r"the process that decoded this video died \(SIGSEGV\), after 7 frames"),
        ("stop", "timeout", "no sign of life for 6 s, after 7 frames"),
        ("hang", "timeout", "no sign of life for 6 s, after 7 frames"),
        ("raise", "unreadable", r"cannot be decoded beyond frame 6 \(out of luck\)"),
    ],
)
def test_a_decoder_that_dies_or_hangs_costs_the_rest_of_its_video(
    tmp_path, monkeypatch, bad_decoder, deed, status, words
):
    bad_decoder(deed, 7)
    videos = [make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", frames=5)]
    seen, failed = [], []
    for source in expand(find(videos)):
        try:
            source.load(LIMIT)
            if source.name == "a.mp4/000006" and deed in ("stop", "hang"):
                monkeypatch.setattr(decoder_process, "SILENCE_SECONDS", 6)
        except ImageError as error:
            monkeypatch.undo()  # A busy machine may take longer than that to start the next one.
            failed.append((source.name, error.status))
            assert re.search(words, str(error))
        else:
            seen.append(source.name)
    assert failed == [("a.mp4", status)]
    assert seen == [f"a.mp4/{i:06}" for i in range(7)] + [f"b.mp4/{i:06}" for i in range(5)]


def test_a_decoder_that_dies_as_it_converts_a_frame(tmp_path, bad_decoder):
    bad_decoder("segv", 7, "pixels")
    numbers, _, said = outcome(make_video(tmp_path / "a.mp4"))
    assert numbers == list(range(7)) and [text.partition(":")[0] for text in said] == ["a.mp4/000007", "a.mp4"]


def test_one_process_decodes_one_video_after_the_other(tmp_path):
    decoder_process.end_idle()
    for name in ("a.mp4", "b.mp4"):
        list(expand(find([make_video(tmp_path / name)])))
        (process,) = decoder_process._idle
    begun = iter(expand(find([tmp_path / "a.mp4"])))
    next(begun)
    others = list(expand(find([tmp_path / "b.mp4"])))  # Meanwhile another one.
    begun.close()
    assert len(others) == 30 and process not in decoder_process._idle and len(decoder_process._idle) == 1


def test_a_playlist_opens_no_other_file(tmp_path):
    """FFmpeg would play it, as a list of pieces or as addresses that it fetches."""
    piece = encoded(tmp_path / "piece.ts", codec="mpeg2video")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{piece}\n#EXT-X-ENDLIST\n")
    with av.open(playlist.open("rb")) as container:
        assert next(container.decode(video=0)).width == 160, "else this test proves nothing"
    with playlist.open("rb") as file, pytest.raises(av.error.FFmpegError):
        next(iter(Decoder(file)))
