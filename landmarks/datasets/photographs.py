"""Photographs with the boxes of all their faces: what detectors of faces learn from and are measured on.

A landmark network learns from faces one by one; a detector also from what is no face. So every face of a photograph
must be known: learned, or marked `ignore` where finding one is neither right nor wrong.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from landmarks import images
from landmarks.atomic import replacing, write_text
from landmarks.datasets.crops.squares import anchors_of
from landmarks.datasets.dataset import Dataset, read_dataset
from landmarks.datasets.readers import wider, yolo
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import BOX, SPLITS, is_known, task_labels
from landmarks.errors import DataError, ImageError
from landmarks.schemes import POINTS_5, SCHEMES

POINTS = [f"{point}_{axis}" for point in POINTS_5.points for axis in "xy"]
"""Columns of the five points, as a `faces.csv` has them."""
LEVELS = wider.LEVELS
"""In which of WIDER FACE's three measures a face counts."""
COLUMNS = ["image", "split", *BOX, *POINTS, "ignore", *LEVELS]
READERS = (wider, yolo)
"""Layouts that only photographs have; every other dataset is `read_dataset`'s."""
VALIDATION_SHARE = 0.1
EVENT_EVERY = 8
"""Of WIDER FACE's events, sorted by number, every eighth is the validation part, the eighth first."""
FACTS, TABLE = "photographs.json", "faces.csv"
ROOM = 2.0
"""Side of the box around a face that only points place, over the larger side of their extent."""


@dataclass(frozen=True)
class FaceLabels:
    """The N faces of one photograph, in pixels of the upright image, pixel centres at integers."""

    boxes: np.ndarray
    """(N, 4) float64: x0, y0, x1, y1; may reach over the border."""
    points: np.ndarray
    """(N, 5, 2) float64: x, y of the scheme `points_5`, NaN where unknown."""
    ignore: np.ndarray
    """(N,) bool: finding this face is neither right nor wrong."""
    levels: np.ndarray
    """(N, 3) bool: whether it counts in each of LEVELS; all False where the dataset has no levels."""

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True)
class Photographs:
    """Photographs and all faces in them."""

    name: str
    table: pd.DataFrame
    """A row a face, with COLUMNS: image (path under `files`), split (train, val, test), box, points, ignore, levels. A
    photograph without faces has one row, its box NaN."""
    files: Files
    terms: str

    def names(self, split: str) -> list[str]:
        """The photographs of a split, sorted, those without faces too."""
        return sorted(self.table.loc[self.table["split"] == split, "image"].unique())

    def labels(self, image: str) -> FaceLabels:
        """The faces of a photograph. Raises KeyError for one that is not in the table."""
        rows = self._values[self._rows[image]]
        rows = rows[~np.isnan(rows[:, 0])]
        boxes, points, flags = np.split(rows, [len(BOX), len(BOX) + len(POINTS)], axis=1)
        return FaceLabels(boxes, points.reshape(-1, len(POINTS_5), 2), flags[:, 0] > 0, flags[:, 1:] > 0)

    def pixels(self, image: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright. Raises ImageError."""
        try:
            data = self.files.read(image)
        except DataError as error:
            raise ImageError(image, "missing", str(error)) from error
        return images.decode(data, image).pixels

    @cached_property
    def _values(self) -> np.ndarray:
        return self.table[COLUMNS[2:]].to_numpy(float)

    @cached_property
    def _rows(self) -> dict[str, np.ndarray]:
        return self.table.groupby("image", sort=False).indices


def read_photographs(path: str | Path) -> Photographs:
    """Read photographs with boxes: WIDER FACE in its official layout, YOLO label folders, what `write_photographs`
    wrote, or any dataset that `read_dataset` reads, such as a `faces.csv` of your own or COCO.

    A row of a dataset with points and no box is a face to ignore, around its points; a photograph of which a label
    tells that there is a face and nothing where is left out, with a warning. Without a validation part every eighth
    event of WIDER FACE's training part is one, or a tenth of the training photographs, always the same. Raises
    DataError.
    """
    path = Path(path)
    if (path / FACTS).is_file():
        return _read_written(path)
    files = Files(path)
    for reader in READERS:
        if reader.recognise(files):
            table = reader.read(files).reindex(columns=COLUMNS)
            return _checked(reader.NAME, table, files, reader.TERMS)
    dataset = read_dataset(path)
    return _checked(dataset.name, _of_dataset(dataset), dataset.files, dataset.terms)


def tells_only_boxes(path: str | Path) -> bool:
    """Whether a dataset is for detectors alone: it says where faces are, and neither landmarks nor attributes.

    Raises DataError.
    """
    if (Path(path) / FACTS).is_file() or any(reader.recognise(Files(path)) for reader in READERS):
        return True
    dataset = read_dataset(path)
    table = dataset.table
    return not table[[*SCHEMES, *dataset.tasks]].notna().any(axis=None) and bool(table["x0"].notna().any())


def write_photographs(photographs: Photographs, folder: Path) -> None:
    """Write labels as `read_photographs` reads them: `faces.csv`, and `photographs.json` with the place of the images.

    The pixels stay where they are. Raises OSError.
    """
    table = photographs.table[COLUMNS].copy()
    for name in ("ignore", *LEVELS):
        table[name] = table[name].astype(int)
    (folder / FACTS).unlink(missing_ok=True)
    with replacing(folder / TABLE) as partial:
        table.to_csv(partial, index=False, float_format="%.3f", encoding="utf-8")
    root = str(photographs.files.root.resolve())
    facts = {"name": photographs.name, "root": root, "terms": photographs.terms}
    write_text(folder / FACTS, json.dumps(facts, indent=1))


def _read_written(folder: Path) -> Photographs:
    """What `write_photographs` wrote. Raises DataError."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        name, root, terms = (str(facts[key]) for key in ("name", "root", "terms"))
        text = {"image": str, "split": str}
        table = pd.read_csv(folder / TABLE, dtype=text, keep_default_na=False, na_values={c: [""] for c in COLUMNS[2:]})
        table = table[COLUMNS].astype(dict.fromkeys(COLUMNS[2:], float))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{folder}: not photographs as this package writes them ({error}); write them anew") from error
    return _checked(name, table, Files(root), terms, folder)


def _of_dataset(dataset: Dataset) -> pd.DataFrame:
    """The table of photographs of an annotated face dataset."""
    source = dataset.table
    table = source.reindex(columns=["image", "split", *BOX, "ignore", *LEVELS])
    table[POINTS] = anchors_of(source).reshape(-1, len(POINTS))
    boxes, ignore = table[BOX].to_numpy(float, copy=True), table["ignore"].to_numpy(float, copy=True)
    for scheme in SCHEMES.values():
        for row in np.flatnonzero(np.isnan(boxes[:, 0]) & source[scheme.name].notna().to_numpy()):
            boxes[row], ignore[row] = _around(source[scheme.name].iloc[row]), 1
    table[BOX], table["ignore"], unplaced = boxes, ignore, np.isnan(boxes[:, 0])
    labelled = np.any([is_known(task_labels(source, task)) for task in dataset.tasks.values()], axis=0)
    unknown = table["image"].isin(table["image"][unplaced & labelled])
    if unknown.any():
        lost = table["image"][unknown]
        warnings.warn(
            f"{dataset.files.root}: {lost.nunique()} photographs are left out, no box or point says where their faces "
            f"are ({lost.iloc[0]}, ...); let detectors label them: `python -m landmarks.teaching.teach`",
            stacklevel=3,
        )
    return table[~unknown]


def _around(points: np.ndarray) -> np.ndarray:
    """A generous box (4,) around a face's points (K, 2), of which some may be NaN."""
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    half = max(ROOM * (high - low).max(), 8.0) / 2
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half])


