"""Overlaps of boxes (x0, y0, x1, y1) and what loss they give."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6


def pair_overlaps(found: Tensor, true: Tensor) -> Tensor:
    """Intersection over union of boxes side by side. (..., 4), (..., 4) -> (...)."""
    low, high = torch.maximum(found[..., :2], true[..., :2]), torch.minimum(found[..., 2:], true[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    area = (found[..., 2:] - found[..., :2]).prod(-1) + (true[..., 2:] - true[..., :2]).prod(-1)
    return common / (area - common).clamp(min=EPSILON)


def eiou_loss(found: Tensor, true: Tensor) -> Tensor:
    """EIoU (Zhang et al., arXiv 2101.08158, equation 8). (N, 4), (N, 4) -> (N,).

    1 - IoU, plus the squared distance of the centres over the squared diagonal of the hull, plus the squared
    differences of width and height over the hull's.
    """
    hull = torch.maximum(found[:, 2:], true[:, 2:]) - torch.minimum(found[:, :2], true[:, :2])
    centres = ((found[:, :2] + found[:, 2:]) - (true[:, :2] + true[:, 2:])).square().sum(1) / 4
    sides = ((found[:, 2:] - found[:, :2]) - (true[:, 2:] - true[:, :2])).square()
    far = centres / hull.square().sum(1).clamp(min=EPSILON)
    return 1 - pair_overlaps(found, true) + far + (sides / hull.square().clamp(min=EPSILON)).sum(1)
