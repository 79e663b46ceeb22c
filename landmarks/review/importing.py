"""Corrections that were made in another tool, brought back to the run that it was given."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from landmarks import images
from landmarks.corrections import CorrectionLog
from landmarks.corrections.correction import ACCEPT, ADD, CORRECT, PUT_OFF, REMOVE, Box
from landmarks.corrections.fold import LIKE, REMOVED, UNSEEN, overlap
from landmarks.formats.corrected import turned_images
from landmarks.review.exports.exported import ExportedFace, ExportedImage, around, values_of
from landmarks.review.exports.read import read_export
from landmarks.review.exports.same import UNMOVED, same_number, unmoved
from landmarks.review.run import read_run
from landmarks.review.server import default_who
from landmarks.review.session import Session

CLAIMED = 0.05
"""Intersection over union below which a face is not taken for the one whose number it bears."""


@dataclass
class Imported:
    """What came of an export."""

    tool: str
    images: int = 0
    """Of the run that the export holds."""
    unknown: list[str] = field(default_factory=list)
    """Images of the export that the run does not know."""
    not_annotated: int = 0
    """Images that nobody has annotated in the tool."""
    moved: int = 0
    """Faces whose landmarks or box were moved; likewise the following."""
    relabelled: int = 0
    added: int = 0
    deleted: int = 0
    accepted: int = 0
    unchanged: int = 0
    known: int = 0
    """Faces that already are as the tool has them."""
    conflicts: list[str] = field(default_factory=list)
    """Faces that were changed both there and here; they are left as they are here."""
    unknown_values: list[str] = field(default_factory=list)
    """Labels that the run does not know, and numbers that are none; such a task is left as it is."""

    def lines(self) -> list[str]:
        """In words."""
        counts = [
            f"{count} {what}"
            for count, what in (
                (self.moved, "moved"), (self.relabelled, "relabelled"), (self.added, "added"),
                (self.deleted, "deleted"), (self.accepted, "accepted as they are"), (self.unchanged, "unchanged"),
                (self.known, "known already"),
            )
            if count
        ]  # fmt: skip
        told = [f"{self.tool}: {self.images} images; faces: {', '.join(counts) or 'none'}"]
        if self.not_annotated:
            told.append(f"{self.not_annotated} images were not annotated there; their faces are left as they are")
        for names, what in (
            (self.unknown, "images are none of this run's and are left out"),
            (self.conflicts, "faces were changed here, too, and are left as they are here"),
            (self.unknown_values, "labels are none of this run's, or numbers are none, and are left out"),
        ):
            if names:
                told.append(f"{len(names)} {what}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}")
        return told


def import_corrections(
    path: str | Path, file: str | Path, accept_unchanged: bool = False, who: str | None = None
) -> Imported:
    """Write what an export changes to the corrections of a run.

    What counts as changed is measured against what the run had written for the tool. A landmark that the export lacks
    is one that cannot be told, unless it lies outside the image, where tools hold none. Given twice, an export changes
    nothing the second time. Raises DataError if the run or the file is none, LandmarksError if another process
    corrects the run.
    """
    path = Path(path)
    run = read_run(path)
    export = read_export(Path(file), run.layout.scheme)
    turned = turned_images(path)
    found = Imported(export.tool)
    with CorrectionLog(path) as log:
        session = Session(run, log, default_who() if who is None else who, via=export.tool)
        known = _Names(run.names)
        for image in export.images:
            at = known.find(image.names)
            if at is None:
                found.unknown.append(image.names[0] if image.names else "(without a name)")
            elif not image.looked_at:
                found.not_annotated += 1
            else:
                found.images += 1
                _Image(session, at, turned.get(run.names[at]), found, accept_unchanged or image.submitted).take(image)
    return found


class _Names:
    """The images of a run by what tools may call them: their names, or these behind a folder or an upload's number."""

    def __init__(self, names: list[str]) -> None:
        self.exact = {name: i for i, name in enumerate(names)}
        self.bases: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            self.bases.setdefault(PurePosixPath(name).name, []).append(i)
        self.names = names

    def find(self, names: Iterable[str]) -> int | None:
        """The one image that is meant; None if there is none, or if it may be one of several."""
        for name in names:
            if name in self.exact:
                return self.exact[name]
        for name in names:
            base = PurePosixPath(name.replace("\\", "/")).name
            shared = [
                i for i in self.bases.get(base, []) if f"/{name}".endswith(f"/{self.names[i]}") or "/" not in name
            ]
            if len(shared) == 1:
                return shared[0]
            uploaded = self.bases.get(base.partition("-")[2], [])
            if len(uploaded) == 1:
                return uploaded[0]
        return None


