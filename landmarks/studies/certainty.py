"""How well errors are foreseen, beside how well they could be: rank correlations on validation faces.

    python -m landmarks.studies.certainty accurate prepared/300w --scheme points_68

prints the rank correlation of each point's true error with the expected one; with the mean error of that point over all
faces, which any network could know; and with the product of the point's and the face's own mean of true errors, which
none can know. The last one says how far a point's error can be told at all by how hard its face and such points are.
"""

from __future__ import annotations

import argparse

import numpy as np

from landmarks import metrics
from landmarks.datasets.crops.squares import canonical_squares
from landmarks.datasets.dataset import load_crops
from landmarks.evaluation.calibrate import TYPICAL
from landmarks.evaluation.placement import locate_crops, validation_faces
from landmarks.geometry import face_squares
from landmarks.inference.backend import load_backend
from landmarks.schemes import POINTS_5, SCHEMES


def correlations(expected: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Rank correlations with the true errors (N, K) of the expected ones (N, K) and of what means alone would say."""
    points, faces = true.mean(axis=0, keepdims=True), true.mean(axis=1, keepdims=True)
    guesses = {
        "expected error": expected,
        "mean error of the point": np.broadcast_to(points, true.shape),
        "mean error of the point times that of the face": points * faces,
    }
    return {name: metrics.rank_correlation(guess.ravel(), true.ravel()) for name, guess in guesses.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="How well errors are foreseen, beside how well they could be.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default=POINTS_5.name)
    arguments = parser.parse_args()
    crops, backend, scheme = load_crops(arguments.data), load_backend(arguments.weights), SCHEMES[arguments.scheme]
    rows, true = validation_faces(crops, scheme)
    squares = TYPICAL.squares(canonical_squares(crops.table.iloc[rows], backend.config.crop_scale))
    seen = locate_crops(backend, crops, rows, squares)
    errors = metrics.point_errors(seen.points[scheme.name], true, face_squares(true, scheme, 1.0)[:, 2])
    expected = backend.calibration.errors[scheme.name](seen.error_cues[scheme.name])
    print(f"{len(rows)} faces, {len(scheme)} points: rank correlation with the true error of a point")
    for name, value in correlations(expected, errors).items():
        print(f"{value:6.3f}  {name}")


if __name__ == "__main__":
    main()
