"""One correction: what a person said of one face, as a value and as a line of JSON."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Optional

from landmarks.errors import DataError
from landmarks.geometry import BOX
from landmarks.schemes import LARGEST, SCHEMES, Scheme

VERSION = 2
"""Of the lines; raised when an older reader would take one for something else."""
WITHOUT_QUANTITIES = 1
"""The version of a line that speaks of no quantity, which older readers read as well."""
ACCEPT, CORRECT, ADD, REMOVE, PUT_OFF, UNDO = "accept", "correct", "add", "remove", "put off", "undo"
KINDS = (ACCEPT, CORRECT, ADD, REMOVE, PUT_OFF, UNDO)
LABELLED = (ACCEPT, CORRECT, ADD, PUT_OFF)
"""Kinds whose lines say how the face is labelled from then on: box, landmarks, attributes and quantities."""
DECIMALS = 4
MOST = 1 << 16
"""Characters of a line: a face of 98 landmarks takes 4,000."""

_ID = re.compile(r"[0-9a-z]{8,64}")
_POINTS = {scheme.points: scheme for scheme in SCHEMES.values()}

Box = tuple[float, float, float, float]
Point = Optional[tuple[float, float]]
"""x and y; None for a landmark that is not labelled."""


@dataclass(frozen=True)
class Correction:
    """What a person said of one face. Coordinates are pixels of the upright image, pixel centres at integers."""

    kind: str
    """One of KINDS."""
    image: str
    """Name of the image in the run."""
    face: str
    """Of the image's faces, which: the number that the run gave it; of an added face a name that its maker chose."""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of this line, chosen by whoever sends it: a line that is sent again is known by it."""
    found: Box | None = None
    """The box that the run gave the face; it is known by it when a later run numbers its faces otherwise. None for an
    added face, and where the run has no boxes."""
    box: Box | None = None
    """The box from now on; like the following of LABELLED kinds alone."""
    points: dict[str, Point] = field(default_factory=dict)
    """Every landmark of the run's scheme, in order."""
    attributes: dict[str, str | None] = field(default_factory=dict)
    """The label of every attribute of the run; None if nobody can tell. What a run knows, `Layout` says."""
    quantities: dict[str, float | None] = field(default_factory=dict)
    """The value of every quantity of the run, in its unit; None if nobody can tell. Lines of version 1 have none."""
    undoes: str = ""
    """The id of the line that an `undo` takes back."""
    who: str = ""
    time: str = ""
    """ISO 8601, UTC."""
    via: str = "review"
    """Where it was said: `review`, or the tool that it was brought back from."""

    def __post_init__(self) -> None:
        """Raises DataError for what cannot be meant."""
        for name in ("kind", "image", "face", "id", "undoes", "who", "time", "via"):
            if not isinstance(getattr(self, name), str):
                raise DataError(f"{name} must be text, not {getattr(self, name)!r}")
        if self.kind not in KINDS:
            raise DataError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.image or not self.face or len(self.face) > 80:
            raise DataError("image and face must be named, a face with at most 80 characters")
        if not _ID.fullmatch(self.id):
            raise DataError("id must be 8 to 64 digits and small letters")
        if (self.kind == UNDO) != bool(self.undoes):
            raise DataError("an undo, and nothing else, names the line that it undoes")
        if self.kind in LABELLED:
            _check_labels(self.points, self.attributes)
            _check_quantities(self.quantities)
            if self.kind == ADD and self.box is None:
                raise DataError("an added face needs a box")

    @property
    def scheme(self) -> Scheme:
        """Of the landmarks of a LABELLED kind."""
        return _POINTS[tuple(self.points)]

    def line(self) -> str:
        """JSON, without a line end."""
        version = VERSION if self.quantities else WITHOUT_QUANTITIES
        document: dict[str, Any] = {"v": version, "id": self.id, "time": self.time, "who": self.who, "via": self.via}
        document |= {"kind": self.kind, "image": self.image, "face": self.face}
        document |= {"found": self.found} if self.found else {}
        if self.kind in LABELLED:
            document |= {"box": self.box, "points": self.points, "attributes": self.attributes}
            document |= {"quantities": self.quantities} if self.quantities else {}
        if self.undoes:
            document["undoes"] = self.undoes
        return json.dumps(document, allow_nan=False, separators=(",", ":"))


def correction_from(document: Any) -> Correction:
    """A correction of what JSON holds, coordinates rounded; the inverse of `Correction.line`. Raises DataError."""
    if not isinstance(document, dict):
        raise DataError("a correction is a JSON object")
    if document.get("v") not in (WITHOUT_QUANTITIES, VERSION):
        raise DataError(f"it has version {document.get('v')!r}, not {VERSION}; it was written by another release")
    known = {name: document[name] for name in Correction.__dataclass_fields__ if name in document}
    try:
        for name in ("found", "box"):
            if known.get(name) is not None:
                known[name] = checked_box(known[name])
        if "points" in known:
            known["points"] = {name: _point(value) for name, value in dict(known["points"]).items()}
        return Correction(**known)
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"it is not a correction ({error})") from error


def now() -> str:
    """The time for a line."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def checked_box(values: Any) -> Box:
    """x0 < x1, y0 < y1, finite, rounded. Raises DataError."""
    numbers = [_number(value) for value in values]
    if len(numbers) != len(BOX) or numbers[0] >= numbers[2] or numbers[1] >= numbers[3]:
        raise DataError(f"a box is x0, y0, x1, y1 with x0 < x1 and y0 < y1, not {values!r}")
    return numbers[0], numbers[1], numbers[2], numbers[3]


def _point(value: Any) -> Point:
    if value is None:
        return None
    x, y = value
    return _number(x), _number(y)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e7:  # NaN is not
        raise DataError(f"a coordinate must be a number of pixels, not {value!r}")
    return round(float(value), DECIMALS)


def _check_labels(points: dict[str, Point], attributes: dict[str, str | None]) -> None:
    if tuple(points) not in _POINTS:
        raise DataError(f"the landmarks must be those of a scheme ({', '.join(SCHEMES)}), in its order")
    if not isinstance(attributes, dict):
        raise DataError("attributes are an object")
    for name, label in attributes.items():
        if label is not None and not isinstance(label, str):
            raise DataError(f"{name} must be a label or null, not {label!r}")


def _check_quantities(quantities: dict[str, float | None]) -> None:
    if not isinstance(quantities, dict):
        raise DataError("quantities are an object")
    for name, value in quantities.items():
        if value is not None and not _is_quantity(value):
            raise DataError(f"{name} must be a number from -{LARGEST:g} to {LARGEST:g}, or null, not {value!r}")


def _is_quantity(value: Any) -> bool:
    # NaN is not between the two; True would be a number to Python.
    return not isinstance(value, bool) and isinstance(value, (int, float)) and -LARGEST <= value <= LARGEST
