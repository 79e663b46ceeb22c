"""CelebA (Liu et al., ICCV 2015), aligned images, and its part MAFL: smile, glasses, gender, perhaps 5 points.

`list_attr_celeba.txt` must be there; `list_landmarks_align_celeba.txt` gives the points, `list_eval_partition.txt` the
split. Where MAFL's `training.txt` or `testing.txt` lies beside them, only the images they name are read.
Points are whole pixels that count from 0 as it seems (data/celeba.md).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_5

TERMS = "Non-commercial research use only; the images are of celebrities, from the web (CUHK Multimedia Laboratory)."
KNOWN_BY = "CelebA and MAFL (list_attr_celeba.txt)"
ATTRIBUTES_LIST = "list_attr_celeba.txt"
POINTS_LIST = "list_landmarks_align_celeba.txt"
PARTITION = "list_eval_partition.txt"
MAFL_LISTS = {"training.txt": "train", "testing.txt": "test"}
IMAGES = "img_align_celeba/"

LABELS = {"Smiling": "smile", "Eyeglasses": "glasses", "Male": "gender"}
POINTS = ("lefteye", "righteye", "nose", "leftmouth", "rightmouth")
COORDINATES = [f"{point}_{axis}" for point in POINTS for axis in "xy"]
SPLITS = {"0": "train", "1": "val", "2": "test"}
SIZE = np.array([178, 218])
"""Width and height of the official aligned images, in whose pixels the points are."""
FACE = np.array([0.267, 0.317, 0.751, 0.837])
"""The face box as shares of the image's width and height: CenterFace's median on 200 of the images and their mirror
images. The images were aligned by the eyes, so it is the same for all."""


def recognise(files: Files) -> bool:
    """Whether CelebA's list of attributes is there."""
    return files.locate(ATTRIBUTES_LIST) is not None


def read(files: Files) -> pd.DataFrame:
    """The table of CelebA or MAFL. Raises DataError naming list and line.

    The first image is opened for its size: copies that were scaled down are in use, and no list says so.
    """
    labels = _read_list(files, ATTRIBUTES_LIST, list(LABELS), values=("-1", "1"))
    points = _read_list(files, POINTS_LIST, COORDINATES) if files.locate(POINTS_LIST) else {}
    splits = _splits(files)
    folder, size = _images(files, next(iter(labels), ""))
    box = dict(zip(BOX, FACE * [*size, *size] - 0.5))
    rows = []
    for image, values in labels.items():
        if splits is not None and image not in splits:
            continue
        row = {"image": folder + image, "split": splits[image] if splits else "train", "source": "celeba"}
        row |= dict(zip(LABELS.values(), (values > 0).astype(int)))
        if image in points:
            corners = points[image].reshape(-1, 2) + 0.5  # measured from the image's corner
            row[POINTS_5.name] = corners * size / SIZE - 0.5
        else:
            row |= box
        rows.append(row)
    if not rows:
        raise DataError(f"{files.root}: {ATTRIBUTES_LIST} and the lists that split it name no image in common")
    return make_table(rows)


def _splits(files: Files) -> dict[str, str] | None:
    """Split by image: MAFL's where there are its lists, else CelebA's, else None."""
    mafl = {name: split for name, split in MAFL_LISTS.items() if files.locate(name)}
    if mafl:
        return {fields[0]: split for name, split in mafl.items() for _, fields in _lines(files, name)}
    if files.locate(PARTITION) is None:
        return None
    splits = {}
    for where, fields in _lines(files, PARTITION):
        if len(fields) != 2 or fields[1] not in SPLITS:
            raise DataError(f"{where}: an image name and 0, 1 or 2 wanted, {' '.join(fields)[:60]!r} found")
        splits[fields[0]] = SPLITS[fields[1]]
    return splits


def _images(files: Files, first: str) -> tuple[str, np.ndarray]:
    """Folder of the images, and their width and height, from the first of them."""
    path = files.locate(IMAGES + first) or files.locate(first)
    if not first or path is None:
        raise DataError(f"{files.root}: the image {first!r} is not there; put {IMAGES} beside {ATTRIBUTES_LIST}")
    try:
        image = images.decode(files.read(path), path)
    except ImageError as error:
        raise DataError(f"{files.root}: {error}") from error
    return path.removesuffix(first), np.array([image.width, image.height])


def _lines(files: Files, name: str) -> list[tuple[str, list[str]]]:
    """Place and fields of each line of a list that is not empty."""
    path = files.locate(name) or name
    lines = enumerate(files.read_text(path).splitlines(), start=1)
    return [(f"{files.root}: {path} line {number}", line.split()) for number, line in lines if line.strip()]


def _read_list(files: Files, name: str, wanted: list[str], values: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Image -> its `wanted` columns (float) in one of CelebA's lists: count, column names, a row an image.

    Every value must be one of `values`, if any are given, and finite.
    """
    lines = _lines(files, name)
    if len(lines) < 2 or len(lines[0][1]) != 1 or not set(wanted) <= set(lines[1][1]):
        raise DataError(f"{files.root}: {name} line 1: not CelebA's list (count, column names, rows); fetch it again")
    (where, (count,)), (_, columns), *rows = lines
    if count != str(len(rows)):
        raise DataError(f"{where}: {count} rows announced, {len(rows)} found; fetch {name} again")
    places = [columns.index(column) + 1 for column in wanted]
    found = {}
    for where, fields in rows:
        if len(fields) != len(columns) + 1:
            raise DataError(f"{where}: an image name and {len(columns)} values wanted, {len(fields)} fields found")
        cells = [fields[place] for place in places]
        if values and not set(cells) <= set(values):
            raise DataError(f"{where}: {', '.join(wanted)} must be one of {', '.join(values)}, not {', '.join(cells)}")
        try:
            found[fields[0]] = np.array(cells, float)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
        if not np.isfinite(found[fields[0]]).all():
            raise DataError(f"{where}: a coordinate is not finite")
    return found
