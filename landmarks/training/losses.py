"""Losses of each kind of task. Absent labels are masked: they neither add to a loss nor to what it is divided by."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from landmarks.models.heads import SimCC
from landmarks.models.network import NetworkConfig
from landmarks.schemes import ABSENT, SCHEMES


def points_loss(codec: SimCC, logits: Tensor, points: Tensor, distance_weight: float) -> Tensor:
    """How far the predicted bins are from the target bins and the decoded points from the labels.

    The Kullback-Leibler divergence, averaged over the axes, shapes the bins; the Euclidean distance of their
    expectation is what is measured in the end. Averaged over the labelled points inside the crop.

    logits: (N, K, 2, B); points: (N, K, 2) crop pixels, NaN where absent; distance_weight: of a pixel of distance
    beside a nat of divergence.
    """
    mask = codec.inside(points)
    labelled = torch.where(mask[..., None], points, 0.0)
    predicted = F.log_softmax(logits.float(), dim=-1)
    divergence = F.kl_div(predicted, codec.encode(labelled), reduction="none").sum(dim=-1).mean(dim=-1)
    distance = (codec.decode(logits) - labelled).square().sum(dim=-1).add(1e-6).sqrt()  # smooth where it is 0
    loss = divergence + distance_weight * distance
    return (loss * mask).sum() / mask.sum().clamp(min=1)


def attribute_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over the labelled faces. logits: (N, C); labels: (N,), ABSENT where absent."""
    total = F.cross_entropy(logits.float(), labels, ignore_index=ABSENT, reduction="sum")
    return total / (labels != ABSENT).sum().clamp(min=1)


def task_losses(
    config: NetworkConfig, outputs: dict[str, Tensor], batch: dict[str, Tensor], distance_weight: float
) -> dict[str, Tensor]:
    """The unweighted loss of every task."""
    return {
        task: points_loss(config.codec, outputs[task], batch[task], distance_weight)
        if task in SCHEMES
        else attribute_loss(outputs[task], batch[task])
        for task in config.tasks
    }
