"""Finding and decoding images: every ugly input has a status, and nothing but ImageError ever escapes."""

from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageFile
import pytest
from PIL import ImageCms, TiffImagePlugin

from landmarks import images
from landmarks.errors import ImageError
from landmarks.images import decoding, pillow, tiff
from tests.helpers.fuzz import peak
from tests.helpers.pictures import FORMATS, encode, scene

# The test runner drops the filter that images.py sets.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds next to no data."""
    chunks = [
        (b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg_with_thumbnail() -> bytes:
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + encode(scene(16, 16), format="JPEG")
    return encode(scene(), format="JPEG", exif=exif)


def status_of(data: bytes, **options) -> str:
    with pytest.raises(ImageError) as caught:
        images.decode(data, "a.jpg", **options)
    assert str(caught.value).startswith("a.jpg: ")
    return caught.value.status


# Decoding


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_decodes_to_upright_rgb(name):
    image = images.decode(encode(scene(), **FORMATS[name]), name)
    assert (image.pixels.dtype, image.pixels.shape) == (np.uint8, (32, 48, 3))
    assert image.pixels.flags.c_contiguous and image.pixels.flags.writeable
    assert (image.width, image.height, image.stored_size, image.orientation) == (48, 32, (48, 32), 1)
    assert np.abs(image.pixels.astype(int) - scene()).mean() < (8 if name == "gif" else 3)


RED, GREY, WHITE = (254, 0, 0), (100, 100, 100), (255, 255, 255)


def flat(mode: str, colour) -> PIL.Image.Image:
    return PIL.Image.new(mode, (16, 8), colour)


def palette(transparent: bool) -> bytes:
    picture = flat("P", 1)
    picture.putpalette([9, 9, 9, *RED])
    return encode(picture, format="PNG", **({"transparency": 1} if transparent else {}))


def adobe_inverted_cmyk() -> bytes:
    data = encode(flat("CMYK", (0, 255, 255, 0)), format="JPEG", quality=95)
    assert b"Adobe" in data
    return data


@pytest.mark.parametrize(
    ("data", "colour", "tolerance"),
    {
        "grey": (encode(flat("L", 100), format="PNG"), GREY, 0),
        "grey jpeg": (encode(flat("L", 100), format="JPEG"), GREY, 1),
        "1 bit": (encode(flat("1", 1), format="PNG"), WHITE, 0),
        "1 bit tiff": (encode(flat("1", 1), format="TIFF", compression="group4"), WHITE, 0),
        "palette": (palette(False), RED, 0),
        "palette, transparent": (palette(True), WHITE, 0),
        "grey and alpha": (encode(flat("LA", (100, 255)), format="PNG"), GREY, 0),
        "grey, transparent": (encode(flat("LA", (100, 0)), format="PNG"), WHITE, 0),
        "rgba": (encode(flat("RGBA", (*RED, 255)), format="PNG"), RED, 0),
        "rgba, half transparent": (encode(flat("RGBA", (0, 0, 0, 128)), format="PNG"), (127, 127, 127), 1),
        "rgba, garbage under alpha 0": (encode(flat("RGBA", (1, 2, 3, 0)), format="WEBP", lossless=True), WHITE, 0),
        "rgb with a transparent colour": (encode(flat("RGB", RED), format="PNG", transparency=RED), WHITE, 0),
        "cmyk tiff": (encode(flat("CMYK", (0, 255, 255, 0)), format="TIFF"), RED, 2),
        "cmyk jpeg": (adobe_inverted_cmyk(), RED, 4),
        "16-bit grey": (encode(flat("I;16", 100 << 8), format="PNG"), GREY, 0),
        "one pixel": (encode(PIL.Image.new("RGB", (1, 1), RED), format="PNG"), RED, 0),
        "animated gif": (
            encode(flat("RGB", RED), format="GIF", save_all=True, append_images=[flat("RGB", GREY)]),
            RED,
            1,
        ),
        "animated png": (
            encode(flat("RGB", RED), format="PNG", save_all=True, append_images=[flat("RGB", GREY)]),
            RED,
            0,
        ),
        "animated png with a still picture of its own": (
            encode(
                flat("RGB", RED), format="PNG", save_all=True, default_image=True, append_images=[flat("RGB", GREY)]
            ),
            RED,
            0,
        ),
        "animated webp": (
            encode(flat("RGB", RED), format="WEBP", save_all=True, append_images=[flat("RGB", GREY)], lossless=True),
            RED,
            0,
        ),
        "tiff of two pages": (
            encode(flat("RGB", RED), format="TIFF", save_all=True, append_images=[flat("RGB", GREY)]),
            RED,
            0,
        ),
    }.values(),
)
def test_colour_modes(data, colour, tolerance):
    pixels = images.decode(data, "a").pixels
    assert pixels.shape[2] == 3
    assert np.abs(pixels.astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_16_bit_grey_is_scaled_not_clipped(file_format):
    gradient = np.linspace(0, 65535, 256 * 3).reshape(3, 256).astype(np.uint16)
    data = encode(gradient, format=file_format)
    pixels = images.decode(data, "a").pixels
    assert np.abs(pixels.astype(float) - gradient[..., None] / 257).max() <= 1
    assert (pixels.min(), pixels.max()) == (0, 255)


def test_16_bit_colour_is_scaled_not_clipped():
    gradient = np.random.default_rng(0).integers(0, 65536, (9, 11, 3)).astype(np.uint16)
    for suffix in (".png", ".tiff"):
        data = cv2.imencode(suffix, gradient[..., ::-1])[1].tobytes()
        assert np.abs(images.decode(data, "a").pixels - gradient / 257).max() <= 1


# Orientation


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff", "tiff_lzw"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_gives_the_same_upright_picture(name, orientation):
    stored = as_stored(scene(), orientation)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image = images.decode(encode(stored, exif=exif, **FORMATS[name]), name)
    assert (image.orientation, image.stored_size) == (orientation, stored.shape[1::-1])
    assert image.pixels.shape == scene().shape and image.pixels.flags.c_contiguous
    assert np.abs(image.pixels.astype(int) - scene()).max() <= (12 if name == "jpeg" else 0)


def as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """The picture that `orientation` makes upright, by Pillow's own transpositions."""
    method = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }.get(orientation)
    return upright if method is None else np.asarray(PIL.Image.fromarray(upright).transpose(method))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_map_to_the_stored_picture_and_back(orientation):
    upright = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    stored = as_stored(upright, orientation)
    image = images.Image(upright, orientation)
    points = np.stack(np.meshgrid(np.arange(7), np.arange(5)), axis=-1).reshape(-1, 2)
    x, y = images.to_stored(points, image).astype(int).T
    assert (stored[y, x] == upright[points[:, 1], points[:, 0]]).all()
    for dtype in (np.float32, np.float64):
        points = (np.random.default_rng(0).integers(-64, 640, (20, 2)) / 64).astype(dtype)
        points[0] = np.nan
        there = images.to_stored(points, image)
        assert there.dtype == dtype
        np.testing.assert_array_equal(images.to_upright(there, image), points)
    assert images.to_stored(np.zeros((0, 2)), image).shape == (0, 2)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0rubbish", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_is_ignored(exif):
    assert images.decode(encode(scene(), format="JPEG", exif=exif), "a").orientation == 1


def test_impossible_orientation_is_ignored():
    exif = PIL.Image.Exif()
    exif[0x0112] = 9
    assert images.decode(encode(scene(), format="JPEG", exif=exif), "a").orientation == 1


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("profile", [ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(), b"nonsense"])
def test_colour_profiles_are_ignored(name, profile):
    """Whatever they say, and if they say nothing: the pixels are those of the same file without one."""
    data = encode(scene(), icc_profile=profile, **FORMATS[name])
    assert profile[:8] in data or name == "png"  # It compresses them.
    plain = images.decode(encode(scene(), **FORMATS[name]), "a").pixels
    assert np.array_equal(images.decode(data, "a").pixels, plain)


# Refusing


def png_with(kind: bytes, data: bytes) -> bytes:
    """A PNG file with a chunk of its own after the header."""
    whole = encode(scene(), format="PNG")
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return whole[:33] + chunk + whole[33:]


@pytest.fixture(scope="module")
def gigabyte_of_zeros() -> bytes:
    """Compressed to a megabyte: one block of 16 MiB, again and again."""
    packer = zlib.compressobj(9)
    head, block = packer.compress(b""), packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)
    last_block, checksum = b"\3\0", ((1 << 30) % 65521 << 16 | 1).to_bytes(4, "big")
    return head + 64 * block + last_block + checksum


@pytest.mark.parametrize("kind, head", [(b"zTXt", b"a\0\0"), (b"iCCP", b"a\0\0"), (b"iTXt", b"a\0\1\0\0\0")])
def test_a_bomb_in_what_is_no_picture(kind, head, gigabyte_of_zeros):
    """A gigabyte of zeros in compressed text or a colour profile is not unpacked."""
    bomb = head + gigabyte_of_zeros
    before = peak()
    with contextlib.suppress(ImageError):
        images.decode(png_with(kind, bomb), "a")
    assert peak() - before < 200_000 << 10


def test_avif_where_it_cannot_be_read(monkeypatch):
    formats = [replace(one, reader=None) if one.name == "AVIF" else one for one in decoding.FORMATS]
    monkeypatch.setattr(decoding, "FORMATS", formats)
    with pytest.raises(ImageError, match="AVIF files cannot be read; convert it to JPEG or PNG"):
        images.decode(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + b"\0" * 99, "a")


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", "unreadable", "empty"),
        (b"\0" * 4096, "unreadable", "not an image"),
        (b"<html><body>404 Not Found</body></html>", "unreadable", "not an image"),
        (b"\xff\xd8\xff", "unreadable", "JPEG"),
        (b"\xff\xd8\xff\xd9", "unreadable", "JPEG"),
        (b"BM and so on", "unreadable", "BMP"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 99, "unreadable", "HEIC files cannot be read; convert it to"),
        (b"%PDF-1.7", "unreadable", "PDF"),
        (png_header(0, 0), "unreadable", "PNG"),
        (png_header(20_000, 20_000), "too_large", "20000 x 20000 = 400,000,000 pixels, above the cap of 100,000,000"),
        (png_header(2**31 - 1, 2**31 - 1), "too_large", "raise max_pixels"),
        (png_header(9, 9), "unreadable", "PNG"),
        (b"P6 60000 60000 255\n", "too_large", "raise max_pixels"),
        (encode(flat("F", 1e6), format="TIFF"), "unreadable", "floating-point"),
        (encode(flat("I", -5), format="TIFF"), "unreadable", "negative"),
    ],
)
def test_what_is_refused_and_why(data, status, words):
    with pytest.raises(ImageError, match=words) as caught:
        images.decode(data, "a")
    assert caught.value.status == status


