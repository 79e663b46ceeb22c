"""Labels of a photograph from what came with it and from what a detector, the teacher, finds in it.

Where the teacher is sure there is a face to be learned; where it is in doubt, or people who labelled everything left
something out, finding a face is neither right nor wrong. Boxes are in pixels, pixel centres at integers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from landmarks.datasets.photographs import LEVELS, FaceLabels
from landmarks.detection.base import Detections
from landmarks.detection.overlap import overlaps, sizes
from landmarks.schemes import POINTS_5

SURE = 0.5
"""Score, the mean of the teacher's three looks, from which it is believed. `landmarks.studies.detectors.teachers` tells
how many of such boxes are of a face, and how many faces get one: more than where YuNet has to agree."""
CONFIRMED = 0.35
"""The same where points that people labelled confirm the box."""
MISSED = 0.45
"""Score from which a face that people who labelled all of them left out is ignored; below it is none."""
DOUBTFUL = 0.2
"""Score from which a box is ignored if it is no label."""
SAME = 0.5
"""Boxes that overlap more are of the same face."""
COVERED = 0.4
"""A box of which another covers more than this share, or that covers so much of the other, is the other's face."""
MOST_UNLIKE = 2.5
"""Most by which a face's size may differ from that of the box around its points."""


def label(given: FaceLabels | None, found: Detections, by_points: bool = False) -> FaceLabels:
    """The faces of a photograph. found: by the teacher, from DOUBTFUL on.

    given: what people labelled, which is kept; None where nobody did. by_points: the given boxes are no more than the
    surroundings of labelled points; they become the teacher's boxes where these fit, and people may have left out
    faces. Where people gave boxes they are taken to have labelled what they could see.
    """
    rows = _Rows()
    confirmed = boxes_from(found, CONFIRMED)
    free = np.ones(len(confirmed), bool)
    if given is not None:
        for i, box in enumerate(given.boxes):
            ignore = bool(given.ignore[i])
            fitting = np.flatnonzero(_fits(confirmed, box) & free)
            if by_points and ignore and len(fitting):
                best = fitting[_distance(confirmed[fitting], box).argmin()]
                free[best], box, ignore = False, confirmed[best], False
            rows.add(box, ignore, given.points[i], given.levels[i])
    complete = given is not None and not by_points
    for box in [] if complete else boxes_from(found, SURE):
        if not _touches(box, rows.labelled()):
            rows.add(box, False)
    for box in boxes_from(found, MISSED if complete else DOUBTFUL):
        known = overlaps(box[None], rows.labelled(also_ignored=True))
        if known.max(initial=0) <= SAME and not _touches(box, rows.labelled()):
            rows.add(box, True)
    return rows.as_labels()


def boxes_from(found: Detections, least: float) -> np.ndarray:
    """(N, 4) float64: the boxes of at least this score, the highest score first."""
    order = np.argsort(-found.scores, kind="stable")
    return found.boxes[order].astype(float)[found.scores[order] >= least]


def _table(boxes: list[np.ndarray]) -> np.ndarray:
    """Boxes (4,) as (N, 4), of which there may be none."""
    return np.array(boxes, float).reshape(-1, 4)


def _centre(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _distance(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    return np.abs(_centre(boxes) - _centre(box)).sum(axis=1)


def _fits(boxes: np.ndarray, around: np.ndarray) -> np.ndarray:
    """(N, 4) -> (N,) bool: boxes with their centre in the middle half of one around points, and of about its size."""
    near = (np.abs(_centre(boxes) - _centre(around)) <= (around[2:] - around[:2]) / 4).all(axis=1)
    ratio = sizes(boxes) / max(sizes(around[None])[0], 1e-6)
    return near & (ratio < MOST_UNLIKE) & (ratio > 1 / MOST_UNLIKE)


def _touches(box: np.ndarray, others: np.ndarray) -> bool:
    """Whether one of the others (N, 4) covers much of the box (4,), or the box of it."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.maximum(high - low, 0).prod(axis=1)
    areas = np.minimum((box[2:] - box[:2]).prod(), (others[:, 2:] - others[:, :2]).prod(axis=1))
    return bool((common > COVERED * areas).any())


@dataclass
class _Rows:
    """Labels of one photograph, growing."""

    rows: list[tuple[np.ndarray, bool, np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(
        self, box: np.ndarray, ignore: bool, points: np.ndarray | None = None, levels: np.ndarray | None = None
    ) -> None:
        points = np.full((len(POINTS_5), 2), np.nan) if points is None else points
        self.rows.append((box, ignore, points, np.zeros(len(LEVELS), bool) if levels is None else levels))

    def labelled(self, also_ignored: bool = False) -> np.ndarray:
        """(N, 4) boxes of the faces to be learned, or of all."""
        return _table([box for box, ignore, _, _ in self.rows if also_ignored or not ignore])

    def as_labels(self) -> FaceLabels:
        return FaceLabels(
            np.array([row[0] for row in self.rows], float).reshape(-1, 4),
            np.array([row[2] for row in self.rows], float).reshape(-1, len(POINTS_5), 2),
            np.array([row[1] for row in self.rows], bool),
            np.array([row[3] for row in self.rows], bool).reshape(-1, len(LEVELS)),
        )
