"""Your own annotated faces: a folder or zip archive with images and one `faces.csv`.

Columns: `image` (path beside the CSV file), `split` (train, val, test; empty means train), and whatever there is of
`source`, `x0,y0,x1,y1`, `NAME_x,NAME_y` for every landmark of a scheme (`left_eye_x`, ... or `point_0_x`, ...) and
the attributes, each by its text (`smiling`, `left profile`), its number, or yes and no; `race` and `age`, groups of any
name by which figures are given and training is balanced. Empty cells are absent labels.
Tasks of one's own are declared in a `tasks.toml` beside it (`landmarks.declared`): attributes have columns likewise, a
quantity has one of numbers.
For detectors also `ignore` (yes: finding this face is neither right nor wrong) and WIDER FACE's `easy,medium,hard`; a
row with nothing but an image is one without faces.
The `faces.csv` that `landmarks annotate` writes is such a file. data/custom.md has the rules in full.
"""

from __future__ import annotations

import csv
import difflib
import io
import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, GROUPS, SPLITS, make_table
from landmarks.declared import ABSENT_WORDS, read_declared
from landmarks.errors import DataError, LandmarksError
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.schemes import (
    ATTRIBUTES,
    SCHEMES,
    UNCERTAIN,
    Attribute,
    Declared,
    Scheme,
    known_tasks,
    plain_label,
)

TERMS = "Your own data."
CUT_OUT = False
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "own data (faces.csv)"
NAME, TASKS = "faces.csv", "tasks.toml"
SPLIT_WORDS = {"": "train", "training": "train", "valid": "val", "validation": "val", "testing": "test"}
YES, NO = frozenset({"yes", "true", "y", "t"}), frozenset({"no", "false", "n", "f"})
"""Of attributes that something has or has not, such as smile and glasses."""

FLAGS = ("ignore", "easy", "medium", "hard")
"""Columns of yes and no that concern detectors alone; the table has those that the file has."""
READ = {
    *("image", "split", "source", *FLAGS),
    *BOX,
    *ATTRIBUTES,
    *GROUPS,
    *(f"{point}_{axis}" for scheme in SCHEMES.values() for point in scheme.points for axis in "xy"),
}
"""The columns that are read, beside those of declared tasks."""
OF_RESULTS = {
    "face",
    *(number.column for number in PER_FACE),
    *(f"{point}_{number.column}" for scheme in SCHEMES.values() for point in scheme.points for number in PER_POINT),
}
"""Further columns of the `faces.csv` that `landmarks annotate` writes, beside the attributes' probabilities; no labels.
"""


def recognise(files: Files) -> bool:
    """Whether there is a `faces.csv`."""
    return files.locate(NAME) is not None


def declared(files: Files) -> tuple[Declared, ...]:
    """The tasks that a `tasks.toml` beside the `faces.csv` declares; () without one. Raises DataError."""
    path = (files.locate(NAME) or NAME)[: -len(NAME)] + TASKS
    if path not in files.names:
        return ()
    try:
        return read_declared(files.read_text(path), f"{files.root}: {path}")
    except LandmarksError as error:
        raise DataError(str(error)) from error


def read(files: Files) -> pd.DataFrame:
    """The table of a `faces.csv`; unknown columns are named in a warning. Raises DataError naming the line."""
    path = files.locate(NAME)
    if path is None:
        raise DataError(f"{files.root}: there is no {NAME}")
    own = declared(files)
    tasks = known_tasks(own)
    folder, where = path[: -len(NAME)], f"{files.root}: {path}"
    text = files.read_text(path)
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names, rows = set(files.names), []
    flags: dict[str, list[bool]] = {}
    try:
        columns = [column.strip().lower() for column in next(reader, [])]
        _check_columns(columns, where, tasks)
        flags = {name: [] for name in FLAGS if name in columns}
        for record in reader:
            place = f"{where} line {reader.line_num}"
            if not any(cell.strip() for cell in record):
                continue
            if len(record) > len(columns):
                raise DataError(
                    f"{place}: {len(record)} cells for {len(columns)} columns; put text with a {separator!r} in quotes"
                )
            cells = dict(zip(columns, map(str.strip, record)))
            image = _image(cells.get("image", ""), folder, names, of_results="face" in columns)
            cells = _cleaned(cells, decimal_commas=separator != ",")
            rows.append(_parse(image, cells, place, tasks))
            for name, values in flags.items():
                values.append(_flag(cells.get(name, ""), name, place))
    except csv.Error as error:
        raise DataError(f"{where} line {reader.line_num}: {error}") from error
    return make_table(rows, own).assign(**flags)


def _separator(text: str) -> str:
    """What parts the cells of the first line: a comma, or what spreadsheets put in its place."""
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)


def _cleaned(cells: dict[str, str], decimal_commas: bool) -> dict[str, str]:
    """Cells with words for nothing made empty, and with decimal points."""
    cells = {column: "" if cell.lower() in ABSENT_WORDS else cell for column, cell in cells.items()}
    if decimal_commas:
        texts = ("source", *GROUPS)
        cells = {column: cell if column in texts else cell.replace(",", ".") for column, cell in cells.items()}
    return cells