@pytest.mark.parametrize("name", FORMATS)
def test_the_pixel_cap_holds_for_every_format(name):
    data = encode(scene(), **FORMATS[name])
    assert status_of(data, max_pixels=48 * 32 - 1) == "too_large"
    assert images.decode(data, name, max_pixels=48 * 32).width == 48


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_told_though_the_process_asks_pillow_not_to(name, monkeypatch):
    """Many programs set `LOAD_TRUNCATED_IMAGES`. It is theirs: afterwards it stands as they had it."""
    data = encode(scene(96, 64), **FORMATS[name])
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", False)
    cut = [data[: len(data) * share // 10] for share in range(3, 10)]
    expected = [_status(images.decode, one, name) for one in cut]
    monkeypatch.setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda one: _status(images.decode, one, name), cut * 4)) == expected * 4
    for one, status in zip(cut, expected):
        try:
            picture = PIL.Image.open(io.BytesIO(one))
        except (OSError, SyntaxError, ValueError):
            continue
        assert _status(images.from_picture, picture, name) == status
    assert PIL.ImageFile.LOAD_TRUNCATED_IMAGES is True


def _status(decode, *arguments) -> str:
    try:
        return decode(*arguments).note
    except ImageError as error:
        return error.status


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_that_pillow_has_opened_is_decoded_as_its_file(name, tmp_path):
    """Also a damaged one: Pillow passes over most of what is lost inside a JPEG."""
    data = encode(scene(300, 200), **FORMATS[name])
    middle = len(data) // 2
    for number, one in enumerate((data, data[:middle] + bytes(64) + data[middle + 64 :])):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(one)
        with PIL.Image.open(path) as picture:
            assert _status(images.from_picture, picture, name) == _status(images.decode, one, name)
    with PIL.Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(images.from_picture(picture, name).pixels, images.decode(data, name).pixels)
        small = picture.resize((30, 20))
    assert images.from_picture(small, name).size == (30, 20)


