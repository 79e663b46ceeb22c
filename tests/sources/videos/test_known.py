"""Videos that are decoded from behind the frames that are known."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from landmarks.errors import ImageError
from landmarks.images import Image
from landmarks.sources.find import expand, find
from landmarks.sources.videos.frames import Decoder
from landmarks.sources.videos.known import KnownFrames, can_begin
from tests.helpers.videos import encoded, turn

LIMIT = 10**8


def frames_of(path, every=1, known=KnownFrames()):
    """Name, number, time, bytes, damage and pixels of each frame; of those that were passed over a sentence."""
    found = []
    for source in expand([replace(find([path], every=every)[0], known=known)]):
        try:
            content = source.load(LIMIT)
            damage, pixels = (content.damage, content.pixels) if isinstance(content, Image) else ("", content)
        except ImageError as error:
            damage, pixels = "", str(error)
        found.append((source.name, source.frame, source.time, source.weight, damage, pixels))
    return found


def known_of(path, frames, count):
    """The first frames as an earlier run saw them."""
    known = KnownFrames(find([path])[0].stamp())
    for _, _, time, weight, *_ in frames[:count]:
        known.times.append(time)
        known.sizes.append(weight)
    return known


def passed_over(frames):
    return sum("taken for known" in frame[-1] for frame in frames if isinstance(frame[-1], str))


def assert_same(found, wanted):
    """What is painted over damage may be other than before; a run that takes such frames knows none."""
    assert [frame[:5] for frame in found] == [frame[:5] for frame in wanted]
    for (name, *_, damage, one), (*_, other) in zip(found, wanted):
        if not damage and not (isinstance(one, str) and "taken for known" in one):
            assert np.array_equal(one, other), name


UNEVEN = [0, 1, 2, 3, 10, 11, 50, 51, 52, *range(120, 161)]


CODINGS = [
    ("a.mp4", "mpeg4", {}),
    ("a.mp4", "mpeg4", {"coding": {"bf": "2"}}),
    ("a.mkv", "mpeg4", {"times": UNEVEN, "sound": 4.0}),
    ("a.mp4", "libx264", {"sound": 2.0}),
    ("a.mkv", "libx264", {}),
    ("a.mts", "libx264", {}),
    ("a.mp4", "libx265", {"coding": {"x265-params": "open-gop=1:bframes=3:log-level=none"}}),
    ("a.mp4", "mpeg2video", {"coding": {"bf": "2"}}),
    ("a.mpg", "mpeg1video", {}),
    ("a.webm", "libvpx", {}),
    ("a.webm", "libvpx-vp9", {}),
    ("a.mp4", "libsvtav1", {}),
    ("a.mkv", "mjpeg", {"times": UNEVEN}),
    ("a.mkv", "ffv1", {}),
]


def make(path, codec, options):
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    return encoded(path, **{"times": range(50)} | options, codec=codec)


@pytest.mark.parametrize(("name", "codec", "options"), CODINGS)
def test_the_other_frames_are_the_same(tmp_path, name, codec, options):
    """And none is decoded before the last place at which that can begin, every 12 frames or so."""
    path = make(tmp_path / name, codec, options)
    wanted = frames_of(path)
    for count in (1, 24, 50):
        known = known_of(path, wanted, count)
        found = frames_of(path, known=known)
        assert_same(found, wanted)
        assert passed_over(found) == count
        with open(path, "rb") as file:
            decoder = Decoder(file)
            assert len(list(decoder.pass_over(1, *known.request()))) <= 1 + 13
            decoder.close()


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "mpeg4", {"coding": {"bf": "2"}}),
        ("a.avi", "mjpeg", {}),
        ("a.mp4", "libx264", {"coding": {"x264-params": "open-gop=1:keyint=10:bframes=3"}}),
        ("a.mp4", "libx264", {"coding": {"x264-params": "intra-refresh=1:keyint=10"}}),
        ("a.mp4", "libx264", {"shift": 20}),
        ("a.mp4", "mpeg4", {"shift": 20}),
    ],
)
def test_whether_it_can_be_exact_or_not_the_other_frames_are_the_same(tmp_path, name, codec, options):
    path = make(tmp_path / name, codec, options)
    wanted = frames_of(path)
    for count in (1, 24, len(wanted)):
        assert_same(frames_of(path, known=known_of(path, wanted, count)), wanted)


def test_every_nth_frame_and_a_turned_video(tmp_path):
    path = encoded(tmp_path / "a.mp4", times=range(50))
    turn(path, 1)
    wanted = frames_of(path, every=3)
    found = frames_of(path, every=3, known=known_of(path, wanted, 9))
    assert_same(found, wanted)
    assert passed_over(found) == 9


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "mpeg4"), (".mkv", "libx264"), (".mkv", "mjpeg")])
@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_damage_is_told_as_before(tmp_path, suffix, codec, place):
    """Lost pictures change the numbers of those behind them. What an earlier run saw ends at the damage."""
    path = make(tmp_path / f"a{suffix}", codec, {})
    data = bytearray(path.read_bytes())
    middle = int(len(data) * place)
    data[middle : middle + 600] = bytes(600)
    path.write_bytes(data)
    wanted = frames_of(path)
    good = next(i for i, frame in enumerate(wanted) if frame[4] or isinstance(frame[5], str))
    for count in (1, good // 2, good):
        assert_same(frames_of(path, known=known_of(path, wanted, count)), wanted)


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_pictures_whose_heads_are_lost_are_told(tmp_path, codec):
    """FFmpeg's reader of Matroska passes on to the next picture that it finds, without an error."""
    path = make(tmp_path / "a.mkv", codec, {})
    with av.open(str(path)) as container:
        heads = [packet.pos for packet in container.demux(video=0) if packet.pos is not None]
    whole, data = frames_of(path), path.read_bytes()
    for head in [*heads[:3], *heads[5:45:10]]:
        path.write_bytes(data[:head] + bytes(600) + data[head + 600 :])
        wanted = frames_of(path)
        assert len(wanted) < len(whole)
        assert any(words in wanted[-1][-1] for words in ("damaged inside; pictures of it may be missing", "breaks off"))
        assert_same(frames_of(path, known=known_of(path, wanted, 3)), wanted)
    path.write_bytes(data)
    assert frames_of(path)[-1][:5] == whole[-1][:5]


