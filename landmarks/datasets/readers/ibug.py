"""300-W (Sagonas et al., iBUG): faces with 68 points, an image and a `.pts` file of the same name each.

Official folders: `helen` and `lfpw` with `trainset` and `testset`, `afw`, `ibug`. The trainsets and AFW train, the
testsets and iBUG test. Other folders of images and `.pts` files are read too: all train, the folder is the source.
Coordinates count pixels from 1.
"""

from __future__ import annotations

from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import make_table
from landmarks.errors import DataError
from landmarks.schemes import POINTS_68

TERMS = "Research use only, not commercial; the images come from Helen, LFPW, AFW and iBUG (Flickr and the web)."
KNOWN_BY = "300-W or other .pts files (an image and a .pts file of the same name each)"
PARTS = {
    ("helen", "trainset"): "train",
    ("helen", "testset"): "test",
    ("lfpw", "trainset"): "train",
    ("lfpw", "testset"): "test",
    ("afw",): "train",
    ("ibug",): "test",
    ("01_indoor",): "test",  # of the 300-W challenge itself
    ("02_outdoor",): "test",
}
IMAGES = (".jpg", ".png", ".jpeg", ".JPG", ".PNG", ".JPEG")


def recognise(files: Files) -> bool:
    """Whether there is a `.pts` file with an image beside it."""
    names = set(files.names)
    return any(_image(name, names) for name in names if name.endswith(".pts"))


def read(files: Files) -> pd.DataFrame:
    """The table of 300-W or of another collection of `.pts` files. Raises DataError naming file and line."""
    names = set(files.names)
    rows = []
    for name in files.names:
        if not name.endswith(".pts") or PurePosixPath(name).name.startswith("._"):
            continue
        image = _image(name, names)
        if image is None:
            raise DataError(f"{files.root}: {name} has no image beside it; put the .jpg or .png of that name there")
        source, split = _part(name)
        points = _parse(files.read_text(name), where=f"{files.root}: {name}")
        rows.append({"image": image, "split": split, "source": source, POINTS_68.name: points})
    return make_table(rows)


def _image(name: str, names: set[str]) -> str | None:
    """The image beside a `.pts` file, if there is one."""
    stem = name.removesuffix(".pts")
    return next((stem + suffix for suffix in IMAGES if stem + suffix in names), None)


def _part(name: str) -> tuple[str, str]:
    """Source and split of a file, by its folders: of 300-W's own the innermost counts."""
    folders = PurePosixPath(name).parts[:-1]
    lower = tuple(folder.lower() for folder in folders)
    for end in range(len(lower), 0, -1):
        for part, split in PARTS.items():
            if lower[:end][-len(part) :] == part:
                return part[0], split
    return (folders[-1] if folders else ""), "train"


def _parse(text: str, where: str) -> np.ndarray:
    """The points of a `.pts` file: (68, 2) pixels, counted from 0."""
    lines = [line.strip() for line in text.splitlines()]
    header = [line.replace(" ", "").replace("version:1.0", "version:1") for line in lines[:3]]
    if header != ["version:1", f"n_points:{len(POINTS_68)}", "{"]:
        found = " / ".join(lines[:3])[:80]
        raise DataError(f"{where} line 1: 'version: 1', 'n_points: 68' and '{{' wanted, {found!r} found")
    if "}" not in lines:
        raise DataError(f"{where} line {len(lines)}: the file ends before '}}'; fetch it again")
    end = lines.index("}")
    if end - 3 != len(POINTS_68):
        raise DataError(f"{where} line {end + 1}: 68 points wanted, {end - 3} found")
    points = np.array([_point(line, f"{where} line {number}") for number, line in enumerate(lines[3:end], start=4)])
    return points - 1


def _point(line: str, where: str) -> tuple[float, float]:
    try:
        x, y = map(float, line.split())
    except ValueError as error:
        raise DataError(f"{where}: 'x y' wanted, {line[:40]!r} found") from error
    if not np.isfinite([x, y]).all():
        raise DataError(f"{where}: a coordinate is not finite")
    return x, y
