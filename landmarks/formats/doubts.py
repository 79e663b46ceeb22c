"""`review.csv`: the most doubtful faces of a run, the most doubtful first, for a person to look at."""

from __future__ import annotations

import csv
import heapq
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landmarks.atomic import PartialFile
from landmarks.faces import Faces
from landmarks.formats.layout import Layout
from landmarks.formats.own.tables import without_pixels
from landmarks.formats.plain import plain_faces
from landmarks.formats.text import csv_text
from landmarks.geometry import BOX, roll

if TYPE_CHECKING:
    from landmarks.record import Record

MOST = 1000
"""Faces that are listed; no more are kept in memory."""
SMALL = 20.0
"""Pixels between the eyes; a smaller face is said to be small."""
UNSURE = 0.6
"""An attribute whose label has a lower probability is said to be unsure; with two classes, 0.5 is a coin."""
DOUBTFUL = 0.5
"""Faces with a higher doubt are counted as doubtful."""
NOTABLE = 0.1
"""A face without any other reason is told as one of the lowest of the run from this doubt on: of ten such faces one may
be wrong. Below, nothing is said against it: it is listed because even the best run has a most doubtful face."""
BATCH = 64
"""Records that wait for each other, since many faces are looked at far faster at once."""


class Review:
    """`review.csv`: rank, image, face, doubt, reason, the box and the numbers of the face.

    Doubt is 1 minus the face's quality; where that is not known 1 minus the detector's score; where there was no
    detector either, 1 minus the probability of the least sure attribute. A face with landmarks that do not exist has a
    doubt of 1. Equal ones are in the order of the run. The reason is empty where nothing is doubtful. Once it is
    closed, `doubtful` and `upside_down` are the numbers of such faces in the whole run.
    """

    def __init__(self, out: Path, layout: Layout, most: int = MOST) -> None:
        self.lines, self.layout, self.most = PartialFile(out / "review.csv"), layout, most
        self.waiting: list[Record] = []
        self.count = self.doubtful = self.upside_down = 0
        self.heap: list[tuple[float, int, Record, int]] = []  # The least doubtful of those kept is on top.

    def write(self, record: Record) -> None:
        if len(record.faces):
            self.waiting.append(without_pixels(record))
        if len(self.waiting) >= BATCH:
            self._look()

    def _look(self) -> None:
        """Count and keep faces of the records that wait."""
        if not self.waiting:
            return
        together = Faces.concatenate([record.faces for record in self.waiting])
        doubt = doubts(together)
        self.doubtful += int((doubt > DOUBTFUL).sum())
        self.upside_down += int(upside_down(together).sum())
        owners = [(record, index) for record in self.waiting for index in range(len(record.faces))]
        least = self.heap[0][0] if len(self.heap) == self.most else -1.0
        for at in np.flatnonzero(doubt > least).tolist():
            if len(self.heap) < self.most or doubt[at] > self.heap[0][0]:
                record, index = owners[at]
                kept = type(record)(
                    record.image, record.status, record.faces[index], width=record.width, height=record.height
                )
                push = heapq.heappush if len(self.heap) < self.most else heapq.heapreplace
                push(self.heap, (float(doubt[at]), -(self.count + at), kept, index))
        self.count += len(owners)
        self.waiting.clear()

    def close(self) -> None:
        self._look()
        writer = csv.writer(self.lines)
        writer.writerow(["rank", "image", "face", "doubt", "reason", *BOX, *self.layout.per_face])
        for rank, (doubt, _, record, index) in enumerate(sorted(self.heap, key=lambda kept: (-kept[0], -kept[1])), 1):
            (face,) = plain_faces(record.faces)
            numbers = [*(face.box or ()), *face.numbers.values()]
            reason = "; ".join(reasons(record)) or ("lowest of the run" if doubt >= NOTABLE else "")
            writer.writerow([rank, csv_text(record.image), index, round(doubt, 4), reason, *numbers])
        self.lines.close()


def doubts(faces: Faces) -> np.ndarray:
    """How doubtful each face is, 0 to 1: (N,) float64. See Review."""
    doubt = np.zeros(len(faces))
    sureness = [faces.quality, faces.scores]
    if faces.attributes:
        sureness.append(np.min([scores.confidence for scores in faces.attributes.values()], axis=0))
    for value in reversed([value for value in sureness if value is not None]):
        doubt = np.where(np.isnan(value), doubt, 1 - np.clip(value, 0, 1))
    return np.where(np.isfinite(faces.points).all(axis=(1, 2)), doubt, 1.0)


def upside_down(faces: Faces) -> np.ndarray:
    """Which faces are turned by more than a quarter: (N,) bool."""
    with np.errstate(invalid="ignore"):  # Points may be infinite.
        return np.abs(roll(faces.points, faces.scheme)) > np.pi / 2


def reasons(record: Record) -> list[str]:
    """What is doubtful about the one face of a record, the weightiest first."""
    faces = record.faces
    points, box = faces.points[0], faces.boxes[0]
    found = []
    if not np.isfinite(points).all():
        found.append("landmarks missing")
    if faces.quality is not None and faces.quality[0] < 0.5:
        found.append(f"low quality {faces.quality[0]:.2f}")
    if faces.scores[0] < 0.7:
        found.append(f"low detector score {faces.scores[0]:.2f}")
    if upside_down(faces)[0]:
        found.append("upside down")
    left, right = faces.scheme.anchors(faces.points)[0, :2]
    if (distance := np.hypot(*(right - left))) < SMALL:
        found.append(f"small: {distance:.0f} pixels between the eyes")
    last = (record.width - 0.5, record.height - 0.5)
    if (points < -0.5).any() or (points > last).any():
        found.append("landmarks outside the image")
    elif (box[:2] < -0.5).any() or (box[2:] > last).any():
        found.append("cut by the border")
    for name, scores in faces.attributes.items():
        if scores.confidence[0] < UNSURE:
            found.append(f"unsure of {name} ({scores.confidence[0]:.2f})")
    return found
