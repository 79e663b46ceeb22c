"""Heads: features in, one task's outputs out; and the codings that turn points into targets and outputs into points."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landmarks.models.encoders import Grey
from landmarks.schemes import RECONSTRUCTION, Attribute, Quantity, Scheme


@dataclass(frozen=True)
class SimCC:
    """Points as two one-dimensional classifications each (Li et al., "SimCC", ECCV 2022), decoded by expectation.

    The bins of an axis span the crop and a margin around it, since a jaw may lie outside; their centres are
    `1 / per_pixel` apart.
    """

    size: int
    """Side of the crop in pixels."""
    per_pixel: float
    """Bins a pixel."""
    sigma: float
    """Standard deviation of the Gaussian target in pixels."""
    margin: float = 0.0
    """How far the bins reach beyond each side of the crop, as a share of its side."""

    @property
    def values(self) -> int:
        """Number of bins, B: what a head gives for each coordinate."""
        return round(self.size * (1 + 2 * self.margin) * self.per_pixel)

    def centres(self, device: torch.device | None = None) -> Tensor:
        """(B,) float32: crop coordinate of each bin."""
        middle = (self.size - 1) / 2
        steps = torch.arange(self.values, device=device, dtype=torch.float32) - (self.values - 1) / 2
        return middle + steps / self.per_pixel

    def encode(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) crop pixels -> (N, K, 2, B) target distributions; for points within the bins."""
        distance = (self.centres(points.device) - points[..., None]) / self.sigma
        return torch.softmax(-0.5 * distance.square(), dim=-1)

    def decode(self, logits: Tensor) -> Tensor:
        """logits: (N, K, 2, B) -> (N, K, 2) crop pixels: the expectation of each axis.

        In float32 in mixed precision, too, which has matrix products in bfloat16, but neither softmax nor sums.
        """
        return (torch.softmax(logits.float(), dim=-1) * self.centres(logits.device)).sum(dim=-1)

    def read(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """logits: (N, K, 2, B) -> (N, K, 2) crop pixels as `decode`, and (N, K) crop pixels: the standard deviation of
        the predicted distribution."""
        middle = (self.size - 1) / 2
        away = self.centres(logits.device) - middle  # small numbers, whose squares lose little
        moments = torch.softmax(logits.float(), dim=-1) @ torch.stack([away, away.square()], dim=1)
        mean, square = moments.unbind(dim=-1)
        return mean + middle, (square - mean.square()).clamp_min(0).sum(dim=-1).sqrt()

    def inside(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) -> (N, K) bool: labelled and within the bins; what can be learnt."""
        reach = self.margin * self.size
        return ((points > -0.5 - reach) & (points < self.size - 0.5 + reach)).all(dim=-1)


@dataclass(frozen=True)
class Regression:
    """Points as numbers: 0 is the middle of the crop, 1 is its side."""

    size: int
    """Side of the crop in pixels."""

    @property
    def values(self) -> int:
        """What a head gives for each coordinate: one number."""
        return 1

    def encode(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) crop pixels -> (N, K, 2, 1)."""
        return ((points - (self.size - 1) / 2) / self.size)[..., None]

    def decode(self, outputs: Tensor) -> Tensor:
        """outputs: (N, K, 2, 1) -> (N, K, 2) crop pixels."""
        return outputs[..., 0].float() * self.size + (self.size - 1) / 2

    def read(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """outputs: (N, K, 2, 1) -> (N, K, 2) crop pixels, and (N, K) ones: a number says nothing of its certainty."""
        return self.decode(outputs), torch.ones_like(outputs[..., 0, 0], dtype=torch.float32)

    def inside(self, points: Tensor) -> Tensor:
        """points: (N, K, 2) -> (N, K) bool: labelled."""
        return torch.isfinite(points).all(dim=-1)


Codec = SimCC | Regression


class PointsHead(nn.Module):
    """(N, F) -> (N, K, 2, V), V values a coordinate.

    rank: with bins, a coordinate's V logits are a mixture of so many learnt profiles, the same ones for all points:
    few parameters for many points. 0: every logit has weights of its own.
    """

    def __init__(self, features: int, scheme: Scheme, values: int, rank: int) -> None:
        super().__init__()
        mixed = 0 < rank < values
        self.shape = (len(scheme), 2, rank if mixed else values)
        self.linear = nn.Linear(features, len(scheme) * 2 * self.shape[-1])
        self.profiles = nn.Linear(rank, values, bias=False) if mixed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.profiles(self.linear(x).unflatten(1, self.shape))


class ErrorHead(nn.Linear):
    """(N, F) -> (N, K): log of each point's expected error as a share of the crop's side.

    It reads the features without moving them: it learns from the landmarks' task and does not disturb it.
    """

    def __init__(self, features: int, scheme: Scheme) -> None:
        super().__init__(features, len(scheme))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.detach())


NEVER = -1e4
"""Logit of a class that no training face showed: its probability is exactly 0, whatever the calibration."""


class AttributeHead(nn.Linear):
    """(N, F) -> (N, C) logits of an attribute's classes."""

    def __init__(self, features: int, attribute: Attribute) -> None:
        super().__init__(features, len(attribute))

    @property
    def unseen(self) -> tuple[int, ...]:
        """The classes that it never answers."""
        return tuple(torch.nonzero(self.bias.detach() <= NEVER / 2).flatten().tolist())

    @torch.no_grad()
    def set_unseen(self, classes: Collection[int]) -> None:
        """Never answer these classes; earlier ones that are not among them can be learnt again."""
        for code in range(self.out_features):
            if code in classes or code in self.unseen:
                self.weight[code] = 0.0
                self.bias[code] = NEVER if code in classes else 0.0


class QuantityHead(nn.Linear):
    """(N, F) -> (N,) a quantity, standardised: less `mean`, over `scale`, which are in its unit and saved weights."""

    mean: Tensor
    scale: Tensor

    def __init__(self, features: int, quantity: Quantity) -> None:
        super().__init__(features, 1)
        self.quantity = quantity
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(-1)

    @torch.no_grad()
    def standardise(self, values: Tensor) -> None:
        """Take mean and scale, the standard deviation, from training labels and their mirror images, which are learnt
        as often. values: (N,) in the quantity's unit, NaN where absent; where all are alike, the scale is 1."""
        values = values[torch.isfinite(values)].double()
        both = torch.cat([values, self.quantity.sign * values])
        spread = both.std(correction=0) if len(both) else both.sum()
        self.mean.fill_(both.mean() if len(both) else 0.0)
        self.scale.fill_(spread if spread > 0 else 1.0)

    def encode(self, values: Tensor) -> Tensor:
        """(N,) in the quantity's unit -> (N,) standardised."""
        return (values - self.mean) / self.scale

    def decode(self, outputs: Tensor) -> Tensor:
        """(N,) standardised -> (N,) float32 in the quantity's unit."""
        return outputs.float() * self.scale + self.mean


class ReconstructionHead(nn.Linear):
    """(N, F) -> (N, s, s): the crop as `reconstruction_target` makes it, s the side of RECONSTRUCTION.

    Features from which the crop can be rebuilt keep more of it than the labels ask for, which regularises what is
    learnt from few of them (supervised auto-encoders: Le, Patterson and White, NeurIPS 2018). The head is linear, so
    that what is rebuilt lies in the shared features and not in a decoder of its own.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, RECONSTRUCTION.side**2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).unflatten(-1, (RECONSTRUCTION.side, RECONSTRUCTION.side))


def reconstruction_target(crops: Tensor) -> Tensor:
    """What is rebuilt of crops: in grey, so small that a face's shape and turn are left and its texture is not, with
    the mean of each crop taken off and its standard deviation divided out: brightness and contrast say nothing of the
    face, and a loss would be mostly of them (masked auto-encoders learn more from normalised pixels, too: He et al.,
    CVPR 2022).

    crops: (N, S, S, 3) uint8 RGB -> (N, s, s) float32, averages over areas. A crop of one grey is 0 everywhere.
    """
    grey = Grey()(crops.permute(0, 3, 1, 2).float())  # (N, 1, S, S)
    small = F.interpolate(grey, (RECONSTRUCTION.side, RECONSTRUCTION.side), mode="area")[:, 0]
    spread, mean = torch.std_mean(small, dim=(1, 2), correction=0, keepdim=True)
    return (small - mean) / spread.clamp_min(1.0)  # at least a step of grey, or the noise of an even crop would count
