"""Comparisons without any dataset, on faces that are drawn for them: one of about two minutes, and a larger one."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from landmarks.atomic import Lock
from landmarks.comparison.grid.arms import CASCADE, DEFAULT_GROUPS, MAIN, Arm, Grid, Group
from landmarks.comparison.run import LOCK
from landmarks.datasets.dataset import prepare, read_dataset
from landmarks.datasets.readers.custom import NAME
from landmarks.schemes import ATTRIBUTES, POINTS_5

SIZE = 112
FACES = {"train": 400, "val": 80, "test": 120}
quick = partial(
    Arm,
    auxiliary_weight=1.0,
    epochs=24,
    batch_size=16,
    seeds=2,
    learning_rate=3e-3,
    crop_scale=3.2,
    precision="float32",
)
"""Arms of the example; the scale is that of the drawings, which are taken whole. Processors without instructions for
bfloat16 take almost four times as long with it."""
_ALL = Grid(
    (
        quick("landmarks only", tasks=(MAIN,)),
        *(quick(f"+ {name}", tasks=(MAIN, name)) for name in ATTRIBUTES),
        quick("all"),
        quick("soft sharing", group="sharing", tasks=(MAIN, "pose"), sharing="l2", strength=1e-3),
        quick("cascaded", group=CASCADE, network=CASCADE, tasks=(MAIN,), epochs=8),
    ),
    reference="landmarks only",
    groups={
        **DEFAULT_GROUPS,
        "sharing": Group("How much should the tasks share?", "A tower a task.", "sharing", "+ pose", "hard sharing"),
        CASCADE: Group("And the cascaded CNN?", "Three levels of networks.", "levels"),
    },
)
EXAMPLE = _ALL.without(["+ smile", "+ glasses", "+ gender", "soft sharing", "cascaded"])
"""The shorter one: what a reader asks first."""
FULL = Grid(tuple(replace(arm, epochs=2 * arm.epochs, seeds=3) for arm in _ALL.arms), _ALL.reference, _ALL.groups)
"""The larger one."""


def prepared_faces(out: Path) -> Path:
    """The example's faces, drawn and cropped for training, in a comparison's folder; they are made where they are not.

    Raises LandmarksError if another comparison is running there.
    """
    prepared = out / "prepared"
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out / LOCK):
        if not prepared.is_dir():
            draw_faces(out / "faces")
            prepare(read_dataset(out / "faces"), prepared)
    return prepared


def draw_faces(folder: Path) -> None:
    """Write a dataset of drawn faces in the layout of one's own data: pictures and `faces.csv`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{point}_{axis}" for point in POINTS_5.points for axis in "xy"]
    with open(folder / NAME, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "split", "source", *names, *ATTRIBUTES])
        number = 0
        for split, count in FACES.items():
            for _ in range(count):
                picture, points, labels = draw_face(number)
                cv2.imwrite(str(folder / f"{number:04}.png"), picture[..., ::-1])
                cells = [f"{value:.2f}" for value in points.ravel()]
                writer.writerow([f"{number:04}.png", split, "drawn", *cells, *labels.values()])
                number += 1


def draw_face(seed: int) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """A drawn face whose labels can be seen: (SIZE, SIZE, 3) uint8 RGB, its points (5, 2) in pixels, its labels."""
    generator = np.random.default_rng(seed)
    labels = {name: int(generator.integers(len(attribute))) for name, attribute in ATTRIBUTES.items()}
    unit = SIZE * generator.uniform(0.13, 0.17)
    turn = (labels["pose"] - 2) * 0.3 + generator.normal(0, 0.08)
    narrow = 1 - 0.35 * abs(turn)
    smile = 0.35 if labels["smile"] else 0.0
    offsets = np.array([[-1, -0.9], [1, -0.9], [0, 0.1], [-0.75 - smile / 2, 1.1], [0.75 + smile / 2, 1.1]])
    offsets += generator.normal(0, 0.06, offsets.shape)
    offsets = offsets * [narrow, 1] + [turn, 0]
    offsets[2, 0] += 0.5 * turn
    angle = generator.normal(0, 0.15)
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre = SIZE / 2 + generator.normal(0, SIZE * 0.03, 2)
    place = lambda offset: centre + unit * np.asarray(offset) @ rotation  # noqa: E731
    points = place(offsets)
    picture = np.full((SIZE, SIZE, 3), generator.integers(20, 120, 3), np.uint8)
    skin = tuple(int(v) for v in generator.integers(130, 230, 3))
    hair = (60, 40, 30)
    if not labels["gender"]:  # long hair stands for one class, a beard for the other, so that there is something to see
        _ellipse(picture, place([0, 0]), (2.3 * unit, 3.0 * unit), angle, hair)
    _ellipse(picture, place([0, 0.1]), (1.9 * unit, 2.6 * unit), angle, skin)
    if labels["gender"]:
        _ellipse(picture, place([turn * 0.5, 1.9]), (0.9 * unit, 0.6 * unit), angle, hair)
    for eye in points[:2]:
        _ellipse(picture, eye, (0.35 * unit, 0.2 * unit), angle, (250, 250, 250))
        _ellipse(picture, eye, (0.15 * unit, 0.15 * unit), angle, (30, 30, 60))
        if labels["glasses"]:
            cv2.circle(picture, _at(eye), int(0.6 * unit), (10, 10, 10), 2, cv2.LINE_AA)
    cv2.line(picture, _at(place([turn, -0.6])), _at(points[2]), tuple(v // 2 for v in skin), 2, cv2.LINE_AA)
    bend = (points[3] + points[4]) / 2 + unit * np.array([0, smile * 1.5]) @ rotation
    cv2.polylines(picture, [np.round([points[3], bend, points[4]]).astype(np.int32)], False, (150, 30, 40), 2)
    noise = generator.normal(0, 8, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8), points, labels


def _ellipse(
    picture: np.ndarray, centre: np.ndarray, axes: tuple[float, float], angle: float, colour: tuple[int, ...]
) -> None:
    size = (max(1, round(axes[0])), max(1, round(axes[1])))
    cv2.ellipse(picture, _at(centre), size, -np.degrees(angle), 0, 360, colour, -1, cv2.LINE_AA)


def _at(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
