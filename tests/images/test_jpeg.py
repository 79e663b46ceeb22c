"""Damage inside a JPEG is told; what does not touch the picture is passed over; sound files give OpenCV's pixels."""

from __future__ import annotations

import itertools
import sys
import threading

import cv2
import numpy as np
import PIL.Image
import pytest
import simplejpeg

from landmarks import images
from landmarks.errors import ImageError
from tests.helpers.pictures import encode, jpeg, textured

END = b"\xff\xd9"
KINDS = {
    "baseline": {"quality": 90},
    "progressive": {"quality": 90, "progressive": True},
    "optimised": {"quality": 75, "optimize": True},
    "restarts": {"quality": 90, "restart_marker_rows": 1},
    "444": {"quality": 95, "subsampling": 0},
}


def by_opencv(data: bytes) -> np.ndarray:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)


def zeroed(data: bytes, at: int, count: int) -> bytes:
    return data[:at] + bytes(count) + data[at + count :]


@pytest.mark.parametrize("size", [(1, 1), (17, 9), (320, 240)])
@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_give_the_pixels_of_opencv(kind, size):
    for subsampling, grey in itertools.product((0, 1, 2), (False, True)):
        picture = textured(*size)
        options = KINDS[kind] | {"subsampling": subsampling}
        data = jpeg(np.ascontiguousarray(picture[..., 0]) if grey else picture, **options)
        image = images.decode(data, "a")
        np.testing.assert_array_equal(image.pixels, by_opencv(data))
        assert (image.note, image.damage) == ("", "") and image.pixels.flags.writeable


def test_inks_give_the_colours_of_pillow():
    """CMYK, which OpenCV is not asked for."""
    picture = PIL.Image.fromarray(textured()).convert("CMYK")
    data = encode(picture, format="JPEG", quality=95)
    file = encode(picture, format="TIFF")
    difference = images.decode(data, "a").pixels.astype(int) - images.decode(file, "a").pixels
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("damage", ["zeros", "lost", "cut but ended", "cut", "cut and filled with zeros"])
def test_damage_inside_is_told(kind, damage, capfd):
    data = jpeg(**KINDS[kind])
    at = len(data) // 2
    broken = {
        "zeros": zeroed(data, at, 4096),
        "lost": data[:at] + data[at + 4096 :],
        "cut but ended": data[:at] + END,
        "cut": data[:at],
        "cut and filled with zeros": data[:at] + bytes(len(data) - at),
    }[damage]
    with pytest.raises(ImageError, match=r"a: the JPEG file is damaged \(.+\); --accept-damaged"):
        images.decode(broken, "a")
    image = images.decode(broken, "a", accept_damaged=True)
    assert image.pixels.shape == (240, 320, 3)
    assert image.damage and image.damage in image.note
    # The upper half is there.
    if kind != "progressive":
        assert np.abs(image.pixels[:80].astype(int) - by_opencv(data)[:80]).mean() < 1
    assert capfd.readouterr().err == ""


def test_a_progressive_picture_that_lacks_its_last_scans():
    """Cut between two scans: the decoder has nothing to say."""
    data = jpeg(progressive=True, quality=95)
    scans = [at for at in range(len(data) - 1) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans[1:]:
        for end in (b"", END):
            with pytest.raises(ImageError, match="damaged"):
                images.decode(data[:at].rstrip(b"\0") + end, "a")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_without_its_end_is_read_with_a_reason(kind):
    data = jpeg(**KINDS[kind])
    for length in (1, 2):
        image = images.decode(data[:-length], "a")
        assert "lacks its end" in image.note and not image.damage
        np.testing.assert_array_equal(image.pixels, by_opencv(data))


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    return data[:2] + bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def test_oddities_outside_the_picture_are_passed_over():
    data = jpeg()
    whole = by_opencv(data)
    scan = data.index(b"\xff\xda")
    parameters = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big") - 3
    cases = {
        "a later JFIF": data.replace(b"JFIF\0\x01", b"JFIF\0\x07", 1),
        "zeros before the end marker": data[:-2] + bytes(999) + END,
        "zeros instead of the end marker": data[:-2] + bytes(999),
        "scan parameters that mean nothing": data[:parameters] + b"\0\0\0" + data[parameters + 3 :],
        "both": (data[:parameters] + b"\0\0\0" + data[parameters + 3 :]).replace(b"JFIF\0\x01", b"JFIF\0\x07", 1),
    }
    for name, odd in cases.items():
        image = images.decode(odd, "a")
        np.testing.assert_array_equal(image.pixels, whole, name)
        assert image.note and not image.damage, name


def test_an_oddity_does_not_hide_damage():
    """The decoder tells of what it meets first alone."""
    data = jpeg().replace(b"JFIF\0\x01", b"JFIF\0\x07", 1)
    with pytest.raises(ImageError, match="damaged"):
        images.decode(zeroed(data, len(data) // 2, 4096), "a")


def test_rubbish_between_restarts_is_told():
    data = jpeg(restart_marker_rows=1)
    at = data.index(b"\xff\xd3")
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[:at] + b"rubbish" * 9 + data[at:], "a")


def test_unusual_sampling_is_read(capfd):
    """Three brightness samples beside one of colour, which simplejpeg does not know."""
    data = bytearray(jpeg(subsampling=0))
    data[data.index(b"\xff\xc0") + 11] = 0x31
    with pytest.raises(ValueError, match="subsampling"):
        simplejpeg.decode_jpeg(bytes(data))
    pixels = images.decode(bytes(data), "a").pixels
    assert capfd.readouterr().err == ""
    np.testing.assert_array_equal(pixels, by_opencv(bytes(data)))
    with pytest.raises(ImageError, match="damaged"):
        images.decode(bytes(data[:-900]), "a")


@pytest.mark.skipif(sys.platform == "win32", reason="reads the descriptor")
def test_threads_do_not_see_each_others_damage(capfd):
    sound = jpeg()
    broken = zeroed(sound, len(sound) // 2, 4096)
    wrong: list[str] = []

    def work(data: bytes, told: bool) -> None:
        for _ in range(20):
            try:
                images.decode(data, "a")
                good = not told
            except ImageError:
                good = told
            if not good:
                wrong.append("!")

    threads = [threading.Thread(target=work, args=(broken if i % 2 else sound, bool(i % 2))) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and capfd.readouterr().err == ""
