"""Your own annotated faces as COCO keypoints: JSON files in a folder `annotations`, or beside or above the images.

The split is in a file's name: `train`, `val` or `test`, at its beginning or after `_`, `-` or `.`; none means train.
Each annotation has 5, 29, 68 or 98 keypoints x, y, v in the order of a scheme, v = 0 where a point is not labelled, and
perhaps a box x, y, width, height; a box of zeros is none. For detectors `iscrowd` marks a box to ignore. As COCO has
it, keypoints count pixels from 0, pixel centres at integers; boxes are measured from the image's corner.
"""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError
from landmarks.schemes import Scheme, scheme_of_size

TERMS = "Your own data."
CUT_OUT = False
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "own data as COCO keypoints (annotations/*.json)"
SPLIT = re.compile(r"(?:^|[_.-])(train|val|test)")


def recognise(files: Files) -> bool:
    """Whether there are JSON files where COCO has its annotations."""
    return bool(_annotation_files(files))


def read(files: Files) -> pd.DataFrame:
    """The table of COCO annotations. Raises DataError naming file and annotation."""
    rows = []
    for path in _annotation_files(files):
        rows += _read_file(files, path)
    table = make_table(rows)
    crowds = [row["ignore"] for row in rows]
    return table.assign(ignore=crowds) if any(crowds) else table


def _annotation_files(files: Files) -> list[str]:
    """The JSON files in a folder `annotations`, else those nearest to the top."""
    found = [path for path in map(PurePosixPath, files.names) if path.suffix.lower() == ".json"]
    inside = [path for path in found if path.parent.name == "annotations"]
    depth = min((len(path.parts) for path in found), default=0)
    return [str(path) for path in inside or found if inside or len(path.parts) == depth]


def _read_file(files: Files, path: str) -> list[dict[str, Any]]:
    where = f"{files.root}: {path}"
    try:
        content = json.loads(files.read_text(path))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        annotations = [(f"{where} annotation {entry['id']}", entry) for entry in content["annotations"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        wanted = "an object with `images` (id, file_name) and `annotations` (id, image_id, keypoints)"
        raise DataError(f"{where}: {wanted} wanted; {type(error).__name__}: {error}") from error
    match = SPLIT.search(PurePosixPath(path).stem.lower())
    split = match[1] if match else "train"
    images = {key: _clean(name, f"{where} image {key}") for key, name in names.items()}
    folder = _folder(files, next(iter(images.values()), ""), split)
    rows, eyes = [], []
    for place, entry in annotations:
        try:
            row = {"image": folder + images[entry["image_id"]], "split": split, "source": ""}
            scheme, points = _points(entry.get("keypoints") or [])
            row |= _box(entry.get("bbox") or []) | {"ignore": bool(entry.get("iscrowd", False))}
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            missing = "there is no image of id or no entry " if isinstance(error, KeyError) else ""
            raise DataError(f"{place}: {missing}{error}") from error
        if scheme is not None and points is not None:
            row[scheme.name] = points
            left_eye, right_eye = scheme.anchors(points)[:2, 0]
            if np.isfinite([left_eye, right_eye]).all():
                eyes.append(right_eye > left_eye)
        rows.append(row)
    if eyes and np.mean(eyes) < 0.5:
        raise DataError(
            f"{where}: in most faces the left eye lies right of the right eye; left and right must be the image's"
        )
    return rows


def _clean(name: object, where: str) -> str:
    """A relative path with forward slashes. Raises DataError if it is none or leads out of the dataset."""
    path = PurePosixPath(name.replace("\\", "/") if isinstance(name, str) else "")
    if not path.parts or path.is_absolute() or ".." in path.parts:
        raise DataError(f"{where}: file_name {name!r} is not a path inside the dataset")
    return str(path)


def _folder(files: Files, first: str, split: str) -> str:
    """Where a file's images lie, to judge by the first: where a folder is named after the split, there."""
    parts = PurePosixPath(first).parts
    found = [path for path in map(PurePosixPath, files.names) if parts and path.parts[-len(parts) :] == parts]
    order = sorted(found, key=lambda p: (not any(f.startswith(split) for f in p.parts[:-1]), len(str(p))))
    return str(order[0]).removesuffix(first) if order else ""


def _points(values: list[Any]) -> tuple[Scheme | None, np.ndarray | None]:
    """Scheme and points (K, 2) of x, y, v triples, NaN where v = 0; None if all are. Raises ValueError."""
    numbers = np.array([float("nan" if value is None else value) for value in values])
    if len(numbers) % 3 or not np.isfinite(numbers[2::3]).all():
        raise ValueError("keypoints must be x, y, v of every point, v a finite number")
    labelled = numbers[2::3] > 0
    if not labelled.any():
        return None, None
    scheme = scheme_of_size(len(labelled))
    points = np.where(labelled[:, None], numbers.reshape(-1, 3)[:, :2], np.nan)
    if not np.isfinite(points[labelled]).all():
        raise ValueError("keypoints must be x, y, v of every point, those with v above 0 finite numbers")
    return scheme, points


def _box(values: list[Any]) -> dict[str, float]:
    """The box's columns of the table, or nothing where there is none. Raises ValueError."""
    if not values:
        return {}
    x, y, width, height = (float(value) for value in values)
    if width == height == 0:
        return {}
    if not np.isfinite([x, y, width, height]).all() or width <= 0 or height <= 0:
        raise ValueError(f"bbox must be x, y, width, height, finite and the last two above 0, not {values}")
    return dict(zip(BOX, (x - 0.5, y - 0.5, x + width - 0.5, y + height - 0.5)))
