"""What a face detector is to become good at: scores that tell the overlap, boxes, points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from landmarks.models.facegrid import CellOutputs
from landmarks.training.detector.assign import assign
from landmarks.training.detector.overlap import eiou_loss, pair_overlaps

POINT_BETA = 0.02
"""Share of the face's size up to which the points' error counts squared."""
LEAST_TARGET = 0.2
"""The scores' loss is divided by the sum of the targets, taken as at least this much a cell that has a face."""


@dataclass(frozen=True)
class Truth:
    """The faces of a batch of B pictures of C cells, measured from the corner."""

    boxes: Tensor
    """(F, 4) float32 faces to be learned."""
    points: Tensor
    """(F, 5, 2) float32, NaN where unknown."""
    owners: Tensor
    """(F,) int64: the picture of each."""
    ignored: Tensor
    """(B, C) bool: cells in which finding nothing is not learned."""


def losses(outputs: CellOutputs, truth: Truth, side: int) -> dict[str, Tensor]:
    """`score`, `box` and `points`, unweighted, and to be logged `overlap` (mean of the chosen cells), of pictures of
    side x side pixels."""
    logits = outputs.logits.reshape(-1)
    match = assign(outputs.logits.detach(), outputs.boxes.detach(), truth.boxes, truth.owners, side)
    found, wanted = outputs.boxes.reshape(-1, 4)[match.cells], truth.boxes[match.faces]
    overlap = pair_overlaps(found.detach(), wanted)
    target = torch.zeros_like(logits).scatter_(0, match.cells, overlap)
    counts = (~truth.ignored.reshape(-1)).to(logits).scatter_(0, match.cells, 1.0)
    total = target.sum().clamp(min=max(LEAST_TARGET * len(overlap), 1.0))
    return {
        "score": quality_focal_loss(logits, target, counts) / total,
        "box": eiou_loss(found, wanted).sum() / max(len(found), 1),
        "points": points_loss(outputs.points.reshape(-1, 5, 2)[match.cells], truth.points[match.faces], wanted),
        "overlap": overlap.mean() if len(overlap) else logits.new_zeros(()),
    }


def quality_focal_loss(logits: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy to the overlap, times the squared error of the score; summed. (N,) each, counts 0 or 1 -> ().

    Li et al., arXiv 2006.04388, equation 3.
    """
    wrong = (target - logits.sigmoid()).square()
    return (wrong * F.binary_cross_entropy_with_logits(logits, target, reduction="none") * counts).sum()


def points_loss(found: Tensor, true: Tensor, boxes: Tensor) -> Tensor:
    """Mean smooth error of the points as a share of the face's size, over the faces whose five points are known.

    found, true: (P, 5, 2), boxes: (P, 4) -> (); 0 without such a face.
    """
    known = torch.isfinite(true).flatten(1).all(1)
    if not known.any():
        return found[:0].sum()
    found, true, boxes = found[known], true[known], boxes[known]
    size = (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt()[:, None, None]
    return F.smooth_l1_loss(found / size, true / size, beta=POINT_BETA)
