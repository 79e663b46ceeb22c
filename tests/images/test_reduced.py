"""JPEG decoded only as far as is needed: what it is a picture of stays the same."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from landmarks.errors import ImageError
from landmarks.images import decode, from_reduced
from landmarks.images.jpeg import reduction_for

HEIGHT, WIDTH = 901, 1203
SPOTS = np.array([[200.0, 100.0], [900.0, 300.0], [500.0, 700.0]])
"""Centres of soft spots, x, y pixels."""


def spotted() -> np.ndarray:
    """(H, W, 3) uint8: a spot of each colour."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    spots = [np.exp(-((x - a) ** 2 + (y - b) ** 2) / (2 * 30.0**2)) for a, b in SPOTS]
    return (255 * np.stack(spots, axis=2)).astype(np.uint8)


def jpeg(pixels: np.ndarray, mode: str = "RGB", orientation: int = 1, **options) -> bytes:
    exif = PIL.Image.Exif()
    exif[0x112] = orientation
    file = io.BytesIO()
    PIL.Image.fromarray(pixels).convert(mode).save(file, "JPEG", quality=95, exif=exif, **options)
    return file.getvalue()


def centres(pixels: np.ndarray) -> np.ndarray:
    """(3, 2) x, y of the spots' centres of mass, in the pixels given."""
    y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    weights = np.where(pixels > 40, pixels.astype(float), 0)
    return np.stack([[(w * x).sum() / w.sum(), (w * y).sum() / w.sum()] for w in np.moveaxis(weights, 2, 0)])


@pytest.mark.parametrize(
    "size, least_side, wanted",
    [
        ((4000, 3000), 640, 4), ((4000, 3000), 500, 8), ((4000, 3000), 501, 4), ((1280, 720), 640, 1),
        ((2560, 1440), 640, 4), ((2556, 1440), 640, 1), ((640, 480), 640, 1), ((1, 1), 640, 1), ((1, 30_000), 640, 8),
    ],
)  # fmt: skip
def test_the_largest_reduction_that_leaves_enough(size, least_side, wanted):
    assert reduction_for(size, least_side) == wanted
    assert reduction_for(size[::-1], least_side) == wanted


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}])
@pytest.mark.parametrize("reduction", [1, 4, 8])
def test_things_stay_where_they_are(reduction, options):
    image = decode(jpeg(spotted(), **options), "spots", least_side=-(-WIDTH // reduction))
    assert (image.reduction, image.width, image.height) == (reduction, WIDTH, HEIGHT)
    assert image.pixels.shape == (-(-HEIGHT // reduction), -(-WIDTH // reduction), 3)
    np.testing.assert_allclose(from_reduced(centres(image.pixels), image), SPOTS, atol=0.3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(orientation):
    data = jpeg(spotted(), orientation=orientation)
    whole, reduced = decode(data, "spots"), decode(data, "spots", least_side=300)
    assert reduced.reduction == 4 and reduced.size == whole.size == whole.pixels.shape[1::-1]
    assert reduced.orientation == orientation and reduced.stored_size == (WIDTH, HEIGHT)
    np.testing.assert_allclose(from_reduced(centres(reduced.pixels), reduced), centres(whole.pixels), atol=0.3)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours(mode):
    data = jpeg(spotted(), mode)
    whole, reduced = decode(data, "spots"), decode(data, "spots", least_side=300)
    assert reduced.reduction == 4
    np.testing.assert_allclose(reduced.pixels.mean(axis=(0, 1)), whole.pixels.mean(axis=(0, 1)), atol=1.0)


def test_other_formats_come_whole():
    file = io.BytesIO()
    PIL.Image.fromarray(spotted()).save(file, "PNG")
    image = decode(file.getvalue(), "spots", least_side=100)
    assert image.reduction == 1 and image.pixels.shape == (HEIGHT, WIDTH, 3)


def test_damage_and_size_are_noticed_all_the_same():
    data = jpeg(np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    torn = data[: len(data) // 2] + bytes(4096) + data[len(data) // 2 + 4096 :]
    with pytest.raises(ImageError, match="damaged"):
        decode(torn, "torn", least_side=100)
    assert decode(torn, "torn", accept_damaged=True, least_side=100).damage
    with pytest.raises(ImageError, match="above the cap"):
        decode(data, "large", max_pixels=WIDTH * HEIGHT - 1, least_side=100)
    lying = bytearray(data)
    at = data.index(b"\xff\xc0") + 5
    lying[at : at + 4] = (HEIGHT * 2).to_bytes(2, "big") + WIDTH.to_bytes(2, "big")
    with pytest.raises(ImageError):
        decode(bytes(lying), "lying", least_side=100)