def test_a_cut_video_is_told_as_before(tmp_path):
    path = make(tmp_path / "a.mkv", "mpeg4", {})
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    wanted = frames_of(path)
    assert "breaks off" in wanted[-1][-1]
    found = frames_of(path, known=known_of(path, wanted, len(wanted) - 1))
    assert_same(found, wanted)
    assert passed_over(found) == len(wanted) - 1


def test_another_file_is_not_known(tmp_path):
    """Whether its stamp tells so or not."""
    path = make(tmp_path / "a.mp4", "mpeg4", {})
    known = known_of(path, frames_of(path), 30)
    make(path, "mpeg4", {"times": UNEVEN})
    wanted = frames_of(path)
    for mark in (known.mark, find([path])[0].stamp()):
        found = frames_of(path, known=replace(known, mark=mark))
        assert_same(found, wanted)
        assert not passed_over(found)


@pytest.mark.parametrize(
    ("codec", "extradata", "packet", "begins"),
    [
        ("mpeg4", None, b"", True),
        ("wmv3", None, b"", False),
        ("h264", None, bytes([0, 0, 0, 1, 9, 0, 0, 0, 1, 0x65, 1, 2]), True),
        ("h264", None, bytes([0, 0, 0, 1, 6, 0, 0, 0, 1, 0x41, 1, 2]), False),
        ("h264", bytes([1, 0, 0, 0, 3]), bytes([0, 0, 0, 2, 9, 0, 0, 0, 0, 2, 0x65, 1]), True),
        ("h264", bytes([1, 0, 0, 0, 1]), bytes([0, 2, 6, 0, 0, 2, 0x41, 5]), False),
        ("hevc", None, bytes([0, 0, 1, 0x2A, 1, 2]), True),
        ("hevc", None, bytes([0, 0, 1, 0x02, 1, 2]), False),
        ("h264", bytes([1]), b"\0\0\1", False),
        ("h264", b"", b"", False),
    ],
)
def test_where_decoding_can_begin(codec, extradata, packet, begins):
    assert can_begin(codec, extradata, packet) == begins