@pytest.mark.parametrize("options", [{}, {"tiffinfo": {278: 16}}, {"big_tiff": True}])
def test_a_hole_in_a_tiff_that_its_decoder_passes_over(options):
    """libtiff does not look at the checksums of zlib."""
    noise = np.random.default_rng(0).integers(0, 60, (200, 300, 3), np.uint8)
    data = encode(PIL.Image.fromarray(noise), format="TIFF", compression="tiff_deflate", **options)
    assert images.decode(data, "a.tif").pixels.shape == noise.shape
    for share in (3, 5, 7):
        at = len(data) * share // 10
        assert status_of(data[:at] + bytes(64) + data[at + 64 :]) == "unreadable"


def test_strips_that_expand_to_far_more_than_a_picture(monkeypatch):
    """A thousand names for one bomb of 10 MB: it is expanded a few times at most, and takes no more memory."""
    rows, bomb = 1000, zlib.compress(bytes(10 << 20), 9)
    places = 8 + 2 + 9 * 12 + 4  # header, number of entries, entries, no next directory
    entries = [  # tag, type (3: 16 bits, 4: 32 bits), count, value
        (256, 4, 1, 64), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1), (273, 4, rows, places),
        (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, rows, places + 4 * rows),
    ]  # fmt: skip
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data += struct.pack(f"<I{rows}I{rows}I", 0, *[places + 8 * rows] * rows, *[len(bomb)] * rows) + bomb
    expanded: list[int] = []

    class Counting:
        def __init__(self):
            self.stream = zlib.decompressobj()

        @property
        def eof(self):
            return self.stream.eof

        def decompress(self, piece):
            part = self.stream.decompress(piece)
            expanded.append(len(part))
            return part

    monkeypatch.setattr(tiff, "zlib", SimpleNamespace(decompressobj=Counting, error=zlib.error))
    assert images.decode(data, "bomb.tif").pixels.shape == (rows, 64, 3)
    assert expanded and sum(expanded) < 4 * (10 << 20)


