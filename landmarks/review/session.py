"""A review: the faces of a run, what was said of each, and the one way to say more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from landmarks.corrections import Corrected, Correction, CorrectionLog, fold
from landmarks.corrections.correction import (
    ADD,
    LABELLED,
    PUT_OFF,
    REMOVE,
    UNDO,
    VERSION,
    correction_from,
    now,
)
from landmarks.corrections.fold import ADDED, REMOVED, UNSEEN, after
from landmarks.corrections.remaining import Remaining, wrong_remaining
from landmarks.errors import DataError, LandmarksError, unknown
from landmarks.formats.corrected import of_scheme
from landmarks.metrics import face_errors
from landmarks.models.calibration import QUALITY_THRESHOLD
from landmarks.review.run import Run, rows_of
from landmarks.review.shown import Shown

QUEUES: dict[str, Callable[[str], bool]] = {
    "doubtful": lambda status: status == UNSEEN,
    "put off": lambda status: status == PUT_OFF,
    "seen": lambda status: status not in (UNSEEN, PUT_OFF, REMOVED),
    "removed": lambda status: status == REMOVED,
    "all": lambda status: True,
}
"""Which faces can be asked for, by their status; `without` are the images without a face."""
WITHOUT = "without"
REVIEW = "review"
"""`via` of what is said on the page; see `Correction`."""

Key = tuple[int, str]
"""Image and face."""


class ConflictError(LandmarksError):
    """A face that was changed by somebody else since it was looked at."""


@dataclass(frozen=True)
class Progress:
    """How far a review is."""

    faces: int
    seen: int
    put_off: int
    wrong: Remaining | None
    """How many of the faces that were not looked at are expected to be wrong: no faces, or their landmarks off by more
    than a tenth of the face size. Said by quality and by what the others turned out to be; None if the network was not
    calibrated."""


class Session:
    """The one writer of a run's corrections. Threads may share it."""

    def __init__(
        self, run: Run, log: CorrectionLog, who: str, via: str = REVIEW, tasks: Sequence[str] | None = None
    ) -> None:
        """who, via: see `Correction`; tasks: the attributes and quantities that are shown; None for all."""
        self.run, self.log, self.who, self.via = run, log, who, via
        self.view = Shown(run, tasks)
        self._lock = threading.Lock()
        self._ids = {line.id: (line.image, line.face) for line in log.corrections}
        self._images = {name: i for i, name in enumerate(run.names)}
        said = fold(of_scheme(log.corrections, run.layout.scheme))
        self._said: dict[Key, Corrected] = {
            (self._images[image], face): one for (image, face), one in said.items() if image in self._images
        }
        self._rows: dict[Key, int] = {
            (self._images[image], face): row for (image, face), row in rows_of(run, said).items()
        }
        """The faces that the run found: row in `run.faces`."""
        self._seen, self._elsewhere, self._wrong = np.zeros((3, len(run.faces)), bool)
        """(N,) bool: faces that a person has judged; those of which it was not said on the page; those found wrong."""
        for key in self._said:
            self._judge(key)
        self._faces: list[list[str]] = [[] for _ in run.names]
        """The faces of each image."""
        for image, face in self._rows:
            self._faces[image].append(face)
        for (image, face), one in self._said.items():
            if (image, face) not in self._rows and one.labels is not None:
                self._faces[image].append(face)

    def name(self, image: int) -> str:
        """Of an image by its number. Raises LandmarksError if there is none."""
        if not 0 <= image < len(self.run.names):
            raise LandmarksError("there is no such picture")
        return self.run.names[image]

    def queue(self, which: str) -> list[Key]:
        """Image and face of those asked for, the most doubtful first, added ones last. which: of QUEUES, or WITHOUT."""
        with self._lock:
            if which == WITHOUT:
                return [(i, "") for i, faces in enumerate(self._faces) if not any(self._shown((i, f)) for f in faces)]
            names = {row: key for key, row in self._rows.items()}
            every = [names[row] for row in np.argsort(-self.run.doubt, kind="stable").tolist()]
            return [key for key in [*every, *self._added()] if QUEUES[which](self._status(key))]

    def progress(self) -> Progress:
        with self._lock:
            statuses = {key: self._status(key) for key in self._said if key in self._rows} | {
                key: self._status(key) for key in self._added()
            }
            seen = [key for key, status in statuses.items() if status not in (UNSEEN, PUT_OFF)]
            put_off = sum(status == PUT_OFF for status in statuses.values())
            wrong, quality = None, self.run.faces.quality
            if quality is not None:
                # Other tools tell what they changed, seldom what they found right: that is no sample.
                judged = np.where(self._elsewhere, np.nan, quality)
                wrong = wrong_remaining(judged, self._seen, self._wrong)
            return Progress(len(self._rows) + len(self._added()), len(seen), put_off, wrong)

    def _judge(self, key: Key) -> None:
        """Keep what the lines of a face say of the run: whether it was right."""
        row, said = self._rows.get(key), self._said[key]
        if row is None:
            return
        self._seen[row] = said.status not in (UNSEEN, PUT_OFF)
        self._elsewhere[row] = self._seen[row] and said.last is not None and said.last.via != REVIEW
        self._wrong[row] = said.status == REMOVED
        if said.labels and said.status != REMOVED:
            found = self.run.faces.points[row].astype(float)
            told = [point or at for point, at in zip(said.labels.points.values(), found.tolist())]
            error = face_errors(found[None], np.array([told], float), self.run.layout.scheme)[0]
            self._wrong[row] = not error <= QUALITY_THRESHOLD

    def _added(self) -> list[Key]:
        """The faces that the run did not find, but for those that were taken back."""
        known = [key for key in self._said if key not in self._rows and key[1] in self._faces[key[0]]]
        return [key for key in known if self._status(key) != UNSEEN]

    def faces_of(self, image: int) -> list[str]:
        """The faces of an image, removed ones among them."""
        with self._lock:
            return [f for f in self._faces[image] if self._shown((image, f)) or self._status((image, f)) == REMOVED]

    def as_found(self, image: int, face: str) -> dict[str, Any] | None:
        """Box, landmarks, attributes and quantities of a face as the run found it; None if it did not."""
        row = self._rows.get((image, face))
        return None if row is None else self.view.found(row)

    def face(self, image: int, face: str) -> dict[str, Any]:
        """All that the page shows of a face, or of an image without one. Raises LandmarksError if there is none."""
        with self._lock:
            return self._face((image, face))

    def say(self, document: dict[str, Any]) -> dict[str, Any]:
        """Keep a correction; the face as it is then.

        document: `id`, `kind`, `image` and `face` as in `queue`, `version` of the face that was looked at, and the
        labels: `box`, `points` in order of the scheme, `attributes`, `quantities`; or `undoes`. Of attributes and
        quantities that are left out holds what was said before. One that was kept already is not kept twice. Raises
        ConflictError if somebody else was faster, DataError for what cannot be meant, OSError.
        """
        image, face = document.get("image"), document.get("face")
        if not isinstance(image, int) or not 0 <= image < len(self.run.names) or not isinstance(face, str):
            raise LandmarksError("there is no such face")
        key = (image, face)
        line = self._line(document, key)
        with self._lock:
            if line.id in self._ids:
                if self._ids[line.id] != (line.image, line.face):
                    raise LandmarksError("this id was used for another face")
                return self._face(key)
            if line.kind != ADD and face not in self._faces[image]:
                raise LandmarksError("there is no such face")
            before = self._said.get(key, Corrected(line.image, face))
            if document.get("version") != before.version or (line.kind == ADD and key in self._rows):
                raise ConflictError("this face was changed meanwhile; what you see now is how it was left")
            if line.kind == UNDO and all(one.id != line.undoes for one in before.lines):
                raise ConflictError("what you undo was undone already")
            line = _as_said_before(line, before.labels)
            self.log.append(line)
            self._ids[line.id] = (line.image, line.face)
            self._said[key] = after(before, line)
            self._judge(key)
            if face not in self._faces[image]:
                self._faces[image].append(face)
            return self._face(key)

    def _line(self, document: dict[str, Any], key: Key) -> Correction:
        image, face = key
        kept: dict[str, Any] = {name: document[name] for name in ("id", "kind", "undoes") if name in document}
        if kept.get("kind") not in (REMOVE, UNDO):
            points = document.get("points")
            if not isinstance(points, list) or len(points) != len(self.run.layout.scheme):
                raise LandmarksError(f"a face of this run has {len(self.run.layout.scheme)} landmarks")
            kept["points"] = dict(zip(self.run.layout.scheme.points, points))
            kept |= {name: document.get(name) for name in ("box", "attributes")}
            kept["quantities"] = document.get("quantities", {})
        row = self._rows.get(key)
        found = None if row is None else self.run.found(row)
        line = correction_from({"v": VERSION, **kept, "image": self.run.names[image], "face": face})
        self._check_labels(line)
        return replace(line, found=found, who=self.who, via=self.via, time=now())

    def _check_labels(self, line: Correction) -> None:
        """Raises DataError for an attribute, a label or a quantity that the run does not know."""
        layout = self.run.layout
        for name, label in line.attributes.items():
            if name not in layout.attributes:
                raise DataError(f"unknown attribute {name!r}; known: {', '.join(layout.attributes)}")
            labels = layout.attribute(name).labels
            if label is not None and label not in labels:
                raise DataError(f"{name} must be one of {', '.join(labels)}, or null, not {label!r}")
        for name in line.quantities:
            if name not in layout.quantities:
                raise DataError(unknown("quantity", name, layout.quantities))

    def _status(self, key: Key) -> str:
        return self._said[key].status if key in self._said else UNSEEN

    def _shown(self, key: Key) -> bool:
        """Whether the face is one now: not removed, and not an added one that was taken back."""
        return self._status(key) != REMOVED and (key in self._rows or self._status(key) != UNSEEN)

    def _face(self, key: Key) -> dict[str, Any]:
        image, face = key
        if not 0 <= image < len(self.run.names) or (face and face not in self._faces[image]):
            raise LandmarksError("there is no such face")
        width, height = self.run.sizes[image].tolist()
        others = [
            {"face": other, "status": self._status((image, other)), "box": self._box((image, other))}
            for other in self._faces[image]
            if other != face and self._shown((image, other))
        ]
        view = {"image": image, "face": face, "name": self.run.names[image], "width": width, "height": height}
        view |= {"others": others}
        if not face:
            return view
        said = self._said.get(key)
        last = said.last if said else None
        return view | {
            "status": self._status(key),
            "version": said.version if said else 0,
            "last": last and {"id": last.id, "kind": last.kind, "who": last.who, "via": last.via, "time": last.time},
            **self.view.labels(said, self._rows.get(key)),
            **self.view.doubt(image, self._rows.get(key), self._status(key) == ADDED),
        }

    def _box(self, key: Key) -> Sequence[float] | None:
        said, row = self._said.get(key), self._rows.get(key)
        if said and said.labels:
            return said.labels.box
        return None if row is None else self.view.box(row)


def _as_said_before(line: Correction, labels: Correction | None) -> Correction:
    """A line that also says what the labels before it say of attributes and quantities that it leaves out."""
    if labels is None or line.kind not in LABELLED:
        return line
    return replace(line, attributes=labels.attributes | line.attributes, quantities=labels.quantities | line.quantities)
