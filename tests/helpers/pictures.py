"""Small pictures in every format that is read."""

from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.features
import PIL.Image

FORMATS = {
    "jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "progressive": {"format": "JPEG", "quality": 95, "progressive": True},
    "png": {"format": "PNG"},
    "webp": {"format": "WEBP", "lossless": True},
    "gif": {"format": "GIF"},
    "bmp": {"format": "BMP"},
    "tiff": {"format": "TIFF"},
    "tiff_lzw": {"format": "TIFF", "compression": "tiff_lzw"},
    "ppm": {"format": "PPM"},
    "jp2": {"format": "JPEG2000"},
}

if PIL.features.check("avif"):
    FORMATS["avif"] = {"format": "AVIF", "quality": 95}


def scene(width: int = 48, height: int = 32) -> np.ndarray:
    """A smooth picture without any symmetry. -> (H, W, 3) uint8."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, (255 - x) * y / 255], axis=-1).astype(np.uint8)


def encode(picture, **options) -> bytes:
    if isinstance(picture, np.ndarray):
        picture = PIL.Image.fromarray(picture)
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


def textured(width=320, height=240, grain=6.0) -> np.ndarray:
    """A picture with as much detail as a photograph. -> (H, W, 3) uint8."""
    dice = np.random.default_rng(0)
    picture = cv2.resize(
        dice.integers(0, 256, (12, 16, 3), dtype=np.uint8), (width, height), None, 0, 0, cv2.INTER_CUBIC
    )
    return np.clip(picture + dice.normal(0, grain, picture.shape), 0, 255).astype(np.uint8)


def jpeg(picture=None, **options) -> bytes:
    return encode(textured() if picture is None else picture, format="JPEG", **options)
