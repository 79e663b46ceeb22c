"""CelebA (Liu et al., ICCV 2015), aligned images, and its part MAFL: smile, glasses, gender, perhaps 5 points.

`list_attr_celeba.txt` must be there; `list_landmarks_align_celeba.txt` gives the points, `list_eval_partition.txt` the
split; each also as `.csv`, as Kaggle has them: column names, then a row an image, no count. Where MAFL's `training.txt`
or `testing.txt` lies beside them, only the images they name are read. Points are whole pixels that count from 0 as it
seems (data/celeba.md).
"""

from __future__ import annotations

import csv
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_5

TERMS = "Non-commercial research use only; the images are of celebrities, from the web (CUHK Multimedia Laboratory)."
CUT_OUT = True
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "CelebA and MAFL (list_attr_celeba.txt or .csv)"
ATTRIBUTES_LIST = "list_attr_celeba"
POINTS_LIST = "list_landmarks_align_celeba"
PARTITION = "list_eval_partition"
ENDINGS = (".txt", ".csv")
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
    return _find(files, ATTRIBUTES_LIST) is not None


def read(files: Files) -> pd.DataFrame:
    """The table of CelebA or MAFL. Raises DataError naming list and line.

    The first image is opened for its size: copies that were scaled down are in use, and no list says so.
    """
    labels = _read_list(files, ATTRIBUTES_LIST, list(LABELS), labels=True)
    points = _read_list(files, POINTS_LIST, COORDINATES) if _find(files, POINTS_LIST) else {}
    splits = _splits(files)
    folder, size = _images(files, list(labels))
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


def _find(files: Files, name: str) -> str | None:
    """Path of one of CelebA's lists, whichever its ending."""
    return next(filter(None, (files.locate(name + ending) for ending in ENDINGS)), None)


def _splits(files: Files) -> dict[str, str] | None:
    """Split by image: MAFL's where there are its lists, else CelebA's, else None."""
    mafl = {name: split for name, split in MAFL_LISTS.items() if files.locate(name)}
    if mafl:
        return {fields[0]: split for name, split in mafl.items() for _, fields in _lines(files, name)}
    path = _find(files, PARTITION)
    if path is None:
        return None
    splits = {}
    for where, fields in _lines(files, path)[path.endswith(".csv") :]:
        if len(fields) != 2 or fields[1] not in SPLITS:
            raise DataError(f"{where}: an image name and 0, 1 or 2 wanted, {' '.join(fields)[:60]!r} found")
        splits[fields[0]] = SPLITS[fields[1]]
    return splits


def _images(files: Files, names: list[str]) -> tuple[str, np.ndarray]:
    """Folder of the images, and their width and height, from the first that is there."""
    paths = [PurePosixPath(path) for path in files.names]
    aligned = {path.name for path in paths if path.parent.name == IMAGES.rstrip("/")}
    there = aligned or {path.name for path in paths}
    first = next((name for name in names if name in there), names[0] if names else "")
    path = files.locate(IMAGES + first) or files.locate(first)
    if not first or path is None:
        raise DataError(
            f"{files.root}: of {len(names)} images none is there, the image {first!r} is not there; put {IMAGES} "
            f"beside {ATTRIBUTES_LIST}"
        )
    try:
        image = images.decode(files.read(path), path)
    except ImageError as error:
        raise DataError(f"{files.root}: {error}") from error
    return path.removesuffix(first), np.array([image.width, image.height])


def _lines(files: Files, name: str) -> list[tuple[str, list[str]]]:
    """Place and fields of each line of a list that is not empty."""
    path = files.locate(name) or name
    lines = files.read_text(path).splitlines()
    if path.endswith(".csv") and lines:
        rows = [
            [field.strip() for field in row] for row in csv.reader(lines, delimiter=max(",;\t", key=lines[0].count))
        ]
    else:
        rows = [line.split() for line in lines]
    return [(f"{files.root}: {path} line {number}", row) for number, row in enumerate(rows, start=1) if any(row)]


def _read_list(files: Files, name: str, wanted: list[str], labels: bool = False) -> dict[str, np.ndarray]:
    """Image -> its `wanted` columns (float) in one of CelebA's lists: count (none in `.csv`), column names, a row an
    image. Every value must be finite, of labels -1 or 1; copies in `.csv` may have 0 for -1."""
    path = _find(files, name) or name
    lines = _lines(files, path)
    if path.endswith(".csv"):
        columns, rows = (lines[0][1][1:], lines[1:]) if lines else ([], [])
        values = {"-1", "0", "1"}
    else:
        if len(lines) < 2 or len(lines[0][1]) != 1:
            raise DataError(f"{files.root}: {path} line 1: not CelebA's list (count, names, rows); fetch it again")
        (where, (count,)), (_, columns), *rows = lines
        if set(wanted) <= set(columns) and count != str(len(rows)):
            raise DataError(f"{where}: {count} rows announced, {len(rows)} found; fetch {path} again")
        values = {"-1", "1"}
    if not set(wanted) <= set(columns):
        lacking = next(column for column in wanted if column not in columns)
        raise DataError(f"{files.root}: {path} line 1: not CelebA's list, without a column {lacking}; fetch it again")
    places = [columns.index(column) + 1 for column in wanted]
    found = {}
    for where, fields in rows:
        if len(fields) != len(columns) + 1:
            raise DataError(f"{where}: an image name and {len(columns)} values wanted, {len(fields)} fields found")
        cells = [fields[place] for place in places]
        if labels and not set(cells) <= values:
            known = ", ".join(sorted(values))
            raise DataError(f"{where}: {', '.join(wanted)} must be one of {known}, not {', '.join(cells)}")
        try:
            found[fields[0]] = np.array(cells, float)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
        if not np.isfinite(found[fields[0]]).all():
            raise DataError(f"{where}: a coordinate is not finite")
    return found
