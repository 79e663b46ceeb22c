"""Whether `landmarks review` says how many wrong faces are left where the photographs are worse than those that the
network's quality was fitted to.

    python -m landmarks.studies.spoilt compact prepared/mtfl

spoils the validation faces in one way after the other, as `landmarks.datasets.crops.conditions` does, so that each way
is a kind of photographs of its own, and prints the table of `landmarks.studies.doubt` for each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from landmarks import metrics
from landmarks.datasets.crops.conditions import cover, expose
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import load_crops
from landmarks.datasets.table import points_of
from landmarks.errors import LandmarksError
from landmarks.evaluation.calibrate import TYPICAL
from landmarks.evaluation.held_out import scheme_of
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.config import PASSES
from landmarks.inference.locate import locate
from landmarks.models.calibration import QUALITY_THRESHOLD
from landmarks.studies.doubt import show

COVERED = "covered"
WAYS = ("small", "night", "motion", "noisy", "compressed", COVERED)
"""Of spoiling a face."""


def spoil(pictures: list[np.ndarray], way: str, seed: int = 0) -> list[np.ndarray]:
    """Crops (S, S, 3) spoilt in one of WAYS; what covers a face is of one colour or has another one's texture."""
    generator = np.random.default_rng(seed)
    if way == COVERED:
        others = [*pictures[1:], *pictures[:1]]
        return [cover(picture, other, generator) for picture, other in zip(pictures, others)]
    return [expose(picture, frozenset([way]), generator) for picture in pictures]


def judge(backend: Backend, data: str | Path, way: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the spoilt validation faces: quality (N,), and which are wrong and which are failures, (N,) bool.

    Raises LandmarksError if the network has no quality, DataError if no face has its landmarks.
    """
    calibration, config = backend.calibration, backend.config
    if calibration.quality is None:
        raise LandmarksError("the weights know no doubt; calibrate them with `landmarks calibrate`")
    crops = load_crops(data)
    rows = crops.part("val")
    scheme = scheme_of(crops.table.iloc[rows], config, data)
    true = points_of(crops.table.iloc[rows], scheme)
    given = np.isfinite(true).all(axis=(1, 2))
    rows, true = rows[given], true[given]
    squares = TYPICAL.squares(canonical_squares(crops.table.iloc[rows], config.crop_scale))
    pictures = spoil([crops.picture(row) for row in rows], way)
    seen = locate(backend, pictures, np.arange(len(rows)), squares, PASSES)
    first, points = config.schemes[0], seen.points[scheme.name]
    quality = calibration.quality(calibration.errors[first](seen.error_cues[first]))
    failed = metrics.nme(metrics.point_errors(points, true, metrics.interocular(true, scheme))) > metrics.THRESHOLD
    return quality, ~(metrics.face_errors(points, true, scheme) <= QUALITY_THRESHOLD), failed


def main() -> None:
    parser = argparse.ArgumentParser(description="Wrong faces among the rest, of faces that were spoilt.")
    parser.add_argument("weights", help="calibrated weights: a shipped name or a file")
    parser.add_argument("data", help="prepared folder with validation faces")
    arguments = parser.parse_args()
    backend = load_backend(arguments.weights, "cpu")
    for way in WAYS:
        show(way, *judge(backend, arguments.data, way))


if __name__ == "__main__":
    main()
