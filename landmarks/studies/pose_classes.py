"""Whether yaw in degrees and the five classes of pose say the same.

    python -m landmarks.studies.pose_classes prepared/mtfl

prints, from the labelled five points of every prepared face, the yaw of the faces of each class, and the yaw that parts
each class from the next best with the balanced accuracy that it reaches. Of faces with 68 labelled points it prints
how far the angles of their five points lie from those of all.

With `--predicted NAME.faces.parquet`, what `landmarks evaluate --data prepared/mtfl --faces` wrote of some of these
faces, it also says how often the yaw of their predicted points falls into the labelled class, by boundaries from all
other faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from landmarks.datasets.dataset import load_crops
from landmarks.datasets.table import labels_of, points_of
from landmarks.evaluation.per_face import read_per_face
from landmarks.head_pose import head_angles
from landmarks.schemes import POINTS_5, POINTS_68, POSE


def boundary(yaw: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """yaw: (N,) degrees, right: (N,) bool, of the class further right -> the whole or half degree that parts the two
    best, and the balanced accuracy there."""
    cuts = np.arange(-90, 90, 0.5)
    below = yaw[:, None] < cuts
    accuracy = (below[~right].mean(axis=0) + 1 - below[right].mean(axis=0)) / 2
    return float(cuts[accuracy.argmax()]), float(accuracy.max())


def boundaries(yaw: np.ndarray, pose: np.ndarray) -> list[float]:
    """yaw: (N,) degrees, pose: (N,) classes from left to right, below 0 where unknown -> where each class ends, from
    the first to the last but one."""
    cuts = []
    for code in range(len(POSE.labels) - 1):
        two = (pose == code) | (pose == code + 1)
        cuts.append(boundary(yaw[two], pose[two] == code + 1)[0])
    return cuts


def recalls(yaw: np.ndarray, pose: np.ndarray, cuts: list[float]) -> np.ndarray:
    """(N,) degrees, (N,) classes, where classes end -> (C,) share of each class's faces whose yaw lies in it; NaN for a
    class without a face."""
    told = np.digitize(yaw, cuts)
    of = [told[pose == code] == code for code in range(len(cuts) + 1)]
    return np.array([right.mean() if len(right) else np.nan for right in of])


def apart(points: np.ndarray) -> np.ndarray:
    """points: (N, 68, 2) -> (3,) degrees: mean difference of yaw, pitch and roll of five points to those of all."""
    five = head_angles(POINTS_68.anchors(points), POINTS_5)
    difference = five - head_angles(points, POINTS_68)
    difference[:, 2] = (difference[:, 2] + 180) % 360 - 180  # Roll goes round.
    return np.nanmean(np.abs(difference), axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description="Yaw by class of pose; five points beside 68.")
    parser.add_argument("data", help="prepared folder with five points and pose, or with 68 points")
    parser.add_argument("--predicted", type=Path, help="NAME.faces.parquet of an evaluation on some of these faces")
    arguments = parser.parse_args()
    table = load_crops(arguments.data).table
    yaw = head_angles(points_of(table, POINTS_5), POINTS_5)[:, 0]
    pose = np.where(np.isfinite(yaw), labels_of(table, POSE), -1)
    if (pose >= 0).any():
        _print_classes(yaw, pose)
    if arguments.predicted:
        seen = read_per_face(arguments.predicted).table
        others = ~np.isin(np.arange(len(table)), seen["row"])
        predicted = head_angles(np.stack(list(seen[f"{POINTS_5.name}_predicted"])).astype(float), POINTS_5)[:, 0]
        of = recalls(predicted, pose[seen["row"]], boundaries(yaw[others], pose[others]))
        told = ", ".join(f"{label} {100 * share:.1f}" for label, share in zip(POSE.labels, of))
        mean = 100 * np.nanmean(of)
        print(f"class by the yaw of predicted points, {len(seen)} faces: balanced accuracy {mean:.1f} % ({told})")
    points = points_of(table, POINTS_68)
    points = points[np.isfinite(points).all(axis=(1, 2))]
    if len(points):
        angles = ", ".join(f"{name} {value:.1f}" for name, value in zip(("yaw", "pitch", "roll"), apart(points)))
        print(f"five points beside 68, {len(points)} faces, mean difference in degrees: {angles}")


def _print_classes(yaw: np.ndarray, pose: np.ndarray) -> None:
    for code, label in enumerate(POSE.labels):
        low, middle, high = np.percentile(yaw[pose == code], (5, 50, 95))
        print(f"{label}: {(pose == code).sum()} faces, yaw {middle:+.1f} (5 to 95 %: {low:+.1f} to {high:+.1f})")
    for code, (label, following) in enumerate(zip(POSE.labels, POSE.labels[1:])):
        two = (pose == code) | (pose == code + 1)
        cut, accuracy = boundary(yaw[two], pose[two] == code + 1)
        print(f"{label} | {following}: {cut:+.1f}, balanced accuracy {100 * accuracy:.1f} %")


if __name__ == "__main__":
    main()
