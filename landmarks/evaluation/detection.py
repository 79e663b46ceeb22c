"""How good a detector's boxes are: average precision by WIDER FACE's official protocol, and what its user meets.

The protocol (Yang et al., CVPR 2016, and the evaluation code published with the dataset): 1,000 thresholds over the
range of all scores; a detection belongs to the face that it overlaps most, if by half; faces that do not count at a
level (easy, medium, hard) neither help nor harm; the last pixel of a box belongs to it. Pictures without a labelled
face are left out there.

The user's figures are taken at the detector's own threshold: the share of faces found, by size, and how many
detections a picture are of no face. Boxes are measured from the picture's corner.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from landmarks.detection.overlap import overlaps
from landmarks.metrics import bootstrap

LEVELS = ("easy", "medium", "hard")
THRESHOLDS = 1000
LEAST_OVERLAP = 0.5
"""Intersection over union from which a detection is of a face."""
SIZES = (0, 8, 12, 16, 24, 32, 64, 128, 256, 10**6)
"""Limits of the groups of face sizes, sqrt(width x height) in pixels of the picture as the detector may see it."""


@dataclass(frozen=True)
class Judged:
    """What a detector found in one picture, beside what is there."""

    boxes: np.ndarray
    """(N, 4) found, measured from the picture's corner."""
    scores: np.ndarray
    """(N,)"""
    true: np.ndarray
    """(M, 4) faces, those to be passed over too."""
    counts: np.ndarray
    """(M, 3) bool: whether a face counts as easy, medium, hard."""
    ignored: np.ndarray
    """(M,) bool: whether a face that is found is neither right nor wrong, and one that is not is not missed."""
    group: str = ""
    """What the picture belongs to, such as its event."""


def average_precision(pictures: Sequence[Judged], level: int) -> float:
    """The official figure for one of LEVELS; 0 where no face counts."""
    hits, proposals, faces = _curves(pictures, level)
    return _area(hits.sum(axis=0), proposals.sum(axis=0), int(faces.sum()))


def precision_interval(pictures: Sequence[Judged], level: int, rounds: int = 1000) -> tuple[float, float]:
    """95 % bootstrap interval of `average_precision` over pictures."""
    hits, proposals, faces = _curves(pictures, level)

    def of(drawn: np.ndarray) -> float:
        times = np.bincount(drawn, minlength=len(faces))
        return _area(times @ hits, times @ proposals, int(times @ faces))

    return bootstrap(of, len(faces), rounds) if len(faces) else (0.0, 0.0)


def at_threshold(pictures: Sequence[Judged], threshold: float) -> dict[str, Any]:
    """Recall, its groups by size and by picture's group, and false detections a picture, at a score from which
    detections are taken. Faces to be passed over are left out of all."""
    sizes, found, groups, false = [], [], [], 0
    for picture in pictures:
        taken = picture.scores >= threshold
        overlap = overlaps(picture.boxes[taken], picture.true)
        wanted = ~picture.ignored
        best = overlap.max(axis=0, initial=0)
        sizes += np.sqrt(np.maximum(picture.true[wanted, 2:] - picture.true[wanted, :2], 0).prod(axis=1)).tolist()
        found += (best[wanted] >= LEAST_OVERLAP).tolist()
        groups += [picture.group] * int(wanted.sum())
        false += int((overlap.max(axis=1, initial=0) < LEAST_OVERLAP).sum())
    by_size, hit, by_group = np.array(sizes), np.array(found, bool), np.array(groups, object)
    return {
        "faces": len(hit),
        "recall": _share(hit),
        "false_per_picture": false / max(len(pictures), 1),
        "recall_by_size": {
            name: {"faces": int(of.sum()), "recall": _share(hit[of])}
            for low, high in itertools.pairwise(SIZES)
            for name, of in [(_named(low, high), (by_size >= low) & (by_size < high))]
            if of.any()
        },
        "recall_by_group": {
            group: {"faces": int((by_group == group).sum()), "recall": _share(hit[by_group == group])}
            for group in sorted(set(groups))
        },
    }


def _named(low: int, high: int) -> str:
    return f"{low} to {high}" if high < SIZES[-1] else f"from {low}"


def _share(hit: np.ndarray) -> float:
    return float(hit.mean()) if len(hit) else float("nan")


def _match(found: np.ndarray, true: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What each detection (N, 4), best score first, adds to the faces found and to the proposals: (N,) bool each.

    One on a face that does not count is no proposal; the second on a face is one that finds nothing.
    """
    hits, proposals = np.zeros(len(found), bool), np.ones(len(found), bool)
    overlap = overlaps(found, true, pixel=1.0)
    seen = np.zeros(len(true), bool)
    for i in np.flatnonzero(overlap.max(axis=1, initial=0) >= LEAST_OVERLAP):
        face = overlap[i].argmax()
        if not counts[face]:
            proposals[i] = False
        elif not seen[face]:
            hits[i] = seen[face] = True
    return hits, proposals


def _curves(pictures: Sequence[Judged], level: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each picture with faces: hits (P, T) and proposals (P, T) by threshold, and faces that count (P,)."""
    pictures = [picture for picture in pictures if len(picture.true)]
    scores = np.concatenate([picture.scores for picture in pictures]) if pictures else np.zeros(0)
    low, span = (scores.min(), max(float(np.ptp(scores)), 1e-12)) if len(scores) else (0.0, 1.0)
    thresholds = 1 - np.arange(1, THRESHOLDS + 1) / THRESHOLDS
    hits, proposals = np.zeros((2, len(pictures), THRESHOLDS))
    faces = np.array([int(picture.counts[:, level].sum()) for picture in pictures], int)
    for row, picture in enumerate(pictures):
        order = np.argsort(-picture.scores, kind="stable")
        hit, proposed = _match(picture.boxes[order], picture.true, picture.counts[:, level])
        spread = (picture.scores[order] - low) / span
        reach = np.searchsorted(-spread, -thresholds, side="right")  # how many detections reach each threshold
        hits[row] = np.concatenate([[0], np.cumsum(hit)])[reach]
        proposals[row] = np.concatenate([[0], np.cumsum(proposed)])[reach]
    return hits, proposals, faces


def _area(hits: np.ndarray, proposals: np.ndarray, faces: int) -> float:
    """Area under the curve of precision over recall, made to fall only, as in Pascal VOC."""
    recall = np.concatenate([[0], hits / max(faces, 1), [1]])
    precision = np.concatenate([[0], hits / np.maximum(proposals, 1), [0]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1])
    return float(((recall[steps + 1] - recall[steps]) * precision[steps + 1]).sum())
