"""Which validation faces have a near copy among the training faces, and what they do to the validation error.

    python -m landmarks.studies.near_copies accurate prepared/300w --scheme points_68

Datasets hold photographs twice, encoded or cropped anew, which file names and checksums do not tell. Faces count as
copies whose cached crops, shrunk and grey, correlate by more than LEAST.
"""

from __future__ import annotations

import argparse

import cv2
import numpy as np

from landmarks import metrics
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import Crops, load_crops
from landmarks.evaluation.placement import locate_crops, validation_faces
from landmarks.inference.backend import load_backend
from landmarks.schemes import POINTS_5, SCHEMES

SIDE, LEAST = 24, 0.95
"""Pixels of the shrunk crops a side, and the correlation from which two are of one photograph."""


def likeness(crops: Crops, rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each face of `rows` (N,) the most similar one of `others` (M,): correlation and row, (N,) each."""
    one, other = (np.stack([_small(crops.picture(row)) for row in part]) for part in (rows, others))
    alike = one @ other.T
    return alike.max(axis=1), others[alike.argmax(axis=1)]


def _small(picture: np.ndarray) -> np.ndarray:
    """A crop (H, W, 3) as a vector of mean 0 and length 1."""
    grey = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).mean(axis=2, dtype=np.float32).ravel()
    grey -= grey.mean()
    return np.asarray(grey / max(float(np.linalg.norm(grey)), 1e-6))


def main() -> None:
    parser = argparse.ArgumentParser(description="Validation faces with near copies among the training faces.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default=POINTS_5.name)
    arguments = parser.parse_args()
    crops, backend, scheme = load_crops(arguments.data), load_backend(arguments.weights), SCHEMES[arguments.scheme]
    rows, true = validation_faces(crops, scheme)
    alike, of = likeness(crops, rows, crops.part("train"))
    copies = alike > LEAST
    for row, other, value in zip(rows[copies], of[copies], alike[copies]):
        print(f"{value:.3f}  {crops.table['image'].iloc[row]}  {crops.table['image'].iloc[other]}")
    squares = canonical_squares(crops.table.iloc[rows], backend.config.crop_scale)
    predicted = locate_crops(backend, crops, rows, squares).points[scheme.name]
    errors = 100 * metrics.nme(metrics.point_errors(predicted, true, metrics.interocular(true, scheme)))
    print(
        f"{copies.sum()} of {len(rows)} validation faces have a near copy in training; mean error of all "
        f"{errors.mean():.2f}, without these {errors[~copies].mean():.2f} % of the inter-ocular distance"
    )


if __name__ == "__main__":
    main()
