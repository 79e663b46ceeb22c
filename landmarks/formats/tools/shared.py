"""What the formats of annotation tools share: lines between landmarks, pixel edges, streamed JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from landmarks.errors import DataError
from landmarks.formats.plain import DECIMALS, Plain
from landmarks.geometry import BOX
from landmarks.schemes import POINTS_5, Scheme

EDGE = 0.5
"""Tools count from the corner of an image, where its first pixel begins; we count from that pixel's centre."""
CATEGORY = "face"
_LINES_5 = ((0, 1), (0, 2), (1, 2), (2, 3), (2, 4), (3, 4))


def edges(scheme: Scheme) -> list[tuple[int, int]]:
    """Pairs of landmarks that a line joins, counted from 0."""
    if scheme is POINTS_5:
        return list(_LINES_5)
    return [pair for chain in scheme.chains for pair in pairwise(chain)]


def from_corner(values: list[Plain], decimals: int = DECIMALS) -> list[Plain]:
    """Coordinates with pixel centres at integers -> measured from the image's corner."""
    return [None if v is None else round(v + EDGE, decimals) for v in values]


def to_centres(values: list[Plain]) -> list[Plain]:
    """The inverse of `from_corner`."""
    return [None if v is None else v - EDGE for v in values]


def in_image(x: Plain, y: Plain, width: int, height: int) -> bool:
    """Whether a landmark lies in the image, its border included. Tools take one outside for an error."""
    return x is not None and y is not None and 0 <= x + EDGE <= width and 0 <= y + EDGE <= height


def box_in_image(box: list[Plain] | None, width: int, height: int) -> list[float]:
    """What of a box lies in the image, x0, y0, x1, y1 as `box_or_zero` gives them."""
    return [min(max(v, 0.0), float(side)) for v, side in zip(box_or_zero(box), (width, height, width, height))]


def box_or_zero(box: list[Plain] | None) -> list[float]:
    """x0, y0, x1, y1 measured from the image's corner; zeros for a box that is not finite, since tools need numbers."""
    corners = from_corner(box or [None] * len(BOX))
    return [0.0] * 4 if None in corners else [v for v in corners if v is not None]


def json_text(value: Any) -> str:
    """Compact JSON without NaN."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def read_json(path: Path, wanted: type) -> Any:
    """A JSON document that is a `wanted`. Raises DataError."""
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as JSON ({error})") from error
    if not isinstance(document, wanted):
        raise DataError(f"{path}: holds a {type(document).__name__}, not a {wanted.__name__}")
    return document


def joined(first: str = "", between: str = ",\n") -> Iterator[str]:
    """What to write before the first, the second, ... of the items of a JSON array."""
    yield first
    while True:
        yield between
