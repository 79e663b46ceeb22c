"""Losses of each kind of task. Absent labels are masked: they neither add to a loss nor to what it is divided by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from landmarks.datasets.table import LABEL_ERRORS
from landmarks.errors import unknown
from landmarks.models.heads import Codec, QuantityHead, SimCC, reconstruction_target
from landmarks.models.network import Network, error_name, quantity_heads
from landmarks.schemes import ABSENT, RECONSTRUCTION

WING_WIDTH, WING_CURVATURE = 0.06, 0.012
"""Wing's w and epsilon (Feng et al., CVPR 2018: 10 and 2 px of a face of about 170 px), as shares of the side."""


HALF_TRUST = 0.02
"""Share of the crop's side that a point may be off to count half."""


def euclidean(difference: Tensor) -> Tensor:
    """Distance; what is measured in the end."""
    return difference.square().sum(dim=-1).add(1e-8).sqrt()  # smooth where it is 0


def least_squares(difference: Tensor) -> Tensor:
    """Half the squared distance (TCDCN, Zhang et al., ECCV 2014)."""
    return 0.5 * difference.square().sum(dim=-1)


def smooth_l1(difference: Tensor) -> Tensor:
    """Quadratic within 2 % of the crop's side, linear beyond (Girshick, ICCV 2015), summed over the axes."""
    return F.smooth_l1_loss(difference, torch.zeros_like(difference), beta=0.02, reduction="none").sum(dim=-1)


def wing(difference: Tensor) -> Tensor:
    """Logarithmic near 0, so that small errors count, linear beyond (Feng et al., CVPR 2018), summed over the axes."""
    size = difference.abs()
    near = WING_WIDTH * torch.log1p(size / WING_CURVATURE)
    offset = WING_WIDTH - WING_WIDTH * torch.log1p(torch.tensor(WING_WIDTH / WING_CURVATURE)).to(size)
    return torch.where(size < WING_WIDTH, near, size - offset).sum(dim=-1)


DISTANCES: dict[str, Callable[[Tensor], Tensor]] = {
    "euclidean": euclidean,
    "least_squares": least_squares,
    "smooth_l1": smooth_l1,
    "wing": wing,
}
"""(..., 2) differences as shares of the crop's side -> (...) how bad they are."""


@dataclass(frozen=True)
class PointsLoss:
    """How far predicted points are from the labels: the divergence of their bins, where they have any, and the
    distance of the decoded points. Soft-argmax (integral regression, Sun et al., ECCV 2018) is bins with no weight on
    the divergence."""

    divergence_weight: float = 1.0
    """Of a nat of Kullback-Leibler divergence between target and predicted bins, mean over the axes."""
    distance_weight: float = 150.0
    """Of a distance of the crop's side."""
    distance: str = "euclidean"
    """A name in DISTANCES."""

    def __post_init__(self) -> None:
        if self.distance not in DISTANCES:
            raise ValueError(unknown("distance", self.distance, DISTANCES))

    def __call__(self, codec: Codec, outputs: Tensor, points: Tensor, label_errors: Tensor | None = None) -> Tensor:
        """outputs: (N, K, 2, V); points: (N, K, 2) crop pixels, NaN where absent -> mean over the learnable points.

        label_errors: (N, K) crop pixels that the points may be off, None where they are people's: a point counts the
        less the more it may be off, half of one that is certain at HALF_TRUST.
        """
        mask = codec.inside(points)
        trust = 1.0 if label_errors is None else 1 / (1 + (label_errors[mask] / (HALF_TRUST * codec.size)).square())
        outputs, points = outputs[mask].float(), points[mask]  # (M, 2, V), (M, 2): most faces lack some scheme
        loss = self.distance_weight * DISTANCES[self.distance]((codec.decode(outputs) - points) / codec.size)
        if isinstance(codec, SimCC) and self.divergence_weight:
            target = codec.encode(points)
            divergence = F.kl_div(F.log_softmax(outputs, dim=-1), target, reduction="none").sum(dim=-1).mean(dim=-1)
            loss = loss + self.divergence_weight * divergence
        return (loss * trust).sum() / max(len(loss), 1)


def error_loss(
    codec: Codec, log_errors: Tensor, outputs: Tensor, points: Tensor, label_errors: Tensor | None = None
) -> Tensor:
    """How badly the expected errors tell the errors: the negative log-likelihood of distances under an exponential
    distribution of that mean. The points are not moved by it.

    log_errors: (N, K) logs of shares of the crop's side; outputs: (N, K, 2, V); points: (N, K, 2) crop pixels;
    label_errors: (N, K) crop pixels that the points may be off, which adds to their distances as squares do.
    """
    mask = codec.inside(points)
    distance = (codec.decode(outputs.detach()[mask]) - points[mask]).norm(dim=-1) / codec.size
    if label_errors is not None:
        distance = torch.hypot(distance, label_errors[mask] / codec.size)
    log_errors = log_errors[mask].float().clamp(-9, 3)
    loss = log_errors + distance * torch.exp(-log_errors)
    return loss.sum() / max(len(loss), 1)


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the labelled faces. logits: (N, C); labels: (N,), ABSENT where absent."""
    total = F.cross_entropy(logits.float(), labels, ignore_index=ABSENT, reduction="sum")
    return total / (labels != ABSENT).sum().clamp(min=1)


def quantity_loss(head: QuantityHead, outputs: Tensor, values: Tensor) -> Tensor:
    """Smooth L1 (Girshick, ICCV 2015) of the standardised value over the labelled faces: quadratic within a standard
    deviation, linear beyond. outputs: (N,); values: (N,) in the quantity's unit, NaN where absent."""
    known = torch.isfinite(values)
    total = F.smooth_l1_loss(outputs[known].float(), head.encode(values[known]), reduction="sum")
    return total / known.sum().clamp(min=1)


def reconstruction_loss(outputs: Tensor, crops: Tensor) -> Tensor:
    """Mean squared error over a crop's variance, which the target has divided out: 0 for the crop itself, 1 for its
    mean grey. outputs: (N, s, s); crops: (N, S, S, 3) uint8, what the network saw."""
    return F.mse_loss(outputs.float(), reconstruction_target(crops))


def task_losses(
    network: Network, outputs: dict[str, Tensor], batch: dict[str, Tensor], points_loss: PointsLoss
) -> dict[str, Tensor]:
    """The unweighted loss of every task, and of the expected errors of every scheme."""
    config = network.config
    codec = config.codec
    doubts = {task: batch.get(LABEL_ERRORS[task]) for task in config.schemes}
    losses = {task: points_loss(codec, outputs[task], batch[task], doubts[task]) for task in config.schemes}
    losses |= {task: attribute_loss(outputs[task], batch[task]) for task in config.attributes}
    losses |= {task: quantity_loss(head, outputs[task], batch[task]) for task, head in quantity_heads(network).items()}
    if RECONSTRUCTION.name in config.tasks:
        losses[RECONSTRUCTION.name] = reconstruction_loss(outputs[RECONSTRUCTION.name], batch["crop"])
    for task in config.schemes:
        losses[error_name(task)] = error_loss(
            codec, outputs[error_name(task)], outputs[task], batch[task], doubts[task]
        )
    return losses