@pytest.mark.parametrize("name", FORMATS)
def test_max_pixels_is_the_one_cap_whatever_pillows_own_is(name, monkeypatch):
    """A low cap of Pillow's does for a large picture."""
    data = encode(scene(), **FORMATS[name])
    whole = images.decode(data, name).pixels
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 48 * 32 // 4)
    with pytest.raises(PIL.Image.DecompressionBombError):
        PIL.Image.open(io.BytesIO(data))
    np.testing.assert_array_equal(images.decode(data, name, max_pixels=48 * 32).pixels, whole)
    with ThreadPoolExecutor(4) as threads:
        for image in threads.map(lambda _: images.decode(data, name, max_pixels=48 * 32), range(20)):
            np.testing.assert_array_equal(image.pixels, whole)
    for cap in (48 * 32 - 1, 48 * 32 // 5):
        with pytest.raises(ImageError, match=r"above the cap of .* raise max_pixels"):
            images.decode(data, name, max_pixels=cap)
    assert PIL.Image.MAX_IMAGE_PIXELS == 48 * 32 // 4  # As others in this process have it.


@pytest.mark.parametrize(("name", "size"), [("WebP", (16_000, 16_000)), ("TIFF", (20_000, 20_000))])
def test_headers_of_large_pictures_that_pillow_asks_its_own_cap_for(name, size):
    """The reason is the cap that can be raised, not Pillow's."""
    width, height = size
    if name == "WebP":  # RFC 9649: a lossless picture's size, less one, in 14 bits each.
        bits = (width - 1) | (height - 1) << 14
        chunk = b"VP8L" + struct.pack("<IBI", 5, 0x2F, bits)
        data = b"RIFF" + struct.pack("<I", 4 + len(chunk) + 1) + b"WEBP" + chunk + b"\0"
    else:
        data = encode(PIL.Image.new("L", (64, 64)), format="TIFF")
        data = data.replace(struct.pack("<HHII", 256, 4, 1, 64), struct.pack("<HHII", 256, 4, 1, width))
        data = data.replace(struct.pack("<HHII", 257, 4, 1, 64), struct.pack("<HHII", 257, 4, 1, height))
    with pytest.raises(ImageError, match=r"above the cap of 100,000,000.* raise max_pixels") as caught:
        images.decode(data, "large")
    assert caught.value.status == "too_large"


@pytest.mark.parametrize("options", [{"compression": "tiff_deflate"}, {"compression": "packbits"}, {}])
def test_a_tiff_that_is_larger_than_pillows_cap(options, monkeypatch):
    """For one of 20,000 pixels a side, with a cap as many times lower."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    picture = PIL.Image.new("RGB", (400, 300), (10, 200, 30))
    data = encode(picture, format="TIFF", **options)
    image = images.decode(data, "large.tif", max_pixels=400 * 300)
    assert image.pixels.shape == (300, 400, 3) and (image.pixels == (10, 200, 30)).all() and not image.note
    with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as opened:
        assert images.from_picture(opened, "opened", max_pixels=400 * 300).pixels.shape == (300, 400, 3)


def test_a_header_that_claims_less_than_the_data_hold():
    data = bytearray(encode(scene(), format="PNG"))
    data[16:29] = struct.pack(">2I5B", 48, 2, 8, 2, 0, 0, 0)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert images.decode(bytes(data), "a").pixels.shape == (2, 48, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_short_is_refused_or_complete(name, capfd):
    data = encode(scene(), **FORMATS[name])
    whole = images.decode(data, name).pixels
    for length in {*range(0, len(data), max(1, len(data) // 60)), *range(len(data) - 12, len(data))}:
        try:
            pixels = images.decode(data[:length], name).pixels
        except ImageError as error:
            assert error.status == "unreadable"
        else:
            np.testing.assert_array_equal(pixels, whole)
    assert capfd.readouterr().err == ""


def test_a_cut_jpeg_with_a_whole_thumbnail_is_refused():
    data = jpeg_with_thumbnail()
    assert data.count(b"\xff\xd9") == 2
    assert images.decode(data, "a").width == 48
    assert status_of(data[:-20]) == "unreadable"
    assert status_of(data[:-20] + b"\0" * 4096) == "unreadable"


def test_what_follows_the_end_of_a_jpeg_does_not_matter():
    data = encode(scene(), format="JPEG")
    whole = images.decode(data, "a").pixels
    for tail in (b"\0" * 99, b"\xff\xd8 half a second picture", encode(scene(9, 9), format="JPEG")):
        np.testing.assert_array_equal(images.decode(data + tail, "a").pixels, whole)


def test_any_damage_to_a_png_is_told():
    data = encode(scene(), format="PNG")
    for at in range(8, len(data) - 12):
        damaged = bytearray(data)
        damaged[at] ^= 4
        try:
            image = images.decode(bytes(damaged), "a")
        except ImageError as error:
            assert error.status in ("unreadable", "too_large")
        else:
            assert image.note and np.array_equal(image.pixels, scene())


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_give_an_image_or_an_image_error(name):
    data, dice = encode(scene(), **FORMATS[name]), random.Random(name)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(dice.choice([1, 2, 8])):
            # Headers are a small part of a file and the part that matters most.
            at = dice.randrange(min(len(data), 200)) if dice.random() < 0.5 else dice.randrange(len(data))
            damaged[at] = dice.randrange(256)
        if dice.random() < 0.3:
            del damaged[dice.randrange(len(damaged)) :]
        try:
            image = images.decode(bytes(damaged), name, max_pixels=1_000_000)
        except ImageError as error:
            assert error.status in ("unreadable", "too_large") and error.reason
        else:
            assert image.pixels.dtype == np.uint8 and image.pixels.shape == (image.height, image.width, 3)


# Files and arrays


def test_read(tmp_path):
    path = tmp_path / "Gesicht é 脸 [1] 😀.png"
    path.write_bytes(encode(scene(), format="PNG"))
    np.testing.assert_array_equal(images.read(path).pixels, scene())
    np.testing.assert_array_equal(images.read(str(path)).pixels, scene())


def test_read_names_what_is_wrong(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    with open(tmp_path / "long.jpg", "wb") as file:
        file.truncate(100 << 20)  # Sparse: takes no space.
    os.mkfifo(tmp_path / "pipe.jpg")
    cases = {
        "none.jpg": ("missing", "no such file"),
        "text.jpg": ("unreadable", "not an image"),
        "text.jpg/a.jpg": ("missing", "no such file"),
        ".": ("unreadable", "folder"),
        "loop.jpg": ("unreadable", "cannot be opened"),
        "nul\0.jpg": ("unreadable", "cannot be opened"),
        "x" * 300: ("unreadable", "cannot be opened"),
        "pipe.jpg": ("unreadable", "regular"),
        "long.jpg": ("too_large", "104,857,600 bytes"),
    }
    for name, (status, words) in cases.items():
        with pytest.raises(ImageError, match=words) as caught:
            images.read(tmp_path / name, max_pixels=1000)
        assert (caught.value.status, caught.value.path) == (status, str(tmp_path / name))


def test_a_file_that_may_not_be_opened(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.jpg").write_bytes(encode(scene(), format="JPEG"))
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match="Permission denied") as caught:
        images.read(tmp_path / "a.jpg")
    assert caught.value.status == "unreadable"


def test_too_little_memory_is_too_large(monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(pillow, "_to_rgb", fail)
    assert status_of(encode(scene(), format="PNG")) == "too_large"


def test_from_array():
    image = images.from_array(scene()[:, ::-1], "camera")
    assert image.pixels.flags.c_contiguous and image.stored_size == (48, 32)
    wrong = [scene()[..., 0], scene() / 255, np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8), [1, 2], None]
    for array in wrong:
        with pytest.raises(ImageError, match=r"camera: an image must be a NumPy array \(H, W, 3\) of uint8, RGB"):
            images.from_array(array, "camera")
