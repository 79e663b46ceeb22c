"""Weightings that go by the gradients of all tasks at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from landmarks.training.weightings.base import Factors, Losses, Parameters, Weighting, descend, gradient_of


class GradientWeighting(Weighting):
    """Puts the tasks' gradients on the shared parameters together, as `combine` says.

    Parameters of a single task, and what is no task, get their plain gradients. A whole backward pass for each task is
    the price.
    """

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = self._running(losses, factors)
        before = [parameter.grad for parameter in shared]
        tasks, rows = [name for name in running if name in self.tasks], []
        for name in tasks:
            _set_gradients(shared, [None] * len(shared))
            descend([running.pop(name) * losses[name]], retain_graph=True)
            rows.append([gradient_of(parameter).flatten() for parameter in shared])
        _set_gradients(shared, before)
        descend([factor * losses[name] for name, factor in running.items()])
        if rows and shared:
            gradients = torch.stack([torch.cat(row) for row in rows])
            added = self.combine(gradients) if len(rows) > 1 else gradients[0]
            for parameter, part in zip(shared, added.split([parameter.numel() for parameter in shared])):
                parameter.grad = gradient_of(parameter) + part.view_as(parameter)

    @abstractmethod
    def combine(self, gradients: Tensor) -> Tensor:
        """The gradient of all. gradients: (T, P), a row for each of two or more running tasks -> (P,)."""


def _set_gradients(parameters: Parameters, gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient
