"""Fast adaptive multitask optimisation."""

from __future__ import annotations

import torch
from torch import Tensor

from landmarks.training.weightings.base import Factors, Losses, Parameters, Weighting, descend


class Famo(Weighting):
    """FAMO (Liu et al., NeurIPS 2023, algorithm 1): all losses are to fall at the same rate, which is seen by looking
    at the batch again after each step.

    Its weights are a softmax over the tasks' logits, each over its task's loss, here with a sum of the number of
    running tasks, so that a step is as long as with equal weights. Task weights other than 0 make no difference: a
    logarithm falls alike whatever its loss is multiplied by.
    """

    LEAST = 1e-8
    """Added to losses, of which logarithms are taken."""
    BETAS = (0.9, 0.999)
    """Decays of Adam's averages."""

    looks_again = True
    logits: Tensor
    first_moments: Tensor
    second_moments: Tensor
    updates: Tensor

    def __init__(
        self, tasks: tuple[str, ...], task_weights: dict[str, float], rate: float = 0.025, decay: float = 1e-3
    ) -> None:
        """rate: of the logits' Adam; decay: added to their gradient times themselves (the paper's gamma)."""
        super().__init__(tasks, task_weights)
        if not (rate > 0 and decay >= 0):
            raise ValueError(f"famo's rate must be positive and its decay 0 or more, not {rate} and {decay}")
        self.rate, self.decay = rate, decay
        for name in (
            "logits",
            "first_moments",
            "second_moments",
        ):  # buffers: no part of what the network's optimiser has
            self.register_buffer(name, torch.zeros(len(tasks), dtype=torch.float64))
        self.register_buffer("updates", torch.zeros(len(tasks), dtype=torch.int64))
        self._before: Losses = {}

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        running = self._running(losses, factors)
        # A batch without labels of a task has a loss of 0, which tells nothing.
        self._before = {name: losses[name].detach() for name in running if name in self.tasks and losses[name] > 0}
        weights = {}
        if self._before:
            over = torch.stack([1 / (loss.double() + self.LEAST) for loss in self._before.values()])
            powers = self._softmax(list(self._before)) * over
            weights = dict(zip(self._before, (len(powers) * powers / powers.sum()).tolist()))
        others = {name: factor for name, factor in running.items() if name not in self.tasks}
        descend([weight * losses[name] for name, weight in (weights | others).items()])

    def look_again(self, losses: Losses) -> None:
        tasks = list(self._before)
        if len(tasks) < 2:
            return
        fell = torch.stack([self._log(self._before[name]) - self._log(losses[name].detach()) for name in tasks])
        where = [self.tasks.index(name) for name in tasks]
        shares = self._softmax(tasks)
        gradient = shares * (fell - (shares * fell).sum()) + self.decay * self.logits[where]
        self.updates[where] += 1
        steps = self.updates[where].double()
        moments = []
        for average, decay, value in zip(
            (self.first_moments, self.second_moments), self.BETAS, (gradient, gradient.square())
        ):
            average[where] = decay * average[where] + (1 - decay) * value
            moments.append(average[where] / (1 - decay**steps))
        self.logits[where] -= self.rate * moments[0] / (moments[1].sqrt() + 1e-8)

    def _softmax(self, tasks: list[str]) -> Tensor:
        return self.logits[[self.tasks.index(name) for name in tasks]].softmax(dim=0)

    def _log(self, loss: Tensor) -> Tensor:
        return (loss.double() + self.LEAST).log()
