"""Random loss weighting."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from landmarks.training.weightings.base import Factors, Losses, Parameters, Weighting, descend


class RandomWeights(Weighting):
    """Random loss weighting (Lin et al., TMLR 2022), the baseline that a weighting must beat: in every step the running
    tasks' weights are the softmax of normal numbers, here times the number of those tasks, so that a step is as long as
    with equal weights. They are drawn from the number of steps made, so that an interruption does not change them."""

    steps: Tensor

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__(tasks, task_weights)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = self._running(losses, factors)
        tasks = [name for name in running if name in self.tasks]
        powers = np.exp(np.random.default_rng(int(self.steps)).normal(size=len(tasks)))
        drawn = dict(zip(tasks, (len(tasks) * powers / powers.sum()).tolist()))
        descend([drawn.get(name, 1.0) * factor * losses[name] for name, factor in running.items()])
        self.steps += 1
