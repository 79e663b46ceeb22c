"""`review.csv`: the most doubtful faces of a run, the most doubtful first, for a person to look at."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

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
        self.doubtful = self.upside_down = 0
        self.kept: Faces | None = None
        """The most doubtful faces so far, the most doubtful first."""
        self.doubts = np.zeros(0)
        self.places: list[_Place] = []

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
        places = [
            _Place(record.image, index, record.width, record.height)
            for record in self.waiting
            for index in range(len(record.faces))
        ]
        self.waiting.clear()
        least = self.doubts[-1] if len(self.doubts) == self.most else -1.0
        news = np.flatnonzero(doubt > least)
        if not len(news):
            return
        faces = together[news] if self.kept is None else Faces.concatenate([self.kept, together[news]])
        all_doubts, all_places = np.append(self.doubts, doubt[news]), self.places + [places[i] for i in news.tolist()]
        order = np.argsort(-all_doubts, kind="stable")[: self.most]
        self.kept, self.doubts = faces[order], all_doubts[order]
        self.places = [all_places[i] for i in order.tolist()]

    def close(self) -> None:
        self._look()
        writer = csv.writer(self.lines)
        writer.writerow(["rank", "image", "face", "doubt", "reason", *BOX, *self.layout.per_face])
        if self.kept is not None:
            sizes = np.array([[place.width, place.height] for place in self.places])
            told = zip(self.places, self.doubts.tolist(), plain_faces(self.kept), reasons(self.kept, sizes))
            for rank, (place, doubt, face, found) in enumerate(told, 1):
                reason = "; ".join(found) or ("lowest of the run" if doubt >= NOTABLE else "")
                numbers = [*(face.box or ()), *face.numbers.values()]
                writer.writerow([rank, csv_text(place.image), place.face, round(doubt, 4), reason, *numbers])
        self.lines.close()


class _Place(NamedTuple):
    """Where a face is: its image, its number there, the image's size."""

    image: str
    face: int
    width: int
    height: int


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


def reasons(faces: Faces, sizes: np.ndarray) -> list[list[str]]:
    """What is doubtful about each face, the weightiest first. sizes: (N, 2) width and height of its image."""
    found: list[list[str]] = [[] for _ in range(len(faces))]

    def tell(which: np.ndarray | np.bool_, text: str, values: np.ndarray | None = None) -> None:
        for i in np.flatnonzero(which).tolist():
            found[i].append(text if values is None else text.format(values[i]))

    last = sizes - 0.5
    with np.errstate(invalid="ignore"):  # Points may be infinite.
        left, right = np.moveaxis(faces.scheme.anchors(faces.points)[:, :2], 1, 0)
        distance = np.hypot(*(right - left).T)
        outside = ((faces.points < -0.5) | (faces.points > last[:, None])).any(axis=(1, 2))
        cut = ((faces.boxes[:, :2] < -0.5) | (faces.boxes[:, 2:] > last)).any(axis=1) & ~outside
    tell(~np.isfinite(faces.points).all(axis=(1, 2)), "landmarks missing")
    if faces.quality is not None:
        tell(faces.quality < 0.5, "low quality {:.2f}", faces.quality)
    tell(faces.scores < 0.7, "low detector score {:.2f}", faces.scores)
    tell(upside_down(faces), "upside down")
    tell(distance < SMALL, "small: {:.0f} pixels between the eyes", distance)
    tell(outside, "landmarks outside the image")
    tell(cut, "cut by the border")
    for name, scores in faces.attributes.items():
        tell(scores.confidence < UNSURE, f"unsure of {name} ({{:.2f}})", scores.confidence)
    return found
