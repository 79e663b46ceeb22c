"""Photographs seen by several arms of a comparison, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from landmarks import images
from landmarks.comparison.figures.faces_page import faces_page, write_page
from landmarks.comparison.grid.arms import Arm
from landmarks.comparison.run import run_folder
from landmarks.comparison.runs.test_faces import Cut, cut_face, scaled
from landmarks.comparison.runs.train import backend_of, locate_in, trained_network
from landmarks.detection.base import Detector
from landmarks.errors import LandmarksError
from landmarks.geometry import crop_matrices, extract_crop, invert, transform

MOST = 12
"""Faces on a page."""
VIEW, SIDE = 2.6, 224
"""What is shown of a face, in extents of its landmarks; pixels of its picture."""


def write_side_by_side(
    out: Path, arms: Sequence[Arm], photographs: Sequence[Path], detector: Detector, path: Path
) -> None:
    """Draw the faces of photographs, the first `MOST`, with what the first seed of each arm finds in them.

    out: the comparison's folder. Raises LandmarksError without a face or for an arm that has not been run.
    """
    cuts: list[Cut] = []
    shown = []
    for photograph in photographs:
        picture = images.read(photograph).pixels
        for box in detector(picture, photograph.name).boxes[: MOST - len(cuts)]:
            cuts.append(cut_face(picture, box, detector.rule))
            square = detector.rule.squares(box, VIEW)
            matrix = crop_matrices(square, SIDE)
            shown.append((extract_crop(picture, matrix[0], SIDE), matrix))
    if not cuts:
        raise LandmarksError(f"no face found in {', '.join(map(str, photographs)) or 'nothing'}")
    pictures, boxes = np.stack([cut.picture for cut in cuts]), np.stack([cut.square for cut in cuts])
    whole = np.array([cut.whole for cut in cuts])
    to_view = [matrix @ _square(invert(cut.matrix)) for cut, (_, matrix) in zip(cuts, shown)]
    points = {}
    for arm in arms:
        if arm.landmarks in arm.tasks:
            backend = backend_of(arm, trained_network(arm, 0, run_folder(out, arm, 0)))
            found = locate_in(backend, pictures, scaled(boxes, whole, arm.crop_scale), passes=1)
            points[arm.name] = transform(np.concatenate(to_view), found.points[arm.landmarks])
    write_page(faces_page([picture for picture, _ in shown], points), path)


def _square(matrices: np.ndarray) -> np.ndarray:
    """Affine maps (N, 2, 3) as (N, 3, 3), which can be chained."""
    return np.concatenate([matrices, np.broadcast_to([[[0.0, 0.0, 1.0]]], (len(matrices), 1, 3))], axis=1)