class _Image:
    """One image of a run, to which an export is held."""

    def __init__(
        self, session: Session, image: int, turned: images.Image | None, found: Imported, accept: bool
    ) -> None:
        self.session, self.image, self.turned, self.found, self.accept = session, image, turned, found, accept
        self.now = {face: session.face(image, face) for face in session.faces_of(image)}
        """Faces as they stand."""
        self.base = {face: session.as_found(image, face) or one for face, one in self.now.items()}
        """Faces as the tool was given them."""

    def take(self, exported: ExportedImage) -> None:
        for face in exported.faces:
            self._turn(face)
        pairs = self._pairs(exported.faces)
        for i, face in enumerate(exported.faces):
            if i in pairs:
                self._compare(pairs[i], face)
            else:
                self._add(face)
        for name in self.now.keys() - pairs.values():
            self._delete(name)

    def _turn(self, face: ExportedFace) -> None:
        """To upright pixels."""
        if self.turned is None:
            return
        for name, point in face.points.items():
            if point is not None:
                x, y = images.to_upright(np.array(point), self.turned).tolist()
                face.points[name] = (x, y)
        if face.box is not None:
            corners = images.to_upright(np.array(face.box).reshape(2, 2), self.turned)
            (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
            face.box = (x0, y0, x1, y1)

    def _pairs(self, faces: list[ExportedFace]) -> dict[int, str]:
        """Which exported face is which: by the number it bears, then by where it is."""
        shares: dict[tuple[int, str], float] = {}
        for i, face in enumerate(faces):
            box = face.box or around(face.points)
            for name in self.now:
                if box is not None and (place := self._place(name)) is not None:
                    shares[i, name] = overlap(box, place)
        pairs: dict[int, str] = {}
        for i, face in enumerate(faces):
            name = str(face.number)
            if shares.get((i, name), 0) > CLAIMED and name not in pairs.values():
                pairs[i] = name
        for (i, name), share in sorted(shares.items(), key=lambda pair: -pair[1]):
            if share >= LIKE and i not in pairs and name not in pairs.values():
                pairs[i] = name
        return pairs

    def _place(self, name: str) -> Box | None:
        box = self.base[name]["box"]
        return (box[0], box[1], box[2], box[3]) if box else None

    def _compare(self, name: str, face: ExportedFace) -> None:
        now, base, scheme = self.now[name], self.base[name], self.session.run.layout.scheme
        labels = {task: value["label"] for task, value in base["attributes"].items()}
        attributes, quantities = self._told(face, f"face {name}")
        attributes = labels | attributes
        quantities = {
            task: base["quantities"][task] if same_number(value, base["quantities"][task]) else value
            for task, value in quantities.items()
        }
        points = [self._point(face, point, was) for point, was in zip(scheme.points, base["points"])]
        box = base["box"] if self._same_box(face.box, base["box"]) else list(face.box or ())
        moved = points != base["points"] or box != base["box"]
        relabelled = attributes != labels or quantities != {task: base["quantities"][task] for task in quantities}
        if not moved and not relabelled:
            if self.accept and now["status"] in (UNSEEN, PUT_OFF):
                self._say(ACCEPT, name, box, points, attributes, quantities)
                self.found.accepted += 1
            else:
                self.found.unchanged += 1
            return
        if self._stands(now, box, points, attributes, quantities):
            self.found.known += 1
        elif self._is_ours(now):
            self._say(CORRECT, name, box, points, attributes, quantities)
            self.found.moved += moved
            self.found.relabelled += relabelled and not moved
        else:
            self.found.conflicts.append(f"{now['name']} face {name}")

    def _told(self, face: ExportedFace, what: str) -> tuple[dict[str, str | None], dict[str, float | None]]:
        """The attributes and quantities of the run of which the export speaks."""
        attributes, quantities, wrong = values_of(face, self.session.run.layout)
        self.found.unknown_values += [f"{self.session.name(self.image)} {what} {one}" for one in wrong]
        return attributes, quantities

    def _point(self, face: ExportedFace, name: str, was: Any) -> list[float] | None:
        """Where a landmark is now: where it was unless it was moved."""
        point = face.points.get(name)
        inside = was and np.clip(was, -0.5, np.array(self.session.run.sizes[self.image]) - 0.5).tolist()
        if point is None:
            return was if was is not None and inside != was else None
        near = any(place and unmoved(point, place) for place in (was, inside))
        return was if near else [round(value, 4) for value in point]

    def _same_box(self, box: Box | None, was: Any) -> bool:
        if box is None or was is None:
            return True  # A box that the export lacks says nothing; nor does one where the run has none.
        width, height = self.session.run.sizes[self.image].tolist()
        cut = np.clip(was, -0.5, [width - 0.5, height - 0.5, width - 0.5, height - 0.5])
        return any(np.abs(np.subtract(box, place)).max() < UNMOVED for place in (was, cut))

    def _stands(
        self, now: dict[str, Any], box: Any, points: list[Any], attributes: dict[str, Any], quantities: dict[str, Any]
    ) -> bool:
        """Whether a face is already as the export has it."""
        labels = {task: value["label"] for task, value in now["attributes"].items()}
        if now["status"] in (UNSEEN, REMOVED) or labels != attributes or not self._same_box(box, now["box"]):
            return False
        if any(not same_number(one, now["quantities"][task]) for task, one in quantities.items()):
            return False
        return all(
            (one is None) == (other is None) and (one is None or unmoved(one, other))
            for one, other in zip(points, now["points"])
        )

    def _is_ours(self, now: dict[str, Any]) -> bool:
        """Whether nobody has said anything of a face but in this tool."""
        return now["status"] == UNSEEN or now["last"] is None or now["last"]["via"] == self.found.tool

    def _add(self, face: ExportedFace) -> None:
        scheme = self.session.run.layout.scheme
        box = face.box or around(face.points)
        points = [face.points.get(name) for name in scheme.points]
        if box is None or not any(points):
            return
        attributes, quantities = self._told(face, "added face")
        attributes = dict.fromkeys(self.session.run.layout.attributes) | attributes
        name = f"{self.found.tool}-{secrets.token_hex(6)}"
        self._say(ADD, name, list(box), [point and list(point) for point in points], attributes, quantities)
        self.found.added += 1

    def _delete(self, name: str) -> None:
        now = self.now[name]
        by_tool = now["last"] is not None and now["last"]["via"] == self.found.tool
        if now["status"] == REMOVED:
            self.found.known += 1
        elif self.session.as_found(self.image, name) is None and not by_tool:
            return  # It was added here; the tool never had it.
        elif self._is_ours(now):
            self._say(REMOVE, name, None, [], {}, {})
            self.found.deleted += 1
        else:
            self.found.conflicts.append(f"{now['name']} face {name}")

    def _say(
        self, kind: str, face: str, box: Any, points: list[Any], attributes: dict[str, Any], quantities: dict[str, Any]
    ) -> None:
        document = {"id": secrets.token_hex(8), "kind": kind, "image": self.image, "face": face}
        document |= {"box": box, "points": points, "attributes": attributes, "quantities": quantities}
        self.session.say(document | {"version": self.now[face]["version"] if face in self.now else 0})
