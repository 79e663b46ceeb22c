"""Faces as plain Python values, one by one, for the formats that are not tables."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from itertools import islice
from typing import Any, Optional

import numpy as np

from landmarks.faces import PER_FACE, PER_POINT, WHOLE, Faces
from landmarks.geometry import BOX

DECIMALS = 4
"""Of every number in a text format, unless the format says otherwise: far below what a pixel or probability means."""
Plain = Optional[float]
"""A number, or None where there is none."""


@dataclass
class PlainFace:
    """One face in plain Python values, rounded; None is a number that does not exist."""

    points: dict[str, list[Plain]]
    """x and y of each landmark."""
    box: list[Plain] | None = None
    """x0, y0, x1, y1; None where the format does not hold boxes."""
    numbers: dict[str, Plain] = dataclasses.field(default_factory=dict)
    """By column: the numbers of the face."""
    point_numbers: dict[str, dict[str, Plain]] = dataclasses.field(default_factory=dict)
    """By column: landmark -> number."""
    labels: dict[str, tuple[str | None, Plain]] = dataclasses.field(default_factory=dict)
    """By attribute: the label and its probability."""
    classes: dict[str, list[Plain]] = dataclasses.field(default_factory=dict)
    """By attribute: the probability of every class."""
    quantities: dict[str, Plain] = dataclasses.field(default_factory=dict)
    """By name: the number, in the quantity's unit."""

    def row(self, image: str, index: int) -> dict[str, Any]:
        """The face as a row of the table of faces."""
        row: dict[str, Any] = {"image": image, "face": index}
        if self.box is not None:
            row.update(zip(BOX, self.box))
        row.update(self.numbers)
        for name, (x, y) in self.points.items():
            row[f"{name}_x"], row[f"{name}_y"] = x, y
            for column, values in self.point_numbers.items():
                row[f"{name}_{column}"] = values.get(name)
        for name, (label, probability) in self.labels.items():
            row[name], row[f"{name}_probability"] = label, probability
        row.update(self.quantities)
        return row


def plain_faces(faces: Faces, decimals: int = DECIMALS) -> list[PlainFace]:
    """The faces of a result, one by one."""
    count = len(faces)
    if not count:
        return []
    names, of_face, of_points = faces.scheme.points, faces.numbers(PER_FACE), faces.numbers(PER_POINT)
    # All numbers in one array, (N, ...): rounding many small ones takes several times as long.
    parts = [faces.boxes, faces.points.reshape(count, -1)]
    parts += [values[:, None] for values in of_face.values()]
    parts += of_points.values()
    parts += [scores.probabilities for scores in faces.attributes.values()]
    parts += [quantity.values[:, None] for quantity in faces.quantities.values()]
    chosen = {name: scores.indices.tolist() for name, scores in faces.attributes.items()}
    texts = {name: scores.labels.tolist() for name, scores in faces.attributes.items()}
    found = []
    for i, row in enumerate(plain(np.concatenate(parts, axis=1), decimals)):
        rest = iter(row)
        box = list(islice(rest, len(BOX)))
        points = {name: [next(rest), next(rest)] for name in names}
        numbers = {column: next(rest) for column in of_face}
        numbers.update({column: int(numbers[column]) for column in WHOLE if numbers.get(column) is not None})
        point_numbers = {column: dict(zip(names, islice(rest, len(names)))) for column in of_points}
        classes = {name: list(islice(rest, len(scores.attribute))) for name, scores in faces.attributes.items()}
        quantities = {name: next(rest) for name in faces.quantities}
        labels: dict[str, tuple[str | None, Plain]] = {}
        for name, probabilities in classes.items():
            probability = probabilities[chosen[name][i]]
            labels[name] = (None if probability is None else texts[name][i], probability)
        found.append(PlainFace(points, box, numbers, point_numbers, labels, classes, quantities))
    return found


def plain(array: np.ndarray, decimals: int | None = DECIMALS) -> list[Any]:
    """An array as nested lists of Python floats; None for what is not finite. decimals: None keeps them all."""
    values = array.astype(np.float64)
    if decimals is not None:
        values = values.round(decimals)
    if not math.isfinite(values.sum()):  # One look at all of them is enough in nearly every case.
        finite = np.isfinite(values)
        values = values.astype(object)
        values[~finite] = None
    return values.tolist()
