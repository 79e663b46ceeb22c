"""Faces drawn by the tests: no dataset is needed to run them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from landmarks.models.config import NetworkConfig

SHARED = Path(__file__).resolve().parents[3] / "shared"
SAMPLES = Path(__file__).resolve().parents[2] / "data" / "samples"
MTFL_LINE = "{image} {x} {y} {gender} {smile} {glasses} {pose}"


def draw_face(seed: int, size: int = 160) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """A cartoon: (size, size, 3) uint8 RGB, its 5 points (5, 2) and its labels."""
    generator = np.random.default_rng(seed)
    image = np.full((size, size, 3), generator.integers(40, 120, 3), np.uint8)
    centre, unit = size / 2 + generator.uniform(-8, 8, 2), size * generator.uniform(0.10, 0.13)
    offsets = np.array([[-1, -1], [1, -1], [0, 0.2], [-0.8, 1.2], [0.8, 1.2]])
    points = centre + unit * offsets
    labels = {name: int(generator.integers(2)) for name in ("smile", "glasses", "gender")} | {"pose": 2}
    skin = (230, 180, 150) if labels["gender"] else (150, 100, 80)
    cv2.ellipse(image, _at(centre), _at((2.1 * unit, 2.9 * unit)), 0, 0, 360, skin, -1, cv2.LINE_AA)
    for eye in points[:2]:
        cv2.circle(image, _at(eye), int(unit * 0.3), (20, 20, 60), -1, cv2.LINE_AA)
        if labels["glasses"]:
            cv2.circle(image, _at(eye), int(unit * 0.7), (0, 0, 0), 2, cv2.LINE_AA)
    cv2.circle(image, _at(points[2]), int(unit * 0.25), (200, 60, 60), -1, cv2.LINE_AA)
    sag = unit * (0.6 if labels["smile"] else 0.0)
    mouth = np.array([points[3], points.mean(axis=0) * [1, 0] + [0, points[3, 1] + sag], points[4]])
    cv2.polylines(image, [np.round(mouth).astype(np.int32)], False, (150, 20, 20), 3, cv2.LINE_AA)
    return image, points, labels


def _at(point) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def write_png(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    return path


def mtfl_line(image: str, points: np.ndarray, labels: dict[str, int]) -> str:
    """A line as MTFL writes it: x1..x5 y1..y5 counted from 1, then 1/2 codes and pose 1..5."""
    x, y = (" ".join(f"{v:.6f}" for v in axis) for axis in points.T + 1)
    codes = {name: 1 if labels[name] else 2 for name in ("gender", "smile", "glasses")}
    return MTFL_LINE.format(image=image, x=x, y=y, pose=labels["pose"] + 1, **codes)


SMALL = NetworkConfig(input_size=48, features=64, width=0.5)


def shared(name: str) -> Path:
    """A file of the shared data; the test skips where there is none."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"needs {name}, which is research data and not part of this project")
    return path
