"""Heads: features in, one task's outputs out; and the codec that turns points into targets and outputs into points."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from landmarks.schemes import Attribute, Scheme


@dataclass(frozen=True)
class SimCC:
    """Points as two one-dimensional classifications each (Li et al., "SimCC", ECCV 2022), decoded by expectation.

    The bins of an axis span the crop, -0.5 to size - 0.5 pixels, and their centres are `1 / per_pixel` apart.
    """

    size: int
    """Side of the crop in pixels."""
    per_pixel: float
    """Bins a pixel."""
    sigma: float
    """Standard deviation of the Gaussian target in pixels."""

    @property
    def bins(self) -> int:
        return round(self.size * self.per_pixel)

    def centres(self, device: torch.device | None = None) -> Tensor:
        """(B,) float32: crop coordinate of each bin."""
        return (torch.arange(self.bins, device=device, dtype=torch.float32) + 0.5) / self.per_pixel - 0.5

    def encode(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) crop pixels -> (N, K, 2, B) target distributions; for points inside the crop."""
        distance = (self.centres(points.device) - points[..., None]) / self.sigma
        return torch.softmax(-0.5 * distance.square(), dim=-1)

    def decode(self, logits: Tensor) -> Tensor:
        """logits: (N, K, 2, B) -> (N, K, 2) crop pixels: the expectation of each axis."""
        return torch.softmax(logits.float(), dim=-1) @ self.centres(logits.device)

    def inside(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) -> (N, K) bool: labelled and in the crop; what can be learnt."""
        return ((points > -0.5) & (points < self.size - 0.5)).all(dim=-1)


class PointsHead(nn.Module):
    """(N, F) -> (N, K, 2, B) logits of the landmarks' bins."""

    def __init__(self, features: int, scheme: Scheme, bins: int) -> None:
        super().__init__()
        self.shape = (len(scheme), 2, bins)
        self.linear = nn.Linear(features, len(scheme) * 2 * bins)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x).unflatten(1, self.shape)  # (N, K * 2 * B) -> (N, K, 2, B)


class AttributeHead(nn.Linear):
    """(N, F) -> (N, C) logits of an attribute's classes."""

    def __init__(self, features: int, attribute: Attribute) -> None:
        super().__init__(features, len(attribute))
