"""Whether the detector's five points can stand in for the locator's: validation faces, turned by several angles.

    python -m landmarks.studies.detectors.points compact prepared/300w --scheme points_68

finds each face by the detector's network, in floating point, and then looks at it in two ways: as `annotate` does,
where the locator finds five points in the square of the box and the network looks once; and without the locator, where
the network looks at once at the crop of the detector's own points. Both count the faces that are found.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from landmarks import metrics
from landmarks.datasets.dataset import load_crops
from landmarks.detection.facegrid import FaceGrid
from landmarks.detection.search import fit
from landmarks.evaluation.placement import validation_faces
from landmarks.geometry import face_squares, grid_cells, rotate
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.locate import locate
from landmarks.metrics import THRESHOLD
from landmarks.models.facegrid import STRIDES, decode, load_facegrid
from landmarks.models.facegrid import FaceGrid as Network
from landmarks.schemes import POINTS_5, SCHEMES, Scheme
from landmarks.shipped import SHIPPED

ANGLES = (0, 30, 45, 60)
"""Degrees by which the pictures are turned, clockwise."""


class Start(NamedTuple):
    """What the detector says of one face, in pixels of its picture, pixel centres at integers."""

    box: np.ndarray
    """(4,) x0, y0, x1, y1."""
    points: np.ndarray
    """(5, 2) x, y."""


def turned(picture: np.ndarray, points: np.ndarray, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """A picture (H, W, 3) and the points (K, 2) in it, turned clockwise about its middle; what comes in is black."""
    middle = (np.array(picture.shape[1::-1]) - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle[0], middle[1]), -degrees, 1.0)
    moved = rotate((points - middle)[None], np.radians([degrees]))[0] + middle
    return cv2.warpAffine(picture, matrix, picture.shape[1::-1]), moved


@torch.inference_mode()
def start(network: Network, picture: np.ndarray, inside: np.ndarray, threshold: float, side: int) -> Start | None:
    """The face of the highest score whose box holds the point `inside`; None where none reaches the threshold. side: of
    what the detector looks at."""
    step = STRIDES[-1]
    copy, factors = fit(picture, side)
    height, width = copy.shape[:2]
    canvas = cv2.copyMakeBorder(copy, 0, -height % step, 0, -width % step, cv2.BORDER_CONSTANT)
    cells = torch.from_numpy(grid_cells(canvas.shape[0], canvas.shape[1], STRIDES))
    told = decode(network(torch.from_numpy(canvas).permute(2, 0, 1)[None]), cells)
    boxes, scores = told.boxes[0].numpy() * np.tile(factors, 2) - 0.5, told.logits[0].sigmoid().numpy()
    holds = (boxes[:, :2] <= inside).all(axis=1) & (inside <= boxes[:, 2:]).all(axis=1) & (scores >= threshold)
    if not holds.any():
        return None
    best = int(np.where(holds, scores, -1).argmax())
    return Start(boxes[best], told.points[0, best].numpy() * factors - 0.5)


def both_ways(backend: Backend, pictures: list[np.ndarray], starts: list[Start], scheme: Scheme) -> list[np.ndarray]:
    """The points (N, K, 2) of N faces with the locator, and without it."""
    scale, owners = backend.config.crop_scale, np.arange(len(pictures))
    boxed = FaceGrid.rule.squares(np.stack([s.box for s in starts]), scale)
    pointed = face_squares(np.stack([s.points for s in starts]), POINTS_5, scale)
    return [
        locate(backend, pictures, owners, squares, passes).points[scheme.name]
        for squares, passes in ((boxed, 2), (pointed, 1))
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="The detector's points in the locator's place, on validation faces.")
    parser.add_argument("weights", help="shipped name or file, of a network with a locator")
    parser.add_argument("data", help="prepared folder")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default=POINTS_5.name)
    arguments = parser.parse_args()
    crops, backend, scheme = load_crops(arguments.data), load_backend(arguments.weights), SCHEMES[arguments.scheme]
    network, _ = load_facegrid(SHIPPED / "detector.safetensors")
    detector = FaceGrid()
    rows, true = validation_faces(crops, scheme)
    title = "mean error / failures at 10 %, in % of the inter-ocular distance"
    table = Table("turned by", "faces", "found", "with the locator", "without it", title=title)
    for angle in ANGLES:
        pictures, starts, wanted = [], [], []
        for row, points in zip(track(rows, description=f"{angle} degrees"), true):
            picture, moved = turned(crops.picture(row), points, angle)
            inside = scheme.anchors(moved[None])[0].mean(axis=0)
            found = start(network, picture, inside, detector.threshold, detector.max_side)
            if found is not None:
                pictures.append(picture)
                starts.append(found)
                wanted.append(moved)
        cells = ["", ""]
        if starts:
            labels = np.stack(wanted)
            sizes = metrics.interocular(labels, scheme)
            errors = [
                metrics.nme(metrics.point_errors(points, labels, sizes))
                for points in both_ways(backend, pictures, starts, scheme)
            ]
            cells = [f"{100 * of.mean():.2f} / {100 * metrics.failure_rate(of, THRESHOLD):.1f}" for of in errors]
        table.add_row(f"{angle}", str(len(rows)), str(len(starts)), *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
