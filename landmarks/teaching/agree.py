"""Labels of a photograph from what came with it and from what detectors, the teachers, find in it.

Where two teachers agree there is a face to be learned; where one is in doubt, or people who labelled everything left
something out, finding a face is neither right nor wrong. Boxes are in pixels, pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from landmarks.datasets.photographs import LEVELS, FaceLabels
from landmarks.detection.base import Detections
from landmarks.schemes import POINTS_5
from landmarks.training.detector.overlap import overlaps, sizes

DOUBTFUL = 0.3
"""Score from which a box is ignored if it is no label."""
AGREE = 0.5
"""Teachers' boxes that overlap more are of the same face."""
COVERED = 0.4
"""A box of which another covers more than this share, or that covers so much of the other, is the other's face."""
MOST_UNLIKE = 2.5
"""Most by which a face's size may differ from that of the box around its points."""


@dataclass(frozen=True)
class Trust:
    """From which scores on a teacher is believed."""

    agreeing: float
    """Where another teacher finds the same face."""
    alone: float
    """Where there is no other teacher, or points that people labelled confirm it."""
    strong: float
    """Where people who labelled all faces left it out: from here on it is ignored, below it is no face."""


TRUST = {"centerface": Trust(0.5, 0.7, 0.6), "yunet": Trust(0.6, 0.85, 0.8)}
"""By a detector's name."""


@dataclass(frozen=True)
class Opinion:
    """What a teacher found in a photograph."""

    found: Detections
    trust: Trust

    def boxes(self, least: float) -> np.ndarray:
        """(N, 4) float64 of at least this score, the highest score first."""
        order = np.argsort(-self.found.scores, kind="stable")
        return self.found.boxes[order].astype(float)[self.found.scores[order] >= least]


def label(given: FaceLabels | None, opinions: Sequence[Opinion], by_points: bool = False) -> FaceLabels:
    """The faces of a photograph. opinions: of one or two teachers, the better one first.

    given: what people labelled, which is kept; None where nobody did. by_points: the given boxes are no more than the
    surroundings of labelled points; they become the teachers' boxes where these fit, and people may have left out
    faces. Where people gave boxes they are taken to have labelled what they could see.
    """
    rows = _Rows()
    agreed, doubtful = consensus(opinions)
    taken = np.zeros(len(agreed), bool)
    if given is not None:
        alone = opinions[0].boxes(opinions[0].trust.alone)
        for i, box in enumerate(given.boxes):
            ignore = bool(given.ignore[i])
            if by_points and ignore:
                fitting = np.flatnonzero(_fits(agreed, box) & ~taken)
                others = alone[_fits(alone, box)]
                if len(fitting):
                    best = fitting[_distance(agreed[fitting], box).argmin()]
                    taken[best], box, ignore = True, agreed[best], False
                elif len(others):
                    box, ignore = others[0], False
            rows.add(box, ignore, given.points[i], given.levels[i])
    complete = given is not None and not by_points
    for box in agreed[~taken]:
        if not _touches(box, rows.labelled(also_ignored=complete)):
            rows.add(box, complete)
    if complete:
        doubtful = np.concatenate([opinion.boxes(opinion.trust.strong) for opinion in opinions])
    for box in doubtful:
        known = overlaps(box[None], rows.labelled(also_ignored=True))
        if known.max(initial=0) <= AGREE and not _touches(box, rows.labelled()):
            rows.add(box, True)
    return rows.as_labels()


def consensus(opinions: Sequence[Opinion]) -> tuple[np.ndarray, np.ndarray]:
    """What is believed to be a face (A, 4), and what may be one (D, 4).

    Two teachers: the mean of boxes that overlap, if both are sure enough; all else may be one. A single teacher is
    believed where it is surer.
    """
    first = opinions[0]
    if len(opinions) == 1:
        sure = first.boxes(first.trust.alone)
        return sure, first.boxes(DOUBTFUL)[len(sure) :]
    second = opinions[1]
    a, b = first.boxes(DOUBTFUL), second.boxes(DOUBTFUL)
    sure_a, sure_b = (len(o.boxes(o.trust.agreeing)) for o in (first, second))
    table, free = overlaps(a, b), np.ones(len(b), bool)
    agreed: list[np.ndarray] = []
    doubtful: list[np.ndarray] = []
    for i, box in enumerate(a):
        row = np.where(free, table[i], 0)
        j = int(row.argmax()) if len(row) else -1
        if j < 0 or row[j] <= AGREE:
            doubtful.append(box)
            continue
        free[j] = False
        (agreed if i < sure_a and j < sure_b else doubtful).append((box + b[j]) / 2)
    doubtful += list(b[free])
    return _table(agreed), _table(doubtful)


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
