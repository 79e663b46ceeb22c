"""Finished runs over drawn faces, without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landmarks.faces import Faces
from landmarks.record import Record
from landmarks.schemes import Declared, known_attributes, known_quantities
from landmarks.scores import AttributeScores, QuantityValues
from tests.helpers.faces import draw_face, write_png
from tests.helpers.photographs import drawn_box
from tests.helpers.results import write

SIZE = 160
NAMES = ("a.png", "sub/<img src=x onerror=alert(1)>.png", "c.png", "=d & e.png")
"""Of the images; a name of a file may hold anything."""


@dataclass(frozen=True)
class DrawnRun:
    """A run, and what it should have found."""

    path: Path
    photos: Path
    points: dict[str, np.ndarray]
    """By image: (5, 2), where the landmarks are; the run has the nose 8 pixels too far to the right."""


def make_run(
    root: Path,
    names: Sequence[str] = NAMES,
    formats: Sequence[str] = ("csv",),
    empty: Sequence[str] = ("none.png",),
    size: int = SIZE,
    declared: Sequence[Declared] = (),
) -> DrawnRun:
    """A run with one face an image, the first one the most doubtful; `empty`: images in which it found none; declared:
    attributes of its own, of which every face has the first label, and quantities, of which the i-th face has
    i + 1.2345678."""
    photos, truth, records = root / "photos", {}, []
    known = known_attributes(declared)
    for i, name in enumerate(names):
        image, points, labels = draw_face(i, size)
        write_png(photos / name, image)
        truth[name] = points
        scores = {}
        for task, attribute in known.items():
            chances = np.full((1, len(attribute)), 0.2 / (len(attribute) - 1), np.float32)
            chances[0, labels.get(task, 0)] = 0.8
            scores[task] = AttributeScores(attribute, chances)
        found = points + np.array([[0, 0], [0, 0], [8, 0], [0, 0], [0, 0]])
        faces = Faces(
            drawn_box(points)[None], found[None], np.array([0.9]), scores,
            quantities=_quantities(declared, i), point_errors=np.full((1, 5), 0.05),
            quality=np.array([(i + 1) / (len(names) + 1)]),
        )  # fmt: skip
        records.append(Record(name, "ok", faces, width=size, height=size))
    for name in empty:
        write_png(photos / name, np.full((40, 60, 3), 90, np.uint8))
        records.append(Record(name, "no_face", records[0].faces[:0], width=60, height=40))
    write(root / "run", records, formats)
    named = {"sources": [str(photos)], "recursive": True, "every": 1, "folder": "/"}
    document = {"settings": {"max_pixels": 10**8}, "results": {}, "starts": [{"command": [], "named": named}]}
    (root / "run" / "run.json").write_text(json.dumps(document))
    return DrawnRun(root / "run", photos, truth)


def _quantities(declared: Sequence[Declared], i: int) -> dict[str, QuantityValues]:
    value = np.array([i + 1.2345678], np.float32)
    return {name: QuantityValues(one, value) for name, one in known_quantities(declared).items()}
