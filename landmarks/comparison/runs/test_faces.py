"""Test faces as every arm meets them: one detector's boxes, found once, and the pictures around them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from landmarks.atomic import PartialFolder
from landmarks.datasets.crops.cutting import CACHE_SCALE, CACHE_SIZE
from landmarks.datasets.dataset import Dataset
from landmarks.datasets.table import load_table, points_of, save_table
from landmarks.declared import read_kept
from landmarks.detection.base import Detector
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, ImageError, told
from landmarks.geometry import BoxRule, crop_matrices, extract_crop, middle_box, transform
from landmarks.schemes import POINTS_5, SCHEMES, Declared, Scheme


@dataclass(frozen=True)
class Bench:
    """N test faces, with everything in pixels of their pictures."""

    table: pd.DataFrame
    """The dataset's rows, points moved into the pictures."""
    pictures: np.ndarray
    """(N, CACHE_SIZE, CACHE_SIZE, 3) uint8, memory-mapped: the face and its surroundings."""
    boxes: np.ndarray
    """(N, 4): face squares of the detector's boxes, one extent of the landmarks wide; or whole images."""
    whole: np.ndarray
    """(N,) bool: the square is the whole image, whatever the network's crop scale."""
    fallback: np.ndarray
    """(N,) bool: the detector found nothing and the whole image was taken."""
    interocular: np.ndarray
    """(N,): distance of the eyes in pixels of the dataset's images."""
    declared: tuple[Declared, ...] = ()
    """The dataset's tasks beside the built-in ones."""
    scheme: Scheme = POINTS_5
    """The landmarks that are measured, K of each face."""

    def squares(self, crop_scale: float) -> np.ndarray:
        """(N, 4): the squares that a network's first pass sees."""
        return scaled(self.boxes, self.whole, crop_scale)

    @property
    def points(self) -> np.ndarray:
        """(N, K, 2): the true points."""
        return points_of(self.table, self.scheme)


def scaled(squares: np.ndarray, whole: np.ndarray, crop_scale: float) -> np.ndarray:
    """Squares (N, 4) of one extent made as wide as a network wants them, but for those that are whole images (N,)."""
    return squares * np.where(whole[:, None], 1.0, [1, 1, crop_scale, 1])


class Cut(NamedTuple):
    """A face cut out of its image."""

    picture: np.ndarray
    """(CACHE_SIZE, CACHE_SIZE, 3) uint8: the face and its surroundings, or the whole image."""
    square: np.ndarray
    """(4,): its face square in there, one extent of the landmarks wide; or the whole image."""
    whole: bool
    """The square is the whole image."""
    matrix: np.ndarray
    """(1, 2, 3): image -> picture."""


def cut_face(image: np.ndarray, box: np.ndarray, rule: BoxRule) -> Cut:
    """Cut out a face. image: (H, W, 3) uint8; box: (4,); rule: of the detector that the box is from."""
    x, y, side, angle = rule.squares(box, 1.0)[0]
    whole = bool(rule.squares(box, CACHE_SCALE)[0, 2] == side)
    around = side if whole else side * CACHE_SCALE
    matrix = crop_matrices(np.array([[x, y, around, angle]]), CACHE_SIZE)
    middle = (CACHE_SIZE - 1) / 2
    square = np.array([middle, middle, CACHE_SIZE * side / around, 0.0])
    return Cut(extract_crop(image, matrix[0], CACHE_SIZE), square, whole, matrix)


def make_bench(
    dataset: Dataset,
    split: str,
    detector: Detector,
    folder: Path,
    scheme: Scheme = POINTS_5,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Find the faces of a split and write them to a folder; whole or not at all. Boxes are never made from the points.

    Images that cannot be read are left out with a warning. Raises DataError without faces that have all
    points of the scheme.
    """
    given = np.isfinite(points_of(dataset.table, scheme)).all(axis=(1, 2))
    rows = np.flatnonzero(given & (dataset.table["split"] == split).to_numpy()).tolist()
    if not len(rows):
        raise DataError(f"{dataset.files.root}: no faces with {scheme.name} in the split {split!r}")
    written = PartialFolder(folder)
    shape = (len(rows), CACHE_SIZE, CACHE_SIZE, 3)
    pictures = np.lib.format.open_memmap(written.file("pictures.npy"), "w+", np.uint8, shape)
    image = WholeImage()
    kept: list[int] = []
    columns: dict[str, list[Any]] = {"boxes": [], "whole": [], "fallback": [], "interocular": []}
    moved = dataset.table[scheme.name].copy()
    for done, row in enumerate(rows):
        progress(done, len(rows))
        name = dataset.table["image"].iloc[row]
        try:
            picture = dataset.image(row)
        except ImageError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
            continue
        found = detector(picture, name)
        rule = detector.rule if len(found) else image.rule
        box = middle_box(found.boxes if len(found) else image(picture).boxes, picture)
        cut = cut_face(picture, box, rule)
        points = np.asarray(moved.iloc[row], float)
        pictures[len(kept)] = cut.picture
        moved.iloc[row] = transform(cut.matrix, points[None])[0]
        columns["boxes"].append(cut.square.tolist())
        columns["whole"].append(cut.whole)
        columns["fallback"].append(len(found) == 0)
        columns["interocular"].append(np.linalg.norm(np.subtract(*points[list(scheme.interocular)])))
        kept.append(row)
    progress(len(rows), len(rows))
    pictures.flush()
    save_table(dataset.table.assign(**{scheme.name: moved}).iloc[kept], written.file("faces.parquet"))
    declared = [asdict(task) for task in dataset.declared]
    written.file("bench.json").write_text(json.dumps({**columns, "declared": declared, "scheme": scheme.name}))
    written.close()


def open_bench(folder: Path) -> Bench:
    """What `make_bench` wrote. Raises DataError."""
    try:
        facts = json.loads((folder / "bench.json").read_text())
        declared = read_kept(facts.get("declared", []), str(folder))
        table = load_table(folder / "faces.parquet", declared)
        pictures = np.load(folder / "pictures.npy", mmap_mode="r", allow_pickle=False)[: len(table)]
        columns = {key: np.array(facts[key]) for key in ("boxes", "whole", "fallback", "interocular")}
        scheme = SCHEMES[facts.get("scheme", POINTS_5.name)]
        if {len(table), len(pictures)} != {len(column) for column in columns.values()}:
            raise ValueError("its parts do not fit")
    except (OSError, ValueError, KeyError, TypeError, DataError, RecursionError) as error:
        raise DataError(
            f"{folder}: test faces cannot be read ({told(error)}); delete the folder, it is made anew"
        ) from error
    return Bench(table, pictures, **columns, declared=declared, scheme=scheme)
