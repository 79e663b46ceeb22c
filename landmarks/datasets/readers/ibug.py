"""300-W (Sagonas et al., iBUG): faces with 68 points, an image and a `.pts` file of the same name each.

Official folders: `helen` and `lfpw` with `trainset` and `testset`, `afw`, `ibug`. The trainsets and AFW train, the
testsets and iBUG test. Folders may have other names: the words helen, lfpw, afw, ibug, train, val and test count in any
case wherever they stand in a name, the innermost first. Where no folder says anything, files named as those of iBUG or
of the challenge itself (`image_003_1`, `indoor_001`) test. Other folders of images and `.pts` files train, the folder
is the source. Coordinates count pixels from 1.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import make_table
from landmarks.errors import DataError
from landmarks.schemes import POINTS_68

TERMS = "Research use only, not commercial; the images come from Helen, LFPW, AFW and iBUG (Flickr and the web)."
CUT_OUT = False
"""Whether every image to test on is one face, cut out of its photograph."""
KNOWN_BY = "300-W or other .pts files (an image and a .pts file of the same name each)"
COLLECTIONS = {"helen": None, "lfpw": None, "afw": "train", "ibug": "test", "indoor": "test", "outdoor": "test"}
"""Word in a folder's name -> the split of all its faces; None: its folders say."""
WORDS = re.compile(
    rf"(?<![a-z])({'|'.join(COLLECTIONS)})?(?:(train|val|test)(?:ing|idation)?)?(?:sets?|images?|data|faces)?(?![a-z])"
)
"""In the name of a folder in lower case: perhaps a collection and perhaps a split, as in `helen_trainset`."""
NAMES = {
    "ibug": re.compile(r"image_\d{3}(_\d+)?"),
    "indoor": re.compile(r"indoor_\d{3}"),
    "outdoor": re.compile(r"outdoor_\d{3}"),
}
"""What the names of a collection's files look like, where they differ from all others."""
SOURCES = {"indoor": "01_indoor", "outdoor": "02_outdoor"}
IMAGES = (".jpg", ".png", ".jpeg", ".bmp")


def recognise(files: Files) -> bool:
    """Whether there is a `.pts` file, with an image beside it or alone in a folder without other annotations."""
    names = _points_files(files)
    beside = _by_lower_case(files)
    annotated = any(name.lower().endswith(".json") for name in files.names)
    return any(_image(name, beside) for name in names) or (bool(names) and not annotated)


def read(files: Files) -> pd.DataFrame:
    """The table of 300-W or of another collection of `.pts` files. Raises DataError naming file and line."""
    beside, rows = _by_lower_case(files), []
    undecided: Counter[str] = Counter()
    for name in _points_files(files):
        source, split = _part(name)
        if split is None:
            undecided[source] += 1
        points = _parse(files.read_text(name), where=f"{files.root}: {name}")
        image = _image(name, beside) or str(PurePosixPath(name).with_suffix(".jpg"))  # a missing one is counted later
        rows.append({"image": image, "split": split or "train", "source": source, POINTS_68.name: points})
    for source, count in undecided.items():
        warnings.warn(
            f"{files.root}: no folder says whether the {count} faces of {source} train or test, so all of them train; "
            "name the folders trainset and testset",
            stacklevel=3,
        )
    return make_table(rows)


def _points_files(files: Files) -> list[str]:
    """The `.pts` files, without what macOS leaves in archives."""
    return [n for n in files.names if n.lower().endswith(".pts") and not PurePosixPath(n).name.startswith("._")]


def _by_lower_case(files: Files) -> dict[str, str]:
    """Every file by its name with the ending in lower case."""
    paths = [PurePosixPath(name) for name in files.names]
    return {str(path.with_suffix(path.suffix.lower())) if path.suffix else str(path): str(path) for path in paths}


def _image(name: str, beside: dict[str, str]) -> str | None:
    """The image beside a `.pts` file, if there is one."""
    stem = name[: -len(".pts")]
    return next((beside[stem + suffix] for suffix in IMAGES if stem + suffix in beside), None)


def _part(name: str) -> tuple[str, str | None]:
    """Source and split of a file, by the words in its folders' names, the innermost first, else by its own name. The
    split is None where 300-W has both parts and nothing says which."""
    path = PurePosixPath(name)
    collection = split = None
    for folder in reversed(path.parts[:-1]):
        for match in WORDS.finditer(folder.lower()):
            if collection is None and match[1]:
                collection, split = match[1], split or match[2] or COLLECTIONS[match[1]]
            split = split or match[2]
    if collection is None and split is None:
        collection = next((key for key, pattern in NAMES.items() if pattern.fullmatch(path.stem.lower())), None)
        split = "test" if collection else None
    if collection is None:
        return (path.parts[-2] if len(path.parts) > 1 else ""), split or "train"
    return SOURCES.get(collection, collection), split


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
