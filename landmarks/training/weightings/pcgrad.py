"""PCGrad."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from landmarks.training.weightings.base import Factors, Losses, Parameters, Weighting, descend, gradient_of


class ProjectedGradients(Weighting):
    """PCGrad (Yu et al., NeurIPS 2020): where two tasks' gradients on the shared parameters point against each other,
    each loses its part along the other; what remains is added up.

    Parameters of a single task, and what is no task, get their plain gradients. A whole backward pass for each task is
    the price. The random order is drawn from the number of steps made, so that an interruption does not change it.
    """

    steps: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = self._running(losses, factors)
        before = [parameter.grad for parameter in shared]
        rows = []
        for name in [name for name in running if name in self.tasks]:
            _set_gradients(shared, [None] * len(shared))
            descend([running.pop(name) * losses[name]], retain_graph=True)
            rows.append([gradient_of(parameter).flatten() for parameter in shared])
        _set_gradients(shared, before)
        descend([factor * losses[name] for name, factor in running.items()])
        if rows and shared:
            added = project(torch.stack([torch.cat(row) for row in rows]), np.random.default_rng(int(self.steps)))
            for parameter, part in zip(shared, added.split([parameter.numel() for parameter in shared])):
                parameter.grad = gradient_of(parameter) + part.view_as(parameter)
        self.steps += 1


def project(gradients: Tensor, order: np.random.Generator) -> Tensor:
    """Sum of the projected gradients (Yu et al., NeurIPS 2020, algorithm 1). gradients: (T, P), a row a task -> (P,).

    A projected gradient is a mixture of the given ones, so that all is told by their scalar products.
    """
    products = (gradients @ gradients.T).double().cpu().numpy()
    mixtures = np.eye(len(products))
    for task, mixture in enumerate(mixtures):
        for other in order.permutation(len(products)):
            along = mixture @ products[:, other]
            if other != task and along < 0:
                mixture[other] -= along / products[other, other]
    return torch.from_numpy(mixtures.sum(axis=0)).to(gradients) @ gradients


def _set_gradients(parameters: Parameters, gradients: Sequence[Tensor | None]) -> None:
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient
