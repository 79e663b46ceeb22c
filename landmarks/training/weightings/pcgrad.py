"""PCGrad."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landmarks.training.weightings.gradients import GradientWeighting


class ProjectedGradients(GradientWeighting):
    """PCGrad (Yu et al., NeurIPS 2020): where two tasks' gradients on the shared parameters point against each other,
    each loses its part along the other; what remains is added up.

    The random order is drawn from the number of steps made, so that an interruption does not change it.
    """

    steps: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def combine(self, gradients: Tensor) -> Tensor:
        added = project(gradients, np.random.default_rng(int(self.steps)))
        self.steps += 1
        return added


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