def _checked(name: str, table: pd.DataFrame, files: Files, terms: str, where: Path | None = None) -> Photographs:
    """Photographs of a table whose values make sense, with a validation part. Raises DataError naming the image."""
    where = where or files.root
    if table.empty:
        raise DataError(f"{where}: no photographs are in it")
    table = table.sort_values("image", kind="stable", ignore_index=True)
    table[["ignore", *LEVELS]] = table[["ignore", *LEVELS]].astype(float).fillna(0) > 0
    boxes, points = table[BOX].to_numpy(float), table[POINTS].to_numpy(float)
    faults = {
        f"the split must be one of {', '.join(SPLITS)}": ~table["split"].isin(SPLITS).to_numpy(),
        "it is in two splits": (table.groupby("image")["split"].transform("nunique") > 1).to_numpy(),
        "a box is not complete": np.isnan(boxes).any(axis=1) & ~np.isnan(boxes).all(axis=1),
        "a box needs finite numbers, x0 < x1 and y0 < y1": ~(
            np.isnan(boxes).all(axis=1) | (np.isfinite(boxes).all(axis=1) & (boxes[:, :2] < boxes[:, 2:]).all(axis=1))
        ),
        "a point is infinite": np.isinf(points).any(axis=1),
    }
    for fault, rows in faults.items():
        if rows.any():
            raise DataError(f"{where}: {table['image'][rows.argmax()]}: {fault}")
    if not (table["split"] == "val").any():
        train = sorted(table.loc[table["split"] == "train", "image"].unique())
        table.loc[table["image"].isin(_for_validation(name, train)), "split"] = "val"
    return Photographs(name, table[COLUMNS], files, terms)


def _for_validation(name: str, train: list[str]) -> list[str]:
    """Which of the training photographs, sorted, become the validation part."""
    if name == wider.NAME:
        events = sorted({wider.event(image) for image in train}, key=wider.event_number)
        chosen = set(events[EVENT_EVERY - 1 :: EVENT_EVERY])
        return [image for image in train if wider.event(image) in chosen]
    order = np.random.default_rng(0).permutation(len(train))
    return [train[i] for i in order[: round(VALIDATION_SHARE * len(train))]]
