"""How the tasks' gradients lie to the main task's: cosine 1 where both pull the shared part of a network the same way,
-1 where they pull against each other, 0 where neither knows of the other (Du et al., "Adapting Auxiliary Losses Using
Gradient Similarity", arXiv 1812.02224, 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Cosines:
    """Measures the cosines every so many steps, and adds up what they come to."""

    def __init__(self, every: int, step: int) -> None:
        """every: steps from one measurement to the next, 0: never; step: number of the coming step, from 0."""
        self.every, self.step = every, step
        self._found: dict[str, list[float]] = {}

    def __call__(self, losses: Mapping[str, Tensor], tasks: Sequence[str], shared: Sequence[nn.Parameter]) -> None:
        """Measure if it is time, as `gradient_cosines`. To be called before each step; it keeps the losses' graph."""
        if self.every and self.step % self.every == 0:
            for task, cosine in gradient_cosines(losses, tasks, shared).items():
                self._found.setdefault(task, []).append(cosine)
        self.step += 1

    def means(self) -> dict[str, float]:
        """By auxiliary task, the mean over the measurements in which its batch had labels."""
        return {task: sum(found) / len(found) for task, found in self._found.items()}


def gradient_cosines(
    losses: Mapping[str, Tensor], tasks: Sequence[str], shared: Sequence[nn.Parameter]
) -> dict[str, float]:
    """By auxiliary task, the cosine between the gradient of its loss and of the main task's on the shared parameters.

    losses: scalars by task; tasks: the main one first. A pass back to the shared parameters for each task is the price.
    Tasks without a gradient there are left out: a batch without their labels, or nothing shared.
    """
    if len(tasks) < 2 or not shared:
        return {}
    main, *others = (_gradient(losses[task], shared) for task in tasks)
    if not main.any():
        return {}
    gradients = {task: other for task, other in zip(tasks[1:], others) if other.any()}
    return {task: float(main @ other / (main.norm() * other.norm())) for task, other in gradients.items()}


def _gradient(loss: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """(P,) float64 of all parameters, 0 where the loss does not depend on them."""
    if not loss.requires_grad:
        return torch.zeros(1, dtype=torch.float64)
    found = torch.autograd.grad(loss, list(parameters), retain_graph=True, allow_unused=True)
    parts = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found)]
    return torch.cat([part.flatten() for part in parts]).double()
