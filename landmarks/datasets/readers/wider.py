"""WIDER FACE: photographs of 61 kinds of events and the boxes of their faces (Yang et al., CVPR 2016).

Read in its official layout (`wider_face_split/wider_face_train_bbx_gt.txt`, `WIDER_train/images`, and `val` alike), or
laid out as `images/` beside a `faces.csv` with the columns image, part, x0, y0, x1, y1, easy, medium, hard, which says
in which of the three measures a face counts. In both, boxes are measured from the picture's corner.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX
from landmarks.errors import DataError

NAME = "wider"
TERMS = "WIDER FACE: for research, no commercial use, no derivatives of the images."
KNOWN_BY = "WIDER FACE (wider_face_train_bbx_gt.txt)"
LISTS = {split: f"wider_face_{split}_bbx_gt.txt" for split in ("train", "val")}
LEVELS = ("easy", "medium", "hard")
LAID_OUT = ["image", "part", *BOX, *LEVELS]
"""Columns of the laid-out form."""
HEAVY_BLUR = 2
LEAST_BLURRED = 8.0
"""A heavily blurred face whose shorter side has fewer pixels cannot be told from its surroundings."""


def recognise(files: Files) -> bool:
    """Whether there is one of the official lists, or the laid-out form's table."""
    return any(files.locate(name) for name in LISTS.values()) or _laid_out(files) is not None


def read(files: Files) -> pd.DataFrame:
    """A row a face: image, split, box, ignore, levels; a row without a box for a photograph without faces.

    Pixel centres at integers. Faces marked invalid, and small ones blurred heavily, are to be ignored; a list whose
    images are not there is passed over. Raises DataError naming the line.
    """
    laid_out = _laid_out(files)
    rows = _read_table(files, laid_out) if laid_out is not None else _read_lists(files)
    return pd.DataFrame(rows, columns=["image", "split", *BOX, "ignore", *LEVELS])


def event(image: str) -> str:
    """The event that a photograph shows: the folder it lies in."""
    return PurePosixPath(image).parent.name


def event_number(name: str) -> tuple[int, str]:
    """A key that sorts events by number, as in `12--Group`."""
    number = re.match(r"\d+", name)
    return (int(number[0]) if number else 0), name


def _laid_out(files: Files) -> str | None:
    """The laid-out form's table, where it is."""
    path = files.locate("faces.csv")
    if path is None:
        return None
    first = files.read(path)[:200].decode("utf-8-sig", "replace").splitlines()[:1]
    return path if first == [",".join(LAID_OUT)] else None


def _read_table(files: Files, path: str) -> list[dict[str, Any]]:
    folder, rows = path.removesuffix("faces.csv") + "images/", []
    reader = csv.reader(io.StringIO(files.read_text(path), newline=""))
    next(reader)
    for cells in reader:
        where = f"{files.root}: {path} line {reader.line_num}"
        if len(cells) != len(LAID_OUT):
            raise DataError(f"{where}: {len(LAID_OUT)} cells wanted, not {len(cells)}")
        named = dict(zip(LAID_OUT, cells))
        box = _numbers([named[name] for name in BOX], where)
        flags = {level: named[level] == "1" for level in LEVELS}
        rows.append(_row(folder + named["image"], named["part"], box, False) | flags)
    return rows


def _read_lists(files: Files) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for split, name in LISTS.items():
        path = files.locate(name)
        if path is not None:
            rows += _read_list(files, path, split)
    if not rows:
        raise DataError(f"{files.root}: there are lists of WIDER FACE's but no folder WIDER_train or WIDER_val beside")
    return rows


def _read_list(files: Files, path: str, split: str) -> list[dict[str, Any]]:
    """The rows of an official list: a path, the number of faces, then a line a face, or one of zeros without any."""
    marker = f"WIDER_{split}/images/"
    folder = next((name.partition(marker)[0] + marker for name in files.names if marker in name), None)
    if folder is None:
        return []
    lines, rows, at = files.read_text(path).split("\n"), [], 0
    while at < len(lines):
        image, where = lines[at].strip(), f"{files.root}: {path} line {at + 1}"
        if not image:
            at += 1
            continue
        count = lines[at + 1].strip() if at + 1 < len(lines) else ""
        if not count.isdigit() or not count.isascii():
            raise DataError(f"{where}: the number of faces must follow the path {image[:100]!r}, not {count[:100]!r}")
        faces = max(int(count), 1)
        if at + 2 + faces > len(lines):
            raise DataError(f"{where}: the file ends before the {faces} faces of {image[:100]}")
        found = []
        for line in range(at + 2, at + 2 + faces):
            place = f"{files.root}: {path} line {line + 1}"
            x, y, w, h, blur, _, _, invalid, *_ = _numbers(lines[line].split(), place, 10)
            if w >= 1 and h >= 1:
                unsure = invalid > 0 or (blur >= HEAVY_BLUR and min(w, h) < LEAST_BLURRED)
                found.append(_row(folder + image, split, [x, y, x + w, y + h], unsure))
        rows += found or [{"image": folder + image, "split": split, "ignore": False}]
        at += 2 + faces
    return rows


def _row(image: str, split: str, box: list[float], ignore: bool) -> dict[str, Any]:
    """A row of the table; without its box where that has no area, as some of the dataset's have none."""
    row: dict[str, Any] = {"image": image, "split": split, "ignore": ignore}
    empty = box[2] <= box[0] or box[3] <= box[1]
    return row if empty else row | dict(zip(BOX, (np.array(box) - 0.5).tolist()))


def _numbers(texts: list[str], where: str, least: int = 4) -> list[float]:
    """Raises DataError unless there are so many finite numbers."""
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = []
    if len(values) < least or not np.isfinite(values).all():
        raise DataError(f"{where}: {least} numbers wanted, not {' '.join(texts)[:100]!r}")
    return values
