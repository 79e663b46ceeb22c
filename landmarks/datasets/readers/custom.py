"""Your own annotated faces: a folder or zip archive with images and one `faces.csv`.

Columns: `image` (path beside the CSV file), `split` (train, val, test; empty means train), and whatever there is of
`source`, `x0,y0,x1,y1`, `NAME_x,NAME_y` for every landmark of a scheme (`left_eye_x`, ... or `point_0_x`, ...) and
the attributes, each by its text (`smiling`, `left profile`) or its number. Empty cells are absent labels.
"""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError
from landmarks.schemes import ATTRIBUTES, SCHEMES, Attribute, Scheme

TERMS = "Your own data."
KNOWN_BY = "own data (faces.csv)"
NAME = "faces.csv"


def recognise(files: Files) -> bool:
    """Whether there is a `faces.csv`."""
    return files.locate(NAME) is not None


def read(files: Files) -> pd.DataFrame:
    """The table of a `faces.csv`. Raises DataError naming the line."""
    path = files.locate(NAME)
    if path is None:
        raise DataError(f"{files.root}: there is no {NAME}")
    folder = path[: -len(NAME)]
    reader = csv.DictReader(io.StringIO(files.read_text(path), newline=""))
    if "image" not in (reader.fieldnames or ()):
        raise DataError(f"{files.root}: {path} has no column `image` in its first line")
    rows = []
    try:
        for record in reader:
            cells = {key: (value or "").strip() for key, value in record.items() if isinstance(key, str)}
            rows.append(_parse(cells, folder, where=f"{files.root}: {path} line {reader.line_num}"))
    except csv.Error as error:
        raise DataError(f"{files.root}: {path} line {reader.line_num}: {error}") from error
    return make_table(rows)


def _parse(cells: dict[str, str], folder: str, where: str) -> dict[str, Any]:
    if not cells["image"]:
        raise DataError(f"{where}: the image is empty")
    row: dict[str, Any] = {
        "image": folder + cells["image"],
        "split": cells.get("split") or "train",
        "source": cells.get("source", ""),
    }
    row.update({name: _number(cells, name, where) for name in BOX if cells.get(name)})
    for scheme in SCHEMES.values():
        row[scheme.name] = _points(cells, scheme, where)
    for attribute in ATTRIBUTES.values():
        if cells.get(attribute.name):
            row[attribute.name] = _label(cells[attribute.name], attribute, where)
    return row


def _number(cells: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"{where}: {name} must be a number, not {cells[name]!r}")
    return value


def _points(cells: dict[str, str], scheme: Scheme, where: str) -> np.ndarray | None:
    names = [(f"{name}_x", f"{name}_y") for name in scheme.points]
    given = [bool(cells.get(x)) and bool(cells.get(y)) for x, y in names]
    if not any(given):
        return None
    if not all(given):
        missing = scheme.points[given.index(False)]
        raise DataError(f"{where}: {missing} is missing; give all {len(scheme)} points of a face or none")
    return np.array([[_number(cells, x, where), _number(cells, y, where)] for x, y in names])


def _label(text: str, attribute: Attribute, where: str) -> int:
    if text in attribute.labels:
        return attribute.labels.index(text)
    if text.isdecimal() and int(text) < len(attribute):
        return int(text)
    raise DataError(f"{where}: {attribute.name} must be one of {', '.join(attribute.labels)}, not {text!r}")
