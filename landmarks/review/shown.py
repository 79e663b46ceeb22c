"""What the page shows of a face: how it is labelled, what the run found of it, and why it is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from landmarks.corrections import Corrected
from landmarks.corrections.correction import Point
from landmarks.formats.doubts import reasons
from landmarks.review.run import Run


class Shown:
    """The faces of a run as the page takes them."""

    def __init__(self, run: Run, tasks: Sequence[str] | None = None) -> None:
        """tasks: the attributes and quantities that are shown; None for all."""
        self.run = run
        self.attributes = [name for name in run.layout.attributes if tasks is None or name in tasks]
        self.quantities = [name for name in run.layout.quantities if tasks is None or name in tasks]

    def labels(self, said: Corrected | None, row: int | None) -> dict[str, Any]:
        """Box, landmarks, attributes and quantities of a face as they stand; what nobody spoke of, as the run found it.

        said: what was said of the face; row: in the run, None for an added face. `unsaid` are the attributes and
        quantities of which the line that labels the face does not speak; none if there is no such line.
        """
        labels = self.nothing() if row is None else self.found(row)
        if said is None or said.labels is None:
            return labels | {"unsaid": []}
        line = said.labels
        told = {name: {"label": line.attributes[name]} for name in self.attributes if name in line.attributes}
        numbers = {name: line.quantities[name] for name in self.quantities if name in line.quantities}
        return {
            "box": line.box,
            "points": _lists(line.points.values()),
            "attributes": labels["attributes"] | told,
            "quantities": labels["quantities"] | numbers,
            "unsaid": [name for name in (*self.attributes, *self.quantities) if name not in told | numbers],
        }

    def nothing(self) -> dict[str, Any]:
        """Box, landmarks, attributes and quantities of a face of which nothing is known."""
        attributes = {name: {"label": None} for name in self.attributes}
        points = [None] * len(self.run.layout.scheme)
        return {"box": None, "points": points, "attributes": attributes, "quantities": dict.fromkeys(self.quantities)}

    def found(self, row: int) -> dict[str, Any]:
        """Box, landmarks, attributes and quantities of a face as the run found it."""
        attributes = {}
        for name in self.attributes:
            scores = self.run.faces.attributes[name]
            probability, label = float(scores.confidence[row]), scores.labels[row].item()
            known = np.isfinite(probability)
            attributes[name] = {"label": label, "probability": round(probability, 3)} if known else {"label": None}
        values = {name: self.run.faces.quantities[name].values[row] for name in self.quantities}
        quantities = {name: plain_value(value) for name, value in values.items()}
        return {"box": self.box(row), "points": self._points(row), "attributes": attributes, "quantities": quantities}

    def box(self, row: int) -> Sequence[float] | None:
        """The box of a face as the run found it, or that around its landmarks; None if it has neither."""
        return self.run.found(row) or _extent(self._points(row))

    def doubt(self, image: int, row: int | None, added: bool) -> dict[str, Any]:
        """How doubtful a face of an image is, and why. row: see `labels`; added: whether a person has added it."""
        if row is None:
            return {"doubt": None, "quality": None, "reasons": ["added by hand"] if added else []}
        face = self.run.faces[row]
        shown = replace(face, attributes={name: face.attributes[name] for name in self.attributes})
        quality = self.run.faces.quality
        known = quality is not None and np.isfinite(quality[row])
        return {
            "doubt": round(float(self.run.doubt[row]), 4),
            "quality": round(float(quality[row]), 4) if quality is not None and known else None,
            "reasons": reasons(shown, self.run.sizes[image][None])[0],
        }

    def _points(self, row: int) -> list[list[float] | None]:
        points = self.run.faces.points[row].astype(float).round(4).tolist()
        return [point if np.isfinite(point).all() else None for point in points]


def plain_value(value: np.float32) -> float | None:
    """The shortest number that is this one in 32 bits; None for one that is not finite."""
    return float(str(value)) if np.isfinite(value) else None


def _extent(points: list[list[float] | None]) -> list[float] | None:
    """The box around landmarks; None if fewer than two are known."""
    known = np.array([point for point in points if point is not None])
    if len(known) < 2 or not np.ptp(known, axis=0).all():
        return None
    return [*known.min(axis=0).tolist(), *known.max(axis=0).tolist()]


def _lists(points: Iterable[Point]) -> list[list[float] | None]:
    return [None if point is None else list(point) for point in points]