def _check_columns(columns: list[str], where: str, tasks: Mapping[str, Declared]) -> None:
    """Name unknown columns in a warning. Raises DataError for those that lack or are there twice."""
    if "image" not in columns:
        raise DataError(f"{where} line 1: there is no column `image`")
    known = READ | tasks.keys()
    twice = [column for column, count in Counter(columns).items() if count > 1 and column in known]
    if twice:
        raise DataError(f"{where} line 1: the column {twice[0]!r} is there twice; leave one")
    passed_over = OF_RESULTS | {f"{name}_probability" for name in tasks}
    unknown = [column for column in columns if column and column not in known | passed_over]
    if unknown:
        told = []
        for column in unknown:
            close = difflib.get_close_matches(column, sorted(known), 1, cutoff=0.6)
            told.append(f"{column!r} (perhaps {close[0]!r})" if close else repr(column))
        cure = f"; a task of your own is declared in {TASKS} beside it"
        warnings.warn(f"{where} line 1: unknown columns, not read: {', '.join(told)}{cure}", stacklevel=4)
    for name in tasks:
        if name not in columns and name not in ATTRIBUTES:
            warnings.warn(f"{where} line 1: {TASKS} declares {name!r}, but there is no such column", stacklevel=4)


def _image(cell: str, folder: str, names: set[str], of_results: bool) -> str:
    """Path of the image that a cell names, beside the CSV file or else in a folder `images` there. An apostrophe that
    guards a name against spreadsheets is taken off: always in a file of results, elsewhere where no file has it in its
    name."""
    if cell and folder + cell not in names and f"{folder}images/{cell}" in names:
        return f"{folder}images/{cell}"
    cell = cell.replace("\\", "/") if folder + cell not in names else cell
    guarded = cell.startswith("'") and (of_results or folder + cell not in names)
    return folder + cell.removeprefix("'") if guarded else folder + cell if cell else ""


def _parse(image: str, cells: dict[str, str], where: str, tasks: Mapping[str, Declared]) -> dict[str, Any]:
    if not image:
        raise DataError(f"{where}: the image is empty")
    split = cells.get("split", "").lower()
    split = SPLIT_WORDS.get(split, split)
    if split not in SPLITS:
        raise DataError(f"{where}: split must be one of {', '.join(SPLITS)}, not {cells['split']!r}")
    row: dict[str, Any] = {"image": image, "split": split, "source": cells.get("source", ""), **_box(cells, where)}
    row |= {group: cells.get(group, "") for group in GROUPS}
    for scheme in SCHEMES.values():
        row[scheme.name] = _points(cells, scheme, where)
    for name, task in tasks.items():
        if cells.get(name, UNCERTAIN).lower() not in ("", UNCERTAIN):
            row[name] = _label(cells[name], task, where) if isinstance(task, Attribute) else _number(cells, name, where)
    return row


def _number(cells: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise DataError(f"{where}: {name} must be a number, not {cells[name]!r}")
    return value


def _box(cells: dict[str, str], where: str) -> dict[str, float]:
    """The box's columns; nothing where all are empty or 0."""
    given = [name for name in BOX if cells.get(name)]
    box = {name: _number(cells, name, where) for name in given}
    if not any(box.values()):
        return {}
    if len(given) < len(BOX):
        missing = next(name for name in BOX if name not in given)
        raise DataError(f"{where}: {missing} is missing; give all four numbers of a box or none")
    if box["x0"] >= box["x1"] or box["y0"] >= box["y1"]:
        raise DataError(f"{where}: the box needs x0 < x1 and y0 < y1")
    return box


def _flag(text: str, name: str, where: str) -> bool:
    """Yes or no; an empty cell means no."""
    word = text.lower()
    if word in YES | {"1", "1.0"}:
        return True
    if word in NO | {"", "0", "0.0"}:
        return False
    raise DataError(f"{where}: {name} must be yes or no, 1 or 0, not {text!r}")


def _points(cells: dict[str, str], scheme: Scheme, where: str) -> np.ndarray | None:
    """(K, 2), NaN for points without a label; None without any."""
    points = np.full((len(scheme), 2), np.nan)
    for place, name in enumerate(scheme.points):
        given = [axis for axis in "xy" if cells.get(f"{name}_{axis}")]
        if len(given) == 1:
            missing = "y" if given == ["x"] else "x"
            raise DataError(f"{where}: {name}_{missing} is missing; give both numbers of a point or none")
        if given:
            points[place] = [_number(cells, f"{name}_{axis}", where) for axis in "xy"]
    labelled = points[~np.isnan(points[:, 0])]
    if len(labelled) > 1 and not np.ptp(labelled, axis=0).any():
        raise DataError(f"{where}: all {scheme.name} coincide")
    return points if len(labelled) else None


def _as_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _label(text: str, attribute: Attribute, where: str) -> int:
    """Code of a label: its text in any case, its number, or yes and no."""
    word, labels = plain_label(text), [plain_label(label) for label in attribute.labels]
    if word in labels:
        return labels.index(word)
    yes_or_no = len(labels) == 2 and labels[0].startswith(("not ", "no "))
    if yes_or_no and word in YES | NO:
        return int(word in YES)
    number, numbers = _as_number(text), [_as_number(label) for label in labels]
    if np.isfinite(numbers).any():  # such as an age: then 1 is a label's text, also as 1.0, and never its place
        if number in numbers:
            return numbers.index(number)
    elif number in range(len(attribute)):
        return int(number)
    places = [] if np.isfinite(numbers).any() else [f"0 to {len(attribute) - 1}"]
    known = [*attribute.labels, *places, *(["yes", "no"] if yes_or_no else [])]
    raise DataError(f"{where}: {attribute.name} must be one of {', '.join(known)}, not {text!r}")
