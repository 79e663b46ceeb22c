"""Damage inside formats whose decoders are Pillow's."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import images
from landmarks.errors import ImageError
from tests.helpers.pictures import FORMATS, encode, textured

OTHERS = sorted(set(FORMATS) - {"jpeg", "progressive", "png"})


@pytest.mark.parametrize("name", OTHERS)
def test_a_cut_file_is_told(name):
    data = encode(textured(), **FORMATS[name])
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(ImageError, match="damaged"):
            images.decode(data[: int(share * len(data))], "a")


@pytest.mark.parametrize("name", ["gif", "bmp", "tiff", "ppm"])
def test_what_there_is_of_a_cut_file(name):
    data = encode(textured(), **FORMATS[name])
    whole = images.decode(data, "a").pixels
    image = images.decode(data[: len(data) * 2 // 3], "a", accept_damaged=True)
    # BMP begins below. Some decoders show what they have in pieces.
    rows = slice(200, 240) if name == "bmp" else slice(0, 40)
    assert np.abs(image.pixels[rows].astype(int) - whole[rows]).mean() < 1
    assert "damaged" in image.note


@pytest.mark.parametrize("name", [name for name in ("gif", "tiff_lzw", "webp", "avif") if name in FORMATS])
def test_a_hole_is_told(name):
    data = encode(textured(), **FORMATS[name])
    at = len(data) // 2
    with pytest.raises(ImageError, match="damaged"):
        images.decode(data[:at] + bytes(4096) + data[at + 4096 :], "a")


def test_zeros_in_sound_files():
    """A smooth picture has hundreds of them in lossy WebP."""
    ramp = np.ascontiguousarray(
        np.broadcast_to(np.linspace(0, 255, 1500).astype(np.uint8)[None, :, None], (900, 1500, 3))
    )
    for options in ({"format": "WEBP", "quality": 80}, FORMATS["webp"], FORMATS["png"], FORMATS["jpeg"]):
        assert not images.decode(encode(ramp, **options), "a").note
