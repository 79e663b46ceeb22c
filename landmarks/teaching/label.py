"""Have a network label the points that people did not:
`python -m landmarks.teaching.label PREPARED --weights FILE --out OUT`

PREPARED is a folder of `landmarks data prepare`, OUT becomes one like it in which every training face has five and 68
points. Points that people labelled stay as they are, and so do the validation faces. Beside the network's points stands
how far off each may be: the larger of what its calibration expects and of how far apart its views of the face are.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from landmarks.atomic import write_text
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.facts import FACTS, declared_in
from landmarks.datasets.table import LABEL_ERRORS, load_table, points_of, save_table
from landmarks.device import AUTO
from landmarks.errors import DataError, WeightsError
from landmarks.geometry import face_squares
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.locate import locate
from landmarks.schemes import POINTS_5, SCHEMES

VIEWS = ((0.0, 0.0, 1.0), (0.06, 0.03, 0.94), (-0.06, 0.03, 1.06), (0.03, -0.06, 1.06), (-0.03, -0.06, 0.94))
"""Of a face: shifts of its square in x and y, as shares of the side, and a factor on the side."""
FACES_AT_ONCE = 512


class Taught(NamedTuple):
    """What a network says of N faces, by scheme."""

    points: dict[str, np.ndarray]
    """(N, K, 2) pixels of the cached crops: the mean of all views."""
    errors: dict[str, np.ndarray]
    """(N, K) pixels of the cached crops."""


def look(backend: Backend, crops: Crops, rows: np.ndarray) -> Taught:
    """What a calibrated network sees in cached faces."""
    schemes = backend.config.schemes
    pictures, owners = [crops.picture(row) for row in rows], np.arange(len(rows))
    table = crops.table.iloc[rows]
    squares = canonical_squares(table, backend.config.crop_scale)
    first = locate(backend, pictures, owners, squares)
    seen = []
    for x, y, factor in VIEWS:
        side = first.squares[:, 2]
        moved = first.squares + np.column_stack([x * side, y * side, (factor - 1) * side, np.zeros(len(side))])
        seen.append(locate(backend, pictures, owners, moved, passes=1))
    points = {name: np.stack([one.points[name] for one in seen]) for name in schemes}
    means = {name: found.mean(axis=0) for name, found in points.items()}
    sizes = face_squares(means[POINTS_5.name], POINTS_5, 1.0)[:, 2]
    errors = {}
    for name in schemes:
        apart = np.linalg.norm(points[name] - means[name], axis=-1).mean(axis=0)
        expected = np.mean([backend.calibration.errors[name](one.error_cues[name]) for one in seen], axis=0)
        errors[name] = np.maximum(expected * sizes[:, None], apart)
    return Taught(means, errors)


def label(prepared: Path, backend: Backend, out: Path) -> int:
    """Write OUT; return how many faces got points. Raises WeightsError if the network is not calibrated, DataError,
    also if OUT is the folder itself."""
    if out.resolve() == prepared.resolve():
        raise DataError(f"{out}: would replace the folder that is read; give --out another one")
    if not set(backend.config.schemes) <= set(backend.calibration.errors):
        raise WeightsError("the weights do not say how far off their points are; calibrate them first")
    crops = load_crops(prepared)
    table = load_table(prepared / "crops.parquet", declared_in(prepared))
    placed = np.isfinite(canonical_squares(table, backend.config.crop_scale)).all(axis=1)
    lacking = {name: np.isnan(points_of(table, SCHEMES[name])).all(axis=(1, 2)) for name in backend.config.schemes}
    train = (table["split"] == "train").to_numpy()
    rows = np.flatnonzero(train & placed & np.any(list(lacking.values()), axis=0))
    columns = {name: list(table[name]) for name in lacking}
    errors: dict[str, list[np.ndarray | None]] = {name: [None] * len(table) for name in lacking}
    for low in range(0, len(rows), FACES_AT_ONCE):
        some = rows[low : low + FACES_AT_ONCE]
        taught = look(backend, crops, some)
        for name in lacking:
            for place, row in enumerate(some):
                if lacking[name][row] and np.isfinite(taught.points[name][place]).all():
                    columns[name][row], errors[name][row] = taught.points[name][place], taught.errors[name][place]
    for name in lacking:
        table[name] = pd.Series(columns[name], index=table.index, dtype=object)
        table[LABEL_ERRORS[name]] = pd.Series(errors[name], index=table.index, dtype=object)
    out.mkdir(parents=True, exist_ok=True)
    (out / FACTS).unlink(missing_ok=True)
    for name in ("table.parquet", "crops.npy"):
        (out / name).unlink(missing_ok=True)
        try:
            os.link(prepared / name, out / name)
        except OSError:
            shutil.copyfile(prepared / name, out / name)
    save_table(table, out / "crops.parquet")
    write_text(out / FACTS, (prepared / FACTS).read_text(encoding="utf-8"))
    return len(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Have a network label the points that people did not.")
    parser.add_argument("prepared", type=Path, help="folder of `landmarks data prepare`")
    parser.add_argument("--weights", required=True, help="calibrated weights: a shipped name or a file")
    parser.add_argument("--out", type=Path, required=True, help="write the labelled folder here")
    parser.add_argument("--device", default=AUTO)
    given = parser.parse_args(arguments)
    backend = load_backend(given.weights, given.device)
    print(f"{label(given.prepared, backend, given.out)} faces labelled -> {given.out}")


if __name__ == "__main__":
    main()
