"""What the lines of corrections add up to. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from landmarks.corrections.correction import ACCEPT, ADD, CORRECT, LABELLED, PUT_OFF, REMOVE, UNDO, Box, Correction

ACCEPTED, CORRECTED, ADDED, REMOVED = "accepted", "corrected", "added", "removed"
UNSEEN = ""
"""Nobody has said anything of the face, or has taken it back."""
STATUSES = {ACCEPT: ACCEPTED, CORRECT: CORRECTED, ADD: ADDED, REMOVE: REMOVED, PUT_OFF: PUT_OFF}
TRUSTED = (ACCEPTED, CORRECTED, ADDED)
"""Faces whose labels a person vouches for."""
SAME = 0.5
"""Pixels by which the border of a box may differ from another's and it is the same box."""
LIKE = 0.5
"""Intersection over union from which on two boxes are taken for the same face."""

Key = tuple[str, str]
"""Image and face of a correction."""


@dataclass(frozen=True)
class Corrected:
    """One face after all that was said of it."""

    image: str
    face: str
    status: str = UNSEEN
    """A value of STATUSES, or UNSEEN."""
    labels: Correction | None = None
    """The line that says how it is labelled; None if none does."""
    found: Box | None = None
    """The box by which a run knows it."""
    lines: tuple[Correction, ...] = ()
    """What holds, undone lines left out."""
    version: int = 0
    """Number of all lines about it: whoever has seen this number has seen what is said here."""

    @property
    def last(self) -> Correction | None:
        """The line that holds."""
        return self.lines[-1] if self.lines else None


def fold(corrections: Iterable[Correction]) -> dict[Key, Corrected]:
    """The faces of which something was said, in order of their first line.

    The last line that was not undone holds. An undo that names no line of its face counts for the version alone.
    """
    faces: dict[Key, Corrected] = {}
    for one in corrections:
        key = (one.image, one.face)
        faces[key] = after(faces.get(key, Corrected(*key)), one)
    return faces


def after(face: Corrected, line: Correction) -> Corrected:
    """A face after one more line about it."""
    undone = {line.undoes} if line.kind == UNDO else set()
    lines = tuple(one for one in face.lines if one.id not in undone) + (() if line.kind == UNDO else (line,))
    status = STATUSES[lines[-1].kind] if lines else UNSEEN
    if status == CORRECTED and any(one.kind == ADD for one in lines):
        status = ADDED
    labels = next((one for one in reversed(lines) if one.kind in LABELLED), None)
    return replace(
        face, status=status, labels=labels, found=face.found or line.found, lines=lines, version=face.version + 1
    )


def told(faces: Iterable[Corrected]) -> dict[str, int]:
    """By attribute and quantity, in order of their first mention: of how many faces that a person vouches for it was
    told."""
    counts: dict[str, int] = {}
    for face in faces:
        if face.labels is not None and face.status in TRUSTED:
            for name, value in (face.labels.attributes | face.labels.quantities).items():
                counts[name] = counts.get(name, 0) + (value is not None)
    return counts


def keys(found: Mapping[int, Box | None], corrected: Mapping[str, Corrected]) -> dict[int, str]:
    """Under which name each face of an image is corrected: number in the run -> face.

    found: the boxes that the run gave the image's faces; corrected: what was said of its faces. A face is known by its
    number and its box; if the run was made anew and numbers its faces otherwise, by the box alone. Names that stand for
    no face of the run are left out of the values: added faces, and those that the run finds no more.
    """
    names: dict[int, str] = {}
    for number, box in found.items():
        one = corrected.get(str(number))
        if one and (one.found is None or box is None or _differ(one.found, box) <= SAME):
            names[number] = one.face
    pairs = [
        (overlap(one.found, box), number, one.face)
        for number, box in found.items()
        for one in corrected.values()
        if number not in names and box is not None and one.found is not None and one.face not in names.values()
    ]
    for share, number, face in sorted(pairs, key=lambda pair: -pair[0]):
        if share >= LIKE and number not in names and face not in names.values():
            names[number] = face
    for number in found:
        if number not in names:
            names[number] = next(
                name for name in _numbered(number) if name not in corrected and name not in names.values()
            )
    return names


def _numbered(number: int) -> Iterable[str]:
    yield str(number)
    yield from (f"{number}.{again}" for again in range(1, 1_000_000))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0 to 1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height / (sum(areas) - width * height)


def _differ(one: Box, other: Box) -> float:
    return max(abs(a - b) for a, b in zip(one, other))
