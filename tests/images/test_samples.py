"""Samples of more than 8 bits: scaled by the range that they use, or refused; never black in silence."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import PIL.Image
import pytest

from landmarks import images
from landmarks.errors import ImageError
from landmarks.images.samples import to_8_bits
from tests.helpers.pictures import encode

RAMP = np.linspace(0, 1, 64 * 32).reshape(32, 64)


@pytest.mark.parametrize(
    ("dtype", "bits", "top", "guessed"),
    [
        ("uint16", 16, 65535, False),
        ("uint16", 16, 30000, False),
        ("uint16", 16, 4095, True),
        ("uint16", 16, 1023, True),
        ("uint16", 16, 255, True),
        ("uint16", 12, 4095, False),
        ("int32", 15, 32767, False),
        ("uint32", 32, 2**32 - 1, False),
        ("uint32", 32, 2**20 - 1, True),
        ("uint32", 32, 65535, True),
        ("uint32", 32, 255, True),
        ("float32", 32, 1, True),
        ("float32", 32, 255, True),
        ("float64", 64, 4095, True),
        ("float32", 32, 65535, True),
    ],
)
def test_the_smallest_usual_range_is_taken(dtype, bits, top, guessed):
    pixels, note = to_8_bits((RAMP * top).astype(dtype), bits)
    full = {30000: 65535}.get(top, top)
    assert np.abs(pixels - RAMP * 255 * top / full).max() <= 1
    assert bool(note) == guessed


def test_black_is_black():
    for dtype in (np.uint16, np.uint32, np.float32):
        pixels, note = to_8_bits(np.zeros((2, 2), dtype), 16)
        assert not pixels.any()
        assert not note or dtype is np.float32


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), 1e6])
def test_what_has_no_range(value):
    with pytest.raises(ValueError, match="samples"):
        to_8_bits(np.array([[0.5, value]], np.float32), 32)


def tiff(samples: bytes, bits: int, kind: int = 1, photometric: int = 1) -> bytes:
    """A TIFF file of 64 x 32 grey samples."""
    tags = {256: 64, 257: 32, 258: bits, 259: 1, 262: photometric, 273: 8 + 2 + 12 * 10 + 4, 277: 1, 278: 32,
            279: len(samples), 339: kind}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + samples


def packed_12(samples: np.ndarray) -> bytes:
    first, second = samples.reshape(-1, 2).T.astype(int)
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1).astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("data", "guessed"),
    {
        "32-bit": (tiff((RAMP * (2**32 - 1)).astype("<u4").tobytes(), 32), False),
        "32-bit of 16": (tiff((RAMP * 65535).astype("<u4").tobytes(), 32), True),
        "32-bit of 8": (tiff((RAMP * 255).astype("<u4").tobytes(), 32), True),
        "32-bit, signed": (tiff((RAMP * (2**31 - 1)).astype("<i4").tobytes(), 32, 2), False),
        "16-bit, signed": (tiff((RAMP * 32767).astype("<i2").tobytes(), 16, 2), False),
        "16-bit of 12": (tiff((RAMP * 4095).astype("<u2").tobytes(), 16), True),
        "12-bit": (tiff(packed_12(RAMP * 4095), 12), False),
        "white is lowest": (tiff(((1 - RAMP) * 65535).astype("<u2").tobytes(), 16, photometric=0), False),
        "floating": (tiff(RAMP.astype("<f4").tobytes(), 32, 3), True),
        "PNG of 12": (encode(PIL.Image.fromarray((RAMP * 4095).astype(np.uint16)), format="PNG"), True),
    }.values(),
)
def test_deep_grey_files(data, guessed):
    image = images.decode(data, "a")
    assert np.abs(image.pixels - RAMP[..., None] * 255).max() <= 1.01
    assert bool(image.note) == guessed


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colours_that_use_12_bits(suffix, channels):
    samples = np.random.default_rng(0).integers(0, 4096, (9, 11, channels)).astype(np.uint16)
    samples[..., 3:] = 65535
    image = images.decode(cv2.imencode(suffix, samples)[1].tobytes(), "a")
    assert np.abs(image.pixels - samples[..., 2::-1] / 4095 * 255).max() <= 1
    assert "12-bit" in image.note


@pytest.mark.parametrize("bits, kind", [(64, 3), (16, 3), (64, 1)])
def test_other_kinds_have_a_reason(bits, kind):
    with pytest.raises(ImageError, match="unusual kind"):
        images.decode(tiff(bytes(64 * 32 * bits // 8), bits, kind), "a")
