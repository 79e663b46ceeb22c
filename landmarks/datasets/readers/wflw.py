"""WFLW: Wider Facial Landmarks in the Wild (Wu et al., CVPR 2018). 7,500 training and 2,500 test faces, 98 points.

`list_98pt_rect_attr_train.txt` and `..._test.txt`: x1 y1 ... x98 y98, box x0 y0 x1 y1, six 0/1 marks (pose,
expression, illumination, make-up, occlusion, blur), image path under `WFLW_images`. The marks say how hard a face is,
not what it does; they are checked and not kept. Coordinates are taken as they are: nothing says that they count from 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError
from landmarks.schemes import POINTS_98

TERMS = "Research use only; the images come from WIDER FACE (the web)."
CUT_OUT = False
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "WFLW (list_98pt_rect_attr_train.txt and list_98pt_rect_attr_test.txt)"
LISTS = {"list_98pt_rect_attr_train.txt": "train", "list_98pt_rect_attr_test.txt": "test"}
IMAGES = "WFLW_images/"
COORDINATES, MARKS = 2 * len(POINTS_98), 6
FIELDS = COORDINATES + len(BOX) + MARKS + 1


def recognise(files: Files) -> bool:
    """Whether one of WFLW's lists is there."""
    return any(files.locate(name) for name in LISTS)


def read(files: Files) -> pd.DataFrame:
    """The table of WFLW. Raises DataError naming list and line."""
    rows: list[dict[str, Any]] = []
    for name, split in LISTS.items():
        path = files.locate(name)
        if path is None:
            continue
        for number, line in enumerate(files.read_text(path).splitlines(), start=1):
            if line.strip():
                rows.append(_parse(line, split, where=f"{files.root}: {path} line {number}"))
    folder = _folder(files, rows[0]["image"]) if rows else ""
    for row in rows:
        row["image"] = folder + row["image"]
    return make_table(rows)


def _folder(files: Files, first: str) -> str:
    """Where the images lie, to judge by the first."""
    path = files.locate(IMAGES + first) or files.locate(first)
    if path is None:
        raise DataError(
            f"{files.root}: the image {first} is not there; put the folder {IMAGES} beside WFLW_annotations"
        )
    return path.removesuffix(first)


def _parse(line: str, split: str, where: str) -> dict[str, Any]:
    fields = line.split()
    if len(fields) != FIELDS:
        raise DataError(f"{where}: {FIELDS} fields wanted (196 coordinates, box, 6 marks, path), {len(fields)} found")
    try:
        numbers = np.array(fields[: COORDINATES + len(BOX)], float)
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error
    if not np.isfinite(numbers).all():
        raise DataError(f"{where}: a coordinate is not finite")
    marks = fields[-1 - MARKS : -1]
    if not set(marks) <= {"0", "1"}:
        raise DataError(f"{where}: the six marks must be 0 or 1, not {' '.join(marks)}")
    box = dict(zip(BOX, numbers[COORDINATES:]))
    if box["x0"] >= box["x1"] or box["y0"] >= box["y1"]:
        raise DataError(f"{where}: the box needs x0 < x1 and y0 < y1")
    points = numbers[:COORDINATES].reshape(-1, 2)
    return {"image": fields[-1], "split": split, "source": "wflw", POINTS_98.name: points, **box}
