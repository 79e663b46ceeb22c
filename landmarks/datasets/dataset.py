"""An annotated face dataset: its table and its files; and its prepared form with cached crops.

A prepared folder holds `table.parquet`, `dataset.json` and `crops.npy`: for each row with points, in the order of
`crops.parquet`, the face and its surroundings at the scale networks need, so that an epoch decodes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.datasets import custom, mtfl
from landmarks.datasets.files import Files
from landmarks.datasets.table import check_table, load_table, save_table, split_validation
from landmarks.errors import DataError, ImageError
from landmarks.geometry import crop_matrices, extract_crop, face_squares, transform
from landmarks.schemes import SCHEMES

READERS = {"mtfl": mtfl, "custom": custom}
CACHE_SIZE = 192
"""Side of a cached crop in pixels."""
CACHE_SCALE = 4.0
"""Side of a cached crop over the larger side of the landmarks' extent: room for every augmentation."""
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Dataset:
    """Annotated faces and where their images are."""

    name: str
    table: pd.DataFrame
    files: Files
    terms: str

    def image(self, row: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright: the image of a table row. Raises ImageError."""
        name = self.table["image"].iloc[row]
        try:
            data = self.files.read(name)
        except DataError as error:
            raise ImageError(name, "missing", str(error)) from error
        return images.decode(data, name).pixels


def read_dataset(path: str | Path) -> Dataset:
    """Read a dataset's archive or folder, or a folder that `prepare` made.

    The training part is split into `train` and `val` (a tenth, stratified by source and pose, always the same) unless
    the dataset brings its own validation part. Raises DataError.
    """
    if (Path(path) / "dataset.json").is_file():
        facts = about(path)
        return Dataset(facts["name"], load_table(Path(path) / "table.parquet"), Files(facts["root"]), facts["terms"])
    files = Files(path)
    for name, reader in READERS.items():
        if reader.recognise(files):
            table = reader.read(files)
            check_table(table)
            if not (table["split"] == "val").any():
                table = split_validation(table, VALIDATION_SHARE)
            return Dataset(name, table, files, reader.TERMS)
    known = "MTFL (training.txt and testing.txt), own data (faces.csv)"
    raise DataError(f"{files.root}: no dataset known here; known: {known}")


class Crops:
    """Cached faces of a prepared dataset: `table` holds their rows, with the points moved into crop pixels."""

    def __init__(self, folder: Path, table: pd.DataFrame) -> None:
        self.folder, self.table = folder, table

    def __getstate__(self) -> dict:
        return {"folder": self.folder, "table": self.table}  # never the pixels: worker processes map them again

    @cached_property
    def pixels(self) -> np.ndarray:
        """(N, CACHE_SIZE, CACHE_SIZE, 3) uint8, memory-mapped."""
        try:
            return np.load(self.folder / "crops.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder}: crops.npy cannot be read ({error}); prepare the data again") from error

    def part(self, split: str) -> np.ndarray:
        """Indices of the rows of a split."""
        return np.flatnonzero((self.table["split"] == split).to_numpy())


def prepare(
    dataset: Dataset, out: str | Path, progress: Callable[[int, int], None] = lambda done, total: None
) -> Crops:
    """Write the prepared form of a dataset and return its crops. Only train and val faces are cached.

    Rows whose image is missing or unreadable, and later copies of a byte-identical training image, are left out with
    a warning. Nothing half-written is ever taken for a finished preparation: `dataset.json` comes last.
    Raises DataError if there is no face to cache.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset.json").unlink(missing_ok=True)
    rows = np.flatnonzero(dataset.table["split"].isin(["train", "val"]).to_numpy())
    rows = rows[[any(p is not None for p in dataset.table.loc[row, list(SCHEMES)]) for row in rows]]
    if not len(rows):
        raise DataError(f"{dataset.files.root}: no face with points in the training part; nothing to prepare")
    shape = (len(rows), CACHE_SIZE, CACHE_SIZE, 3)
    pixels = np.lib.format.open_memmap(out / "crops.npy.tmp", mode="w+", dtype=np.uint8, shape=shape)
    kept: list[np.integer] = []
    dropped: list[np.integer] = []
    seen: dict[bytes, str] = {}
    table = dataset.table
    moved = {name: table[name].copy() for name in SCHEMES}
    for done, row in enumerate(rows):
        progress(done, len(rows))
        name = table["image"].iloc[row]
        try:
            data = dataset.files.read(name)
            image = images.decode(data, name).pixels
        except (DataError, ImageError) as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
            dropped.append(row)
            continue
        original = seen.setdefault(hashlib.sha256(data).digest(), name)
        if original != name:
            warnings.warn(f"left out: {name} is a copy of {original}", stacklevel=2)
            dropped.append(row)
            continue
        matrix = _cache_matrix(table.iloc[row])
        pixels[len(kept)] = extract_crop(image, matrix[0], CACHE_SIZE)
        for scheme in SCHEMES.values():
            points = table[scheme.name].iloc[row]
            if points is not None:
                moved[scheme.name].iloc[row] = transform(matrix, points[None])[0]
        kept.append(row)
    pixels.flush()
    progress(len(rows), len(rows))
    save_table(table.drop(index=table.index[dropped]), out / "table.parquet")
    save_table(table.assign(**moved).iloc[kept], out / "crops.parquet")
    os.replace(out / "crops.npy.tmp", out / "crops.npy")
    facts = {
        "name": dataset.name,
        "root": str(dataset.files.root.resolve()),
        "terms": dataset.terms,
        "crops": len(kept),
        "cache_size": CACHE_SIZE,
        "cache_scale": CACHE_SCALE,
    }
    (out / "dataset.json.tmp").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    os.replace(out / "dataset.json.tmp", out / "dataset.json")
    return load_crops(out)


def load_crops(path: str | Path) -> Crops:
    """The cached crops of a prepared folder. Raises DataError if it was not (wholly) prepared."""
    path = Path(path)
    facts = about(path)
    if (facts["cache_size"], facts["cache_scale"]) != (CACHE_SIZE, CACHE_SCALE):
        raise DataError(f"{path}: prepared by another version; run `landmarks data prepare` again")
    table = load_table(path / "crops.parquet")
    crops = Crops(path, table)
    if len(crops.pixels) < len(table):
        raise DataError(f"{path}: crops and table do not fit; run `landmarks data prepare` again")
    return crops


def about(path: str | Path) -> dict:
    """What a prepared folder says of itself: name, root, terms, number of crops. Raises DataError."""
    try:
        facts = json.loads((Path(path) / "dataset.json").read_text(encoding="utf-8"))
        return {key: facts[key] for key in ("name", "root", "terms", "crops", "cache_size", "cache_scale")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a prepared dataset; make it with `landmarks data prepare`") from error


def _cache_matrix(row: pd.Series) -> np.ndarray:
    """(1, 2, 3): image -> cached crop, unturned, around the face."""
    scheme = next(scheme for scheme in SCHEMES.values() if row[scheme.name] is not None)
    squares = face_squares(row[scheme.name][None], scheme, CACHE_SCALE)
    squares[:, 3] = 0
    return crop_matrices(squares, CACHE_SIZE)


def check_images(dataset: Dataset, progress: Callable[[int, int], None] = lambda done, total: None) -> list[str]:
    """One sentence for every image of a dataset that cannot be used and every point or box outside its image."""
    problems = []
    for row in range(len(dataset.table)):
        progress(row, len(dataset.table))
        name = dataset.table["image"].iloc[row]
        try:
            height, width = dataset.image(row).shape[:2]
        except ImageError as error:
            problems.append(str(error))
            continue
        for scheme in SCHEMES:
            points = dataset.table[scheme].iloc[row]
            if points is not None and not ((points > -width) & (points < 2 * np.array([width, height]))).all():
                problems.append(f"{name}: {scheme} lie far outside the image of {width} x {height} pixels")
    progress(len(dataset.table), len(dataset.table))
    return problems
