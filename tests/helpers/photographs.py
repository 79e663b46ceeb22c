"""Photographs with boxes, drawn by the tests."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.faces import draw_face, write_png

COLUMNS = ["image", "split", "x0", "y0", "x1", "y1"]


def drawn_box(points: np.ndarray) -> np.ndarray:
    """The box (4,) of a face of `draw_face`, from its points (5, 2): around the ellipse that is its skin."""
    unit = (points[1, 0] - points[0, 0]) / 2
    centre = points[:2].mean(axis=0) + np.array([0, unit])
    return np.concatenate([centre - unit * np.array([2.1, 2.9]), centre + unit * np.array([2.1, 2.9])])


def draw_scene(seed: int, faces: int = 3, size: int = 240) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture (size, size, 3) uint8 RGB with up to `faces` small faces, their boxes (N, 4) and points (N, 5, 2)."""
    generator = np.random.default_rng(seed)
    scene = np.full((size, size, 3), generator.integers(40, 120, 3), np.uint8)
    boxes, points = [], []
    for place in generator.permutation(9)[:faces]:
        cell = size // 3
        side = int(generator.integers(cell // 2, cell))
        face, found, _ = draw_face(seed * 10 + int(place), 160)
        corner = np.array([place % 3, place // 3]) * cell
        scene[corner[1] : corner[1] + side, corner[0] : corner[0] + side] = cv2.resize(
            face, (side, side), interpolation=cv2.INTER_AREA
        )
        zoom = side / 160
        points.append((found + 0.5) * zoom - 0.5 + corner)
        boxes.append((drawn_box(found) + 0.5) * zoom - 0.5 + np.tile(corner, 2))
    return scene, np.reshape(boxes, (-1, 4)), np.reshape(points, (-1, 5, 2))


def photographs(root: Path, scenes: int = 4, portraits: int = 4, empty: int = 1, val: int = 1) -> Path:
    """A folder with drawn photographs and their `faces.csv`; the last `val` scenes are for validation."""
    from landmarks.datasets.photographs import POINTS

    rows: list[list[object]] = []
    for i in range(scenes):
        scene, boxes, points = draw_scene(i)
        write_png(root / f"scene{i}.png", scene)
        split = "val" if i >= scenes - val else "train"
        rows += [[f"scene{i}.png", split, *box.round(2), *p.ravel().round(2)] for box, p in zip(boxes, points)]
    for i in range(portraits):
        face, points, _ = draw_face(100 + i)
        write_png(root / f"portrait{i}.png", face)
        rows.append([f"portrait{i}.png", "train", *drawn_box(points).round(2), *points.ravel().round(2)])
    for i in range(empty):
        write_png(root / f"empty{i}.png", draw_scene(i, faces=0)[0])
        rows.append([f"empty{i}.png", "train", *[""] * 14])
    with open(root / "faces.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([[*COLUMNS, *POINTS], *rows])
    return root
