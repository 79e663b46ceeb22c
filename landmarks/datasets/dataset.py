"""An annotated face dataset: its table and its files; and its prepared form with cached crops.

A prepared folder holds `table.parquet`, `dataset.json` and `crops.npy`: for each row with points or a box, in the order
of `crops.parquet`, the face and its surroundings at the scale networks need, so that an epoch decodes nothing.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.atomic import commit, partial_path, write_text
from landmarks.datasets.crops.cutting import CACHE_SCALE, CACHE_SIZE, cut_faces
from landmarks.datasets.facts import FACTS, about, declared_in
from landmarks.datasets.left_out import FILE, LeftOut
from landmarks.datasets.readers import celeba, coco, cofw, custom, fairface, ibug, mtfl, wflw
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import check_table, load_table, save_table, split_validation
from landmarks.declared import merged
from landmarks.errors import DataError, ImageError
from landmarks.schemes import SCHEMES, Attribute, Declared, known_attributes, known_tasks

if TYPE_CHECKING:
    from landmarks.detection.base import Detector

READERS = {
    "celeba": celeba, "mtfl": mtfl, "wflw": wflw, "cofw": cofw, "fairface": fairface, "custom": custom, "ibug": ibug,
    "coco": coco,
}  # fmt: skip
"""In the order in which they are asked: MAFL has lists of MTFL's names; `.pts` and `.json` may lie beside anything."""
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Dataset:
    """Annotated faces and where their images are."""

    name: str
    table: pd.DataFrame
    files: Files
    terms: str
    declared: tuple[Declared, ...] = ()
    """Its tasks beside the built-in ones."""

    @property
    def tasks(self) -> dict[str, Declared]:
        """By name, the attributes and quantities that its table has a column for."""
        return known_tasks(self.declared)

    @property
    def cut_out(self) -> bool:
        """Whether every image to test on is one face, cut out already; else a detector must find the faces."""
        return self.name in READERS and READERS[self.name].CUT_OUT

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
    if (Path(path) / FACTS).is_file():
        facts, declared = about(path), declared_in(path)
        table = load_table(Path(path) / "table.parquet", declared)
        return Dataset(facts["name"], table, Files(facts["root"]), facts["terms"], declared)
    files = Files(path)
    for name, reader in READERS.items():
        if reader.recognise(files):
            table, declared = reader.read(files), custom.declared(files) if reader is custom else ()
            try:
                check_table(table, declared)
            except DataError as error:
                raise DataError(f"{files.root}: {error}") from error
            if not (table["split"] == "val").any():
                table = split_validation(table, VALIDATION_SHARE)
            return Dataset(name, table, files, reader.TERMS, declared)
    known = "; ".join(reader.KNOWN_BY for reader in READERS.values())
    raise DataError(f"{files.root}: no dataset known here; known: {known}")


class Crops:
    """Cached faces of prepared datasets: `table` holds their rows, with points and boxes moved into crop pixels."""

    def __init__(self, folders: list[Path], table: pd.DataFrame, declared: tuple[Declared, ...] = ()) -> None:
        """table: with two columns more than any table, `cache` (index into folders) and `place` (in its crops.npy);
        declared: its tasks beside the built-in ones."""
        self.folders, self.table, self.declared = folders, table, declared

    def __getstate__(self) -> dict[str, Any]:
        # never pixels: worker processes map them again
        return {"folders": self.folders, "table": self.table, "declared": self.declared}

    @property
    def attributes(self) -> dict[str, Attribute]:
        """By name, the attributes that `table` has a column for."""
        return known_attributes(self.declared)

    @property
    def tasks(self) -> dict[str, Declared]:
        """By name, the attributes and quantities that `table` has a column for."""
        return known_tasks(self.declared)

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

    def sources(self, split: str) -> set[str]:
        """The sources that the faces of a split are of."""
        return set(self.table["source"].iloc[self.part(split)].dropna())


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
    dataset: Dataset,
    out: str | Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    detector: Detector | None = None,
) -> Crops:
    """Write the prepared form of a dataset and return its crops. Only train and val faces are cached.

    detector: places the faces that neither points nor a box place: of each image it takes the face in the middle.
    Faces whose image is missing or unreadable, that nothing places, or of later copies of a
    byte-identical image are left out: one warning counts them by reason, `left_out.csv` names them.
    Nothing half-written is ever taken for a finished preparation: `dataset.json` comes last.
    Raises DataError, with the counts, if there is no face to cache.
    """
    out = Path(out)
    rows = np.flatnonzero(dataset.table["split"].isin(["train", "val"]).to_numpy())
    if not len(rows):
        raise DataError(f"{dataset.files.root}: no face in the splits train and val; nothing to prepare")
    out.mkdir(parents=True, exist_ok=True)
    (out / FACTS).unlink(missing_ok=True)
    partial, left_out = partial_path(out / "crops.npy"), LeftOut()
    crops, dropped = cut_faces(dataset, rows, partial, left_out, progress, detector)
    left_out.write(out)
    if left_out.rows:
        told = f"{len(left_out.rows)} of {len(rows)} faces cannot be used: {left_out.counts()}"
        if crops.empty:
            partial.unlink()
            raise DataError(f"{dataset.files.root}: {told}; nothing to prepare. {out / FILE} names them")
        warnings.warn(f"left out: {told}. {out / FILE} names them", stacklevel=2)
    save_table(dataset.table.drop(index=dataset.table.index[dropped]), out / "table.parquet")
    save_table(crops, out / "crops.parquet")
    commit(partial, out / "crops.npy")
    facts = {
        "name": dataset.name,
        "root": str(dataset.files.root.resolve()),
        "terms": dataset.terms,
        "tasks": [asdict(task) for task in dataset.declared],
        "crops": len(crops),
        "cache_size": CACHE_SIZE,
        "cache_scale": CACHE_SCALE,
    }
    write_text(out / FACTS, json.dumps(facts, indent=1))
    return load_crops(out)


def load_crops(*paths: str | Path) -> Crops:
    """The cached crops of prepared folders, together. Raises DataError if one was not (wholly) prepared, or if two
    declare tasks of one name that are not the same."""
    folders = [Path(path) for path in paths]
    declared = merged((str(folder), declared_in(folder)) for folder in folders)
    tables = []
    for cache, folder in enumerate(folders):
        facts = about(folder)
        if (facts["cache_size"], facts["cache_scale"]) != (CACHE_SIZE, CACHE_SCALE):
            raise DataError(f"{folder}: prepared by another version; run `landmarks data prepare` again")
        table = load_table(folder / "crops.parquet", declared)
        if len(_map_pixels(folder)) < len(table):
            raise DataError(f"{folder}: crops and table do not fit; run `landmarks data prepare` again")
        tables.append(table.assign(cache=cache, place=np.arange(len(table))))
    return Crops(folders, pd.concat(tables, ignore_index=True), declared)


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
            if points is not None and ((points < -width) | (points > 2 * np.array([width, height]))).any():
                problems.append(f"{name}: {scheme} lie far outside the image of {width} x {height} pixels")
    progress(len(dataset.table), len(dataset.table))
    return problems
