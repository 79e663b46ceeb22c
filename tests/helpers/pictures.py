"""Small pictures in every format that is read."""

from __future__ import annotations

import io

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
