"""Fit the constants that turn a detector's boxes into face squares, on annotated training faces.

    python -m landmarks.studies.detectors.fit_rule MTFL.zip centerface

prints the rule, how many of the faces were found, and how far the single boxes scatter around the rule: training
must move its crops by as much.
"""

from __future__ import annotations

import argparse

import numpy as np

from landmarks.datasets.dataset import Dataset, read_dataset
from landmarks.datasets.table import points_of
from landmarks.detection.base import Detector
from landmarks.detection.create import create_detector
from landmarks.geometry import BoxRule, face_squares
from landmarks.schemes import SCHEMES, Scheme


def box_offsets(boxes: np.ndarray, points: np.ndarray, scheme: Scheme) -> np.ndarray:
    """From boxes to the landmarks' extents. boxes: (N, 4), points: (N, K, 2), pixels -> (N, 3).

    Centre offset in x and y as shares of the box size sqrt(w h); log of the extent's larger side over the box size.
    """
    squares = face_squares(points, scheme, scale=1)
    size = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    shift = (squares[:, :2] - (boxes[:, :2] + boxes[:, 2:]) / 2) / size[:, None]
    return np.concatenate([shift, np.log(squares[:, 2] / size)[:, None]], axis=1)


def fit_rule(boxes: np.ndarray, points: np.ndarray, scheme: Scheme) -> BoxRule:
    """The rule that suits most of these faces. boxes: (N, 4), points: (N, K, 2), in pixels.

    Medians: a few boxes of a neighbour's face do no harm. There is no shift in x, as faces mirror.
    """
    _, shift_y, log_extent = np.median(box_offsets(boxes, points, scheme), axis=0)
    return BoxRule(shift_y=round(float(shift_y), 3), extent=round(float(np.exp(log_extent)), 3))


def match_boxes(detector: Detector, dataset: Dataset, rows: np.ndarray, scheme: Scheme) -> np.ndarray:
    """The detector's box of each of these table rows: (N, 4), NaN where it does not find the face.

    Of the boxes that contain the landmarks' centre, the one whose own centre is nearest.
    """
    matched = np.full((len(rows), 4), np.nan)
    centres = face_squares(points_of(dataset.table.iloc[rows], scheme), scheme, scale=1)[:, :2]
    for i, (row, centre) in enumerate(zip(rows, centres)):
        boxes = detector(dataset.image(row), dataset.table["image"].iloc[row]).boxes
        boxes = boxes[((boxes[:, :2] < centre) & (centre < boxes[:, 2:])).all(axis=1)]
        if len(boxes):
            distances = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - centre, axis=1)
            matched[i] = boxes[distances.argmin()]
    return matched


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a detector's box rule on a dataset's training faces.")
    parser.add_argument("data", help="dataset: its archive, folder or prepared folder")
    parser.add_argument("detector", help="as for `landmarks annotate`")
    parser.add_argument("--scheme", choices=sorted(SCHEMES), default="points_5")
    parser.add_argument("--faces", type=int, default=1500, help="how many, drawn with a fixed seed")
    arguments = parser.parse_args()

    scheme, dataset = SCHEMES[arguments.scheme], read_dataset(arguments.data)
    given = dataset.table[scheme.name].notna() & (dataset.table["split"] == "train")
    rows = np.random.default_rng(0).permutation(np.flatnonzero(given))[: arguments.faces]
    boxes = match_boxes(create_detector(arguments.detector), dataset, rows, scheme)
    found = ~np.isnan(boxes).any(axis=1)
    boxes, points = boxes[found], points_of(dataset.table.iloc[rows[found]], scheme)
    rule = fit_rule(boxes, points, scheme)
    # What the rule leaves, in units of the extent.
    offsets = box_offsets(boxes, points, scheme)
    extent = np.exp(np.median(offsets[:, 2]))
    rest = (offsets - [0, rule.shift_y, np.log(extent)]) / [extent, extent, 1]
    print(f"{rule}\nfound {found.mean():.1%} of {len(rows)} faces")
    for name, values in zip(("x", "y", "log scale"), rest.T):
        low, middle, high = np.percentile(values, [2.5, 50, 97.5])
        print(f"{name:9} std {values.std():.3f}, median {middle:+.3f}, 95 % within {low:+.3f} to {high:+.3f}")


if __name__ == "__main__":
    main()
