"""Photographs labelled for YOLO: a text file for each image, `labels/NAME.txt` for `images/NAME.jpg`.

A line a face: class, centre x, centre y, width, height, and perhaps x y v of five points; shares of the upright image's
width and height, measured from its corner. An image without a file, or with an empty one, shows no face. A folder named
`train`, `val` or `test` (`valid` too) among a path's folders is the split; none means train.
"""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image

from landmarks.datasets.readers.custom import SPLIT_WORDS
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, SPLITS
from landmarks.errors import DataError
from landmarks.schemes import POINTS_5

NAME = "yolo"
TERMS = "Your own data."
KNOWN_BY = "YOLO labels (labels/*.txt beside images/)"
ORIENTATION = 0x0112
"""EXIF tag; from 5 on the file's width is the upright image's height."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def recognise(files: Files) -> bool:
    """Whether there is an image in a folder `images` whose text file lies in `labels`."""
    names = set(files.names)
    return any(_label_file(name) in names for name in files.names if _is_image(name))


def read(files: Files) -> pd.DataFrame:
    """A row a face: image, split, box, points; a row without a box for an image without faces.

    The images' headers tell their sizes; an image whose header cannot be read is passed over where it has no label.
    Raises DataError naming the line.
    """
    names, rows = set(files.names), []
    for image in filter(_is_image, files.names):
        label, split = _label_file(image), _split(image)
        text = files.read_text(label) if label in names else ""
        lines = [(i, line.split()) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        if not lines:
            rows.append({"image": image, "split": split})
            continue
        size = _size(files, image)
        for i, values in lines:
            rows.append({"image": image, "split": split} | _face(values, size, f"{files.root}: {label} line {i}"))
    points = [f"{point}_{axis}" for point in POINTS_5.points for axis in "xy"]
    return pd.DataFrame(rows, columns=["image", "split", *BOX, *points])


def _is_image(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in SUFFIXES and "images" in path.parts[:-1]


def _label_file(image: str) -> str:
    """`a/images/b/c.jpg` -> `a/labels/b/c.txt`: the last folder `images` becomes `labels`."""
    path = PurePosixPath(image)
    parts = list(path.with_suffix(".txt").parts)
    place = len(parts) - 1 - parts[::-1].index("images") if "images" in parts else 0
    return str(PurePosixPath(*parts[:place], "labels", *parts[place + 1 :]))


def _split(image: str) -> str:
    words = [SPLIT_WORDS.get(part.lower(), part.lower()) for part in PurePosixPath(image).parts[:-1]]
    return next((word for word in words if word in SPLITS), "train")


def _size(files: Files, image: str) -> tuple[int, int]:
    """Width and height of an upright image, as its header has them. Raises DataError."""
    try:
        with PIL.Image.open(io.BytesIO(files.read(image))) as picture:
            width, height = picture.size
            return (height, width) if picture.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8) else (width, height)
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise anything at all.
        raise DataError(
            f"{files.root}: {image}: its size cannot be read ({error}); take it and its label out"
        ) from error


def _face(texts: list[str], size: tuple[int, int], where: str) -> dict[str, Any]:
    try:
        _, x, y, w, h, *flat = (float(text) for text in texts)
        if not np.isfinite([x, y, w, h, *flat]).all() or min(w, h) <= 0 or len(flat) not in (0, 15):
            raise ValueError
    except ValueError:
        wanted = "class, x, y, width and height, perhaps x y v of five points, as shares of the image"
        raise DataError(f"{where}: {wanted} wanted, not {' '.join(texts)[:100]!r}") from None
    if max(w, h) > 1.01 or not (-0.01 <= x <= 1.01 and -0.01 <= y <= 1.01):
        raise DataError(f"{where}: numbers must be shares of the image's sides, 0 to 1, not pixels")
    sides = np.array(size, float)
    centre, half = np.array([x, y]), np.array([w, h]) / 2
    box = np.concatenate([(centre - half) * sides, (centre + half) * sides]) - 0.5
    row: dict[str, Any] = dict(zip(BOX, box.tolist()))
    if flat:
        triples = np.reshape(flat, (5, 3))
        points = np.where(triples[:, 2:] > 0, triples[:, :2] * sides - 0.5, np.nan)
        row |= {
            f"{name}_{axis}": value for name, point in zip(POINTS_5.points, points) for axis, value in zip("xy", point)
        }
    return row
