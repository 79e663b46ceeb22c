"""COFW (Burgos-Artizzu et al., ICCV 2013): 1,345 training and 507 test faces, 29 points, many of them covered.

`COFW_train.mat` and `COFW_test.mat`, or their colour versions: MATLAB files that hold everything, images too. A row of
`phis...` has x1..x29, y1..y29 and whether each point is covered, which is not kept; a row of `bboxes...` x, y, width,
height. MATLAB counts pixels from 1. The first 845 training faces are LFPW's.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.readers.mat import array, open_mat
from landmarks.datasets.table import BOX, make_table
from landmarks.errors import DataError
from landmarks.schemes import POINTS_29

TERMS = "Research use; the images come from the web and from LFPW (California Institute of Technology)."
CUT_OUT = False
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "COFW (COFW_train.mat and COFW_test.mat, or the files in colour)"
PARTS = {
    "train": (("COFW_train_color.mat", "COFW_train.mat"), "Tr"),
    "test": (("COFW_test_color.mat", "COFW_test.mat"), "T"),
}
"""File names, the first that is there counts, and how the names of the variables in them end."""
LFPW_FACES = 845


def recognise(files: Files) -> bool:
    """Whether one of COFW's files is there."""
    return any(files.locate(name) for names, _ in PARTS.values() for name in names)


def read(files: Files) -> pd.DataFrame:
    """The table of COFW. Raises DataError naming file and face."""
    rows = []
    for split, (names, ending) in PARTS.items():
        path = next(filter(None, map(files.locate, names)), None)
        if path is None:
            continue
        if not files.root.is_dir():
            raise DataError(f"{files.root}: unpack it and give the folder; MATLAB files cannot be read in an archive")
        images, shapes, boxes = _variables(files.root / path, ending)
        for i in range(images):
            where = f"{files.root}: {path} face {i + 1}"
            if not np.isfinite([*shapes[i], *boxes[i]]).all():
                raise DataError(f"{where}: a coordinate is not finite")
            x0, y0, width, height = boxes[i]
            if width <= 0 or height <= 0:
                raise DataError(f"{where}: the box has width {width:g} and height {height:g}")
            rows.append(
                {
                    "image": f"{path}/Is{ending}/{i + 1:04}",
                    "split": split,
                    "source": "lfpw" if split == "train" and i < LFPW_FACES else "cofw",
                    POINTS_29.name: shapes[i, : 2 * len(POINTS_29)].reshape(2, -1).T - 1,
                    **dict(zip(BOX, np.array([x0, y0, x0 + width, y0 + height]) - 1)),
                }
            )
    return make_table(rows)


def _variables(path: Path, ending: str) -> tuple[int, np.ndarray, np.ndarray]:
    """Number of images N, shapes (N, 87) and boxes (N, 4) of a file. Raises DataError."""
    with open_mat(path) as file:
        images = file[f"Is{ending}"].size
        shapes, boxes = (array(file[name]).astype(float) for name in (f"phis{ending}", f"bboxes{ending}"))
    if shapes.shape != (images, 3 * len(POINTS_29)) or boxes.shape != (images, 4):
        found = f"{images} images, shapes {shapes.shape}, boxes {boxes.shape}"
        raise DataError(f"{path}: N images, N x 87 shapes and N x 4 boxes wanted; found {found}")
    return images, shapes, boxes
