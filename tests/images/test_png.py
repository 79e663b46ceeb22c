"""PNG: damage to the picture is told, damage to anything else is passed over; Apple's kind; what never unpacks."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest

from landmarks import images
from landmarks.errors import ImageError
from tests.helpers.pictures import encode, scene, textured

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes, good: bool = True) -> bytes:
    checksum = zlib.crc32(kind + content) ^ (not good)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def with_chunk(kind: bytes, content: bytes, good: bool = True, late: bool = False) -> bytes:
    data = encode(scene(), format="PNG")
    at = len(data) - 12 if late else 33
    return data[:at] + chunk(kind, content, good) + data[at:]


OTHERS = {
    b"tEXt": b"Comment\0hello", b"zTXt": b"Comment\0\0" + zlib.compress(b"hello"), b"iTXt": b"Comment\0\0\0\0\0hello",
    b"iCCP": b"profile\0\0" + zlib.compress(b"x" * 128), b"tIME": bytes(7), b"pHYs": bytes(9), b"gAMA": bytes(4),
    b"eXIf": b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"bKGD": bytes(6), b"prVt": b"anything",
}  # fmt: skip


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("kind", OTHERS)
def test_a_wrong_checksum_in_what_is_no_picture(kind, late):
    image = images.decode(with_chunk(kind, OTHERS[kind], good=False, late=late), "a")
    np.testing.assert_array_equal(image.pixels, scene())
    assert kind.decode() in image.note and "wrong checksum" in image.note
    assert images.decode(with_chunk(kind, OTHERS[kind], late=late), "a").note == ""


@pytest.mark.parametrize("kind", OTHERS)
def test_nonsense_in_what_is_no_picture(kind):
    for content in (b"", b"x", bytes(3)):
        np.testing.assert_array_equal(images.decode(with_chunk(kind, content), "a").pixels, scene())


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
def test_a_wrong_checksum_in_the_picture(kind):
    picture = PIL.Image.fromarray(scene()).quantize(16)
    whole = encode(picture, format="PNG", transparency=3)
    parts = chunks(whole)
    assert kind in dict(parts)
    data = SIGNATURE + b"".join(chunk(name, content, name != kind) for name, content in parts)
    with pytest.raises(
        ImageError, match=rf"a: the PNG file is damaged \(a wrong checksum, in the chunk {kind.decode()}\)"
    ):
        images.decode(data, "a")
    image = images.decode(data, "a", accept_damaged=True)
    np.testing.assert_array_equal(image.pixels, images.decode(whole, "a").pixels)
    assert "wrong checksum" in image.note


@pytest.mark.parametrize("kind, head", [(b"tEXt", b"Comment\0"), (b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0")])
@pytest.mark.parametrize("late", [False, True])
def test_long_texts_and_profiles(kind, head, late):
    text = np.random.default_rng(0).integers(65, 90, 3 << 20, dtype=np.uint8).tobytes()
    content = head + (text if kind == b"tEXt" else zlib.compress(text))
    np.testing.assert_array_equal(images.decode(with_chunk(kind, content, late=late), "a").pixels, scene())


@pytest.mark.parametrize("kind, head", [
    (b"zTXt", b"Raw profile type exif\0\0"), (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0"),
])  # fmt: skip
def test_a_bomb_where_the_orientation_may_be(kind, head):
    image = images.decode(with_chunk(kind, head + zlib.compress(bytes(50 << 20), 9)), "a")
    np.testing.assert_array_equal(image.pixels, scene())
    assert "passed over texts" in image.note


def test_the_orientation_in_a_text():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>'
    assert images.decode(with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp), "a").orientation == 6


def test_picture_data_that_lie_apart():
    """A chunk among them that became another one: what it held is lost, even if the rest decodes."""
    header, body, end = chunks(encode(textured(), format="PNG", compress_level=0))[0], b"", (b"IEND", b"")
    body = b"".join(content for kind, content in chunks(encode(textured(), format="PNG")) if kind == b"IDAT")
    third = len(body) // 3
    parts = [header, (b"IDAT", body[:third]), (b"iDAT", body[third : 2 * third]), (b"IDAT", body[2 * third :]), end]
    data = SIGNATURE + b"".join(chunk(kind, content, kind != b"iDAT") for kind, content in parts)
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data, "a")


def test_a_file_without_its_end_is_read_with_a_reason():
    data = encode(scene(), format="PNG")
    for lost in (1, 4, 12, 13, 16):
        image = images.decode(data[:-lost], "a")
        np.testing.assert_array_equal(image.pixels, scene())
        assert "lacks its end" in image.note or lost < 5


def test_a_cut_picture_is_taken_if_asked_for():
    data = encode(textured(), format="PNG")
    half = data[: len(data) // 2]
    with pytest.raises(ImageError, match="damaged"):
        images.decode(half, "a")
    image = images.decode(half, "a", accept_damaged=True)
    np.testing.assert_array_equal(image.pixels[:80], textured()[:80])
    assert image.damage and not image.pixels[200:].any()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_apples_own_kind(mode):
    """Blue before red, multiplied by the opacity, compressed without a head."""
    picture = PIL.Image.fromarray(textured(60, 40))
    if mode == "RGBA":
        picture.putalpha(PIL.Image.fromarray(np.tile(np.linspace(0, 255, 60, dtype=np.uint8), (40, 1))))
    samples = np.asarray(picture)
    expected = images.decode(encode(picture, format="PNG"), "a").pixels
    if mode == "RGBA":
        alpha = samples[..., 3:]
        colours = np.rint(samples[..., 2::-1] * (alpha / 255)).astype(np.uint8)
        stored = PIL.Image.fromarray(np.concatenate([colours, alpha], axis=-1))
    else:
        stored = PIL.Image.fromarray(np.ascontiguousarray(samples[..., ::-1]))
    parts = [(b"CgBI", b"\x50\0\x20\x02")]
    for kind, content in chunks(encode(stored, format="PNG")):
        parts.append((kind, content[2:-4] if kind == b"IDAT" else content))
    data = SIGNATURE + b"".join(chunk(*part) for part in parts)
    assert np.abs(images.decode(data, "a").pixels.astype(int) - expected).max() <= 1
