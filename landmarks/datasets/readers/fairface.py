"""FairFace (Karkkainen and Joo, WACV 2021): gender, and the groups of age and race; no points, no boxes.

As published, `fairface_label_train.csv` and `fairface_label_val.csv` beside the folders `train` and `val`: its
validation part, on which papers report, is our `test`. Or laid out with parts of one's own: `faces.csv` with the
columns `image`, `part`, `age`, `gender` and `race`, images beside it or in a folder `images`. `landmarks data prepare
--detector NAME` finds the faces.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator

import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import SPLITS, make_table
from landmarks.errors import DataError
from landmarks.schemes import GENDER

TERMS = "CC BY 4.0 (Karkkainen and Joo); labels are how annotators perceived the faces, from photographs of YFCC-100M."
CUT_OUT = True
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "FairFace (fairface_label_train.csv, or faces.csv with part, age, gender, race)"
LISTS = {"fairface_label_train.csv": "train", "fairface_label_val.csv": "test"}
LAID_OUT = "faces.csv"
WANTED = ("age", "gender", "race")
AGES = {"03-Sep": "3-9", "Oct-19": "10-19"}
"""Groups that spreadsheets took for dates, in copies that are in use."""


def recognise(files: Files) -> bool:
    """Whether FairFace's lists are there, or a `faces.csv` with its columns."""
    if any(files.locate(name) for name in LISTS):
        return True
    path = files.locate(LAID_OUT)
    first = files.read(path).partition(b"\n")[0].decode("utf-8", "replace").lower() if path else ""
    return {"image", "part", *WANTED} <= {column.strip() for column in first.split(",")}


def read(files: Files) -> pd.DataFrame:
    """The table of FairFace. Raises DataError naming list and line."""
    names = set(files.names)
    lists = {path: split for name, split in LISTS.items() if (path := files.locate(name))}
    if not lists:
        lists = {files.locate(LAID_OUT) or LAID_OUT: ""}
    rows = []
    for path, split in lists.items():
        folder = path[: path.rfind("/") + 1]
        for where, cells in _rows(files, path, "file" if split else "image"):
            image = folder + cells["image"]
            image = image if image in names else f"{folder}images/{cells['image']}"
            part = split or cells.get("part", "").lower()
            if part not in SPLITS:
                raise DataError(f"{where}: part must be one of {', '.join(SPLITS)}, not {cells.get('part', '')!r}")
            gender = cells["gender"].lower()
            if gender and gender not in GENDER.labels:
                raise DataError(f"{where}: gender must be one of {', '.join(GENDER.labels)}, not {cells['gender']!r}")
            rows.append({
                "image": image,
                "split": part,
                "source": "fairface",
                "gender": GENDER.labels.index(gender) if gender else None,
                "age": AGES.get(cells["age"], cells["age"]),
                "race": cells["race"].replace("_", " "),
            })  # fmt: skip
    if not rows:
        raise DataError(f"{files.root}: {', '.join(lists)} name no image; fetch the data again")
    return make_table(rows)


def _rows(files: Files, path: str, image: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Place and cells of each line of a list, the image under `image`. image: the column that names it in the list."""
    lines = files.read_text(path).splitlines()
    reader = csv.reader(lines)
    columns = [column.strip().lower() for column in next(reader, [])]
    for column in (image, *WANTED):
        if column not in columns:
            raise DataError(f"{files.root}: {path} line 1: not FairFace's list, without a column {column}")
    try:
        for fields in reader:
            where = f"{files.root}: {path} line {reader.line_num}"
            if not fields:
                continue
            if len(fields) != len(columns):
                raise DataError(f"{where}: {len(columns)} cells wanted, {len(fields)} found")
            cells = dict(zip(columns, map(str.strip, fields)))
            if not cells[image]:
                raise DataError(f"{where}: the image is empty")
            yield where, {**cells, "image": cells[image]}
    except csv.Error as error:
        raise DataError(f"{files.root}: {path} line {reader.line_num}: {error}") from error
