"""An annotated face dataset: its table and its files; and its prepared form with cached crops.

A prepared folder holds `table.parquet`, `dataset.json` and `crops.npy`: for each row with points or a box, in the order
of `crops.parquet`, the face and its surroundings at the scale networks need, so that an epoch decodes nothing.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.atomic import commit, partial_path, write_text
from landmarks.datasets.readers import celeba, coco, cofw, custom, ibug, mtfl, wflw
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, check_table, load_table, save_table, split_validation
from landmarks.errors import DataError, ImageError
from landmarks.geometry import FACE_BOX, crop_matrices, extract_crop, face_squares, transform
from landmarks.schemes import SCHEMES

READERS = {
    "celeba": celeba, "mtfl": mtfl, "wflw": wflw, "cofw": cofw, "custom": custom, "ibug": ibug, "coco": coco,
}  # fmt: skip
"""In the order in which they are asked: MAFL has lists of MTFL's names; `.pts` and `.json` may lie beside anything."""
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
    known = "; ".join(reader.KNOWN_BY for reader in READERS.values())
    raise DataError(f"{files.root}: no dataset known here; known: {known}")


class Crops:
    """Cached faces of prepared datasets: `table` holds their rows, with points and boxes moved into crop pixels."""

    def __init__(self, folders: list[Path], table: pd.DataFrame) -> None:
        """table: with two columns more than any table, `cache` (index into folders) and `place` (in its crops.npy)."""
        self.folders, self.table = folders, table

    def __getstate__(self) -> dict[str, Any]:
        return {"folders": self.folders, "table": self.table}  # never pixels: worker processes map them again

    @cached_property
    def _caches(self) -> list[np.ndarray]:
        return [_map_pixels(folder) for folder in self.folders]

    @cached_property
    def _addresses(self) -> np.ndarray:
        return self.table[["cache", "place"]].to_numpy()

    def picture(self, row: int) -> np.ndarray:
        """(CACHE_SIZE, CACHE_SIZE, 3) uint8: the cached crop of a table row."""
        cache, place = self._addresses[row]
        return self._caches[cache][place]

    def part(self, split: str) -> np.ndarray:
        """Indices of the rows of a split."""
        return np.flatnonzero((self.table["split"] == split).to_numpy())


def _map_pixels(folder: Path) -> np.ndarray:
    """(N, CACHE_SIZE, CACHE_SIZE, 3) uint8, memory-mapped."""
    try:
        pixels = np.load(folder / "crops.npy", mmap_mode="r", allow_pickle=False)
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (CACHE_SIZE, CACHE_SIZE, 3):
            raise ValueError(f"{pixels.dtype} of shape {pixels.shape}")
        return pixels
    except Exception as error:  # NumPy's reader of headers is Python's own, with all its errors.
        raise DataError(f"{folder}: crops.npy cannot be read ({error}); prepare the data again") from error


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
    given = dataset.table[[*SCHEMES, "x0"]].notna().any(axis=1).to_numpy()
    rows = rows[given[rows]]
    if not len(rows):
        raise DataError(f"{dataset.files.root}: no face with points or a box in the training part; nothing to prepare")
    shape = (len(rows), CACHE_SIZE, CACHE_SIZE, 3)
    pixels = np.lib.format.open_memmap(partial_path(out / "crops.npy"), mode="w+", dtype=np.uint8, shape=shape)
    kept: list[np.integer] = []
    dropped: list[np.integer] = []
    seen: dict[bytes, str] = {}
    table = dataset.table
    moved = {name: table[name].copy() for name in [*SCHEMES, *BOX]}
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
        corners = table[BOX].iloc[row].to_numpy(float).reshape(1, 2, 2)
        for name, value in zip(BOX, transform(matrix, corners).ravel()):
            moved[name].iloc[row] = value
        kept.append(row)
    pixels.flush()
    progress(len(rows), len(rows))
    save_table(table.drop(index=table.index[dropped]), out / "table.parquet")
    save_table(table.assign(**moved).iloc[kept], out / "crops.parquet")
    commit(partial_path(out / "crops.npy"), out / "crops.npy")
    facts = {
        "name": dataset.name,
        "root": str(dataset.files.root.resolve()),
        "terms": dataset.terms,
        "crops": len(kept),
        "cache_size": CACHE_SIZE,
        "cache_scale": CACHE_SCALE,
    }
    write_text(out / "dataset.json", json.dumps(facts, indent=1))
    return load_crops(out)


def load_crops(*paths: str | Path) -> Crops:
    """The cached crops of prepared folders, together. Raises DataError if one was not (wholly) prepared."""
    folders = [Path(path) for path in paths]
    tables = []
    for cache, folder in enumerate(folders):
        facts = about(folder)
        if (facts["cache_size"], facts["cache_scale"]) != (CACHE_SIZE, CACHE_SCALE):
            raise DataError(f"{folder}: prepared by another version; run `landmarks data prepare` again")
        table = load_table(folder / "crops.parquet")
        if len(_map_pixels(folder)) < len(table):
            raise DataError(f"{folder}: crops and table do not fit; run `landmarks data prepare` again")
        tables.append(table.assign(cache=cache, place=np.arange(len(table))))
    return Crops(folders, pd.concat(tables, ignore_index=True))


def about(path: str | Path) -> dict[str, Any]:
    """What a prepared folder says of itself: name, root, terms, number of crops. Raises DataError."""
    try:
        facts = json.loads((Path(path) / "dataset.json").read_text(encoding="utf-8"))
        return {key: facts[key] for key in ("name", "root", "terms", "crops", "cache_size", "cache_scale")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a prepared dataset; make it with `landmarks data prepare`") from error


def _cache_matrix(row: pd.Series) -> np.ndarray:
    """(1, 2, 3): image -> cached crop, unturned, around the face."""
    scheme = next((scheme for scheme in SCHEMES.values() if row[scheme.name] is not None), None)
    if scheme is None:
        squares = FACE_BOX.squares(row[BOX].to_numpy(float), CACHE_SCALE)
    else:
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
