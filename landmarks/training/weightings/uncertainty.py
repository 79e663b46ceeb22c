"""Homoscedastic uncertainty."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from landmarks.schemes import SCHEMES
from landmarks.training.weightings.base import Weighting


class Uncertainty(Weighting):
    """Homoscedastic uncertainty (Kendall et al., CVPR 2018). Each task has a learnt log variance s: landmarks cost
    L / (2 e^s) + s / 2, other tasks L / e^s + s / 2, both times the task's factor.

    For a steady loss the best s is log L, or log 2L for other tasks: a task counts in inverse proportion to its loss.
    The first form is derived for squared errors; it is used for the landmarks' loss whatever that is.
    """

    LIMIT = 5.0
    """s is kept within plus and minus this, or the weight of a task that is learnt by heart would grow without end."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.log_variances = nn.Parameter(torch.zeros(len(tasks)))

    def after_step(self) -> None:
        with torch.no_grad():  # clamped here, not in the term: beyond its limits s would have no gradient to come back
            self.log_variances.clamp_(-self.LIMIT, self.LIMIT)

    def _term(self, name: str, loss: Tensor) -> Tensor:
        if name not in self.tasks:
            return loss
        s = self.log_variances[self.tasks.index(name)]
        scale = 0.5 if name in SCHEMES else 1.0
        labelled = loss.detach() > 0  # a batch without labels has a loss of 0, which tells nothing of s
        return scale * loss * torch.exp(-s) + labelled * s / 2
