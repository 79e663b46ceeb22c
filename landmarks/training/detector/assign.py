"""Which cells are to find which face: those near its middle that already do it best.

SimOTA (Ge et al., YOLOX, arXiv 2107.08430, section 2.1) over a few cells a face. Places are measured from the corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from landmarks.models.facegrid import STRIDES
from landmarks.training.detector.overlap import pair_overlaps

SIZES = ((0.0, 48.0), (12.0, 112.0), (32.0, 256.0), (72.0, float("inf")))
"""Faces of these sizes (root of the area, pixels) may be found by the grid of each stride."""
OVERLAP_COST = 3.0
"""Weight of -log(overlap) beside the score's cross-entropy."""
MOST_CELLS = 10
"""A face gets as many cells as the overlaps of this many best ones sum up to."""


@dataclass(frozen=True)
class Match:
    """P cells and the face that each is to find."""

    cells: Tensor
    """(P,) int64: place in the batch's cells, picture after picture."""
    faces: Tensor
    """(P,) int64"""


def near_cells(boxes: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The cells that may find each face. boxes: (F, 4) in pictures of side x side -> cells (F, 36), may (F, 36) bool.

    On each grid that is meant for the face's size three by three around its centre; of those the cells whose centre is
    in the box, and in any case the one that holds the face's centre.
    """
    centre, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1).sqrt()
    around = torch.tensor([(i, j) for j in (-1, 0, 1) for i in (-1, 0, 1)], device=boxes.device)
    cells, may, first = [], [], 0
    for stride, (low, high) in zip(STRIDES, SIZES):
        count = side // stride
        middle = (centre / stride).floor().long().clamp(0, count - 1)
        at = middle[:, None] + around  # (F, 9, 2)
        place = (at + 0.5) * stride
        inside = ((place > boxes[:, None, :2]) & (place < boxes[:, None, 2:])).all(-1)
        inside[:, 4] = True
        on_grid = ((at >= 0) & (at < count)).all(-1)
        fits = (size >= low) & (size < high)
        at = at.clamp(0, count - 1)
        cells.append(first + at[..., 1] * count + at[..., 0])
        may.append(inside & on_grid & fits[:, None])
        first += count * count
    return torch.cat(cells, 1), torch.cat(may, 1)


@torch.no_grad()
def assign(logits: Tensor, boxes: Tensor, true: Tensor, owners: Tensor, side: int) -> Match:
    """Cells for faces. logits: (B, C), boxes: (B, C, 4) as predicted; true: (F, 4), owners: (F,) the picture of each.

    A cell that two faces want goes to the one for which it costs less.
    """
    pictures, count = logits.shape
    near, may = near_cells(true, side)
    flat = owners[:, None] * count + near  # (F, 36)
    overlap = pair_overlaps(boxes.reshape(-1, 4)[flat], true[:, None]).masked_fill(~may, 0)
    cost = F.softplus(-logits.reshape(-1)[flat]) - OVERLAP_COST * overlap.clamp(min=1e-4).log()
    cost = cost.masked_fill(~may, float("inf"))
    wanted = overlap.topk(MOST_CELLS, dim=1).values.sum(1).int().clamp(min=1)
    rank = cost.argsort(1).argsort(1)
    chosen = (rank < wanted[:, None]) & may
    faces, columns = chosen.nonzero(as_tuple=True)
    cells, price = flat[faces, columns], cost[faces, columns]
    cheapest = torch.full((pictures * count,), float("inf"), device=cost.device)
    cheapest = cheapest.scatter_reduce(0, cells, price, "amin")
    keep = price <= cheapest[cells]
    return Match(cells[keep], faces[keep])
