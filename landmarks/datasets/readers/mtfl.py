"""MTFL: Multi-Task Facial Landmark data (Zhang et al., ECCV 2014). 12,995 faces, 5 points, 4 attributes, no boxes.

`training.txt` and `testing.txt`: image path, x1..x5, y1..y5, gender, smile, glasses, pose. Training paths have
backslashes, testing paths slashes. Coordinates count pixels from 1: a network trained on mirrored copies of the faces
predicts x about one pixel to the left of the labels, in small and in large images alike.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import make_table
from landmarks.errors import DataError

TERMS = "Research use only; the images come from LFW, the web (CUHK face alignment data) and AFLW."
CUT_OUT = True
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "MTFL (training.txt and testing.txt)"
LISTS = {"training.txt": "train", "testing.txt": "test"}
SOURCES = {"lfw_5590": "lfw", "net_7876": "web", "AFLW": "aflw"}

# The file's label -> ours (schemes.py). 1 is male, smiling, wearing glasses, left profile.
GENDER = {1: 1, 2: 0}
SMILE = {1: 1, 2: 0}
GLASSES = {1: 1, 2: 0}
POSE = {1: 0, 2: 1, 3: 2, 4: 3, 5: 4}


def recognise(files: Files) -> bool:
    """Whether these files are MTFL's."""
    return all(files.locate(name) for name in LISTS)


def read(files: Files) -> pd.DataFrame:
    """The table of MTFL. Raises DataError naming list and line."""
    rows = []
    for name, split in LISTS.items():
        path = files.locate(name)
        if path is None:
            raise DataError(f"{files.root}: there is no {name}; give the official archive or its unpacked folder")
        folder = path[: -len(name)]
        for number, line in enumerate(files.read_text(path).splitlines(), start=1):
            if line.strip():
                rows.append(_parse(line, folder, split, where=f"{files.root}: {path} line {number}"))
    return make_table(rows)


def _parse(line: str, folder: str, split: str, where: str) -> dict[str, Any]:
    fields = line.split()
    if len(fields) != 15:
        raise DataError(f"{where}: 15 fields wanted (path, 10 coordinates, 4 labels), {len(fields)} found")
    image = fields[0].replace("\\", "/")
    try:
        numbers = [float(field) for field in fields[1:]]
        labels = [int(field) for field in fields[11:]]
        gender, smile, glasses, pose = (
            codes[label] for codes, label in zip((GENDER, SMILE, GLASSES, POSE), labels, strict=True)
        )
    except (ValueError, KeyError) as error:
        raise DataError(f"{where}: not a number or not a label of MTFL: {error}") from error
    if not all(map(math.isfinite, numbers)):
        raise DataError(f"{where}: a coordinate is not finite")
    return {
        "image": folder + image,
        "split": split,
        "source": SOURCES.get(image.split("/")[0], image.split("/")[0]),
        "points_5": np.array([numbers[:5], numbers[5:10]]).T - 1,
        "gender": gender,
        "smile": smile,
        "glasses": glasses,
        "pose": pose,
    }
