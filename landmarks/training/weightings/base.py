"""What every weighting is: one way to make one step out of several losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

Losses = dict[str, Tensor]
Factors = dict[str, float]
Parameters = list[nn.Parameter]


class Weighting(nn.Module):
    """The base of all and, as it stands, `fixed`: the sum of the losses times the tasks' weights, 1 where not given.

    What a weighting learns are parameters, to be optimised with the network's but without weight decay; what else must
    outlive an interruption are buffers. Raises ValueError for tasks or weights that cannot be.
    """

    looks_again = False
    """Whether `look_again` is to be called, for which each batch goes forward a second time."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float]) -> None:
        super().__init__()
        if not tasks or len(set(tasks)) < len(tasks):
            raise ValueError("a weighting needs at least one task and none twice")
        for task, weight in task_weights.items():
            if not (math.isfinite(weight) and weight >= 0):
                raise ValueError(f"the weight of {task} must be 0 or more, not {weight}")
        self.tasks = tuple(tasks)
        self.task_weights = dict(task_weights)

    def factors(self, history: Sequence[dict[str, Any]]) -> Factors:
        """Each task's factor for the coming epoch, from the log's rows of the past ones and nothing else.

        The same rows give the same factors, or else an interrupted training would go on differently.
        """
        return {task: self.task_weights.get(task, 1.0) for task in self.tasks}

    def backward(self, losses: Losses, factors: Factors, shared: Parameters, last_shared: Parameters) -> None:
        """Add to `.grad` of all that the losses depend on, and of the weighting's own parameters.

        losses: scalars by name; one that is no task of the weighting's, such as the expected errors', is added times
        its factor or else its task weight. factors: of every task; 0: the task has stopped. shared: all parameters
        that more than one task uses; last_shared: those of the last shared layer.
        """
        running = self._running(losses, factors)
        descend([factor * self._term(name, losses[name]) for name, factor in running.items()])

    def after_step(self) -> None:
        """To be called after each of the optimiser's steps."""

    def look_again(self, losses: Losses) -> None:
        """To be called after a step where `looks_again`, with the losses that the same batch has now."""

    def _term(self, name: str, loss: Tensor) -> Tensor:
        """What is minimised of a loss, before its factor."""
        return loss

    def _running(self, losses: Losses, factors: Factors) -> Factors:
        """The factor of every loss that counts."""
        used = {
            name: factors[name] if name in self.tasks else factors.get(name, self.task_weights.get(name, 1.0))
            for name in losses
        }
        return {name: factor for name, factor in used.items() if factor > 0}


def descend(terms: Sequence[Tensor], retain_graph: bool = False) -> None:
    """Go back from the sum of the terms, if there are any."""
    if terms:
        sum(terms[1:], terms[0]).backward(retain_graph=retain_graph)


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """Its gradient; zeros where it has none yet."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
