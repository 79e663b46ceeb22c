"""What a tool's export says of images, whatever the tool."""

from __future__ import annotations

from dataclasses import dataclass, field

from landmarks.corrections.correction import Box, Point
from landmarks.schemes import UNCERTAIN


def said(label: str | None) -> str | None:
    """The label of an attribute as a correction has it: None for an empty one, and for what we told as uncertain."""
    return None if label in (None, "", UNCERTAIN) else label


@dataclass
class ExportedFace:
    """A face, in the pixels of the run's files, pixel centres at integers."""

    box: Box | None = None
    points: dict[str, Point] = field(default_factory=dict)
    """The landmarks that the export holds; None: it says that one cannot be told."""
    attributes: dict[str, str | None] = field(default_factory=dict)
    """The attributes that it speaks of; None: without a label."""
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
