"""What a tool's export says of images, whatever the tool."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from landmarks.corrections.correction import Box, Point
from landmarks.formats.layout import Layout
from landmarks.schemes import LARGEST, UNCERTAIN, Attribute

Said = Optional[str | float]
"""What a tool says of a task: a label or a number, perhaps a number as text; None: that there is none."""


def said(value: Said) -> Said:
    """The same as a correction has it: None for an empty label, and for what we told as uncertain."""
    return None if value in (None, "", UNCERTAIN) else value


@dataclass
class ExportedFace:
    """A face, in the pixels of the run's files, pixel centres at integers."""

    box: Box | None = None
    points: dict[str, Point] = field(default_factory=dict)
    """The landmarks that the export holds; None: it says that one cannot be told."""
    attributes: dict[str, Said] = field(default_factory=dict)
    """The attributes and quantities that it speaks of, and perhaps other things; None: without a label or a number."""
    number: int | None = None
    """The number that the run gave the face, where the tool keeps it."""


@dataclass
class ExportedImage:
    """An image with all its faces."""

    names: tuple[str, ...]
    """What the tool calls it, the surest name first."""
    faces: list[ExportedFace] = field(default_factory=list)
    submitted: bool = False
    """Whether the tool says that a person has looked at all of it."""
    looked_at: bool = True
    """False for an image that the export holds, but that nobody has annotated there: it says nothing."""


@dataclass(frozen=True)
class Export:
    """The images of one file."""

    tool: str
    images: list[ExportedImage]


def box_of(x0: float, y0: float, x1: float, y1: float) -> Box | None:
    """A box; None for one without an area."""
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def around(points: dict[str, Point]) -> Box | None:
    """The extent of landmarks."""
    known = [point for point in points.values() if point is not None]
    if not known:
        return None
    xs, ys = zip(*known)
    return box_of(min(xs), min(ys), max(xs), max(ys))


def holds(box: Box, point: Point) -> bool:
    """Whether a point lies in a box."""
    return point is not None and box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def values_of(face: ExportedFace, layout: Layout) -> tuple[dict[str, str | None], dict[str, float | None], list[str]]:
    """What the export says of a run's attributes and quantities, and in words what it says that cannot be: labels that
    the run does not know, and numbers that are none."""
    labels: dict[str, str | None] = {}
    numbers: dict[str, float | None] = {}
    wrong = []
    for task, value in face.attributes.items():
        try:
            if task in layout.quantities:
                numbers[task] = None if value is None else _number(value)
            elif task in layout.attributes:
                labels[task] = None if value is None else _label(value, layout.attribute(task))
        except (ValueError, TypeError, OverflowError):
            wrong.append(f"{task} {str(value)[:40]!r}")
    return labels, numbers, wrong


def _label(value: str | float, attribute: Attribute) -> str:
    if value not in attribute.labels:
        raise ValueError(f"{attribute.name} has no such label")
    return str(value)


def _number(value: str | float) -> float:
    """Tools keep numbers as such or as text."""
    number = float(value)
    if isinstance(value, bool) or not abs(number) <= LARGEST:  # NaN is not
        raise ValueError("it is no number")
    return number
