"""Dynamic weight average."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from landmarks.training.history import losses_of
from landmarks.training.weightings.base import Factors, Weighting


class DynamicAverage(Weighting):
    """Dynamic weight average (Liu et al., CVPR 2019): the less a task's training loss fell in the last epoch, the more
    it counts. Factors are a softmax of the losses' ratios over the temperature, times the number of tasks; equal in the
    first two epochs. A task that was not measured twice keeps its weight, and the others share theirs."""

    def __init__(self, tasks: tuple[str, ...], task_weights: dict[str, float], temperature: float = 2.0) -> None:
        super().__init__(tasks, task_weights)
        if not temperature > 0:
            raise ValueError(f"dwa's temperature must be positive, not {temperature}")
        self.temperature = temperature

    def factors(self, history: Sequence[dict[str, Any]]) -> Factors:
        weights = super().factors(history)
        if len(history) < 2:
            return weights
        ratios = {}
        for task in self.tasks:
            before, last = losses_of(history[-2:], "train", task)
            if before > 0 and math.isfinite(last / before):
                ratios[task] = last / before
        highest = max(ratios.values(), default=0.0)
        powers = {task: math.exp((ratio - highest) / self.temperature) for task, ratio in ratios.items()}
        total = sum(powers.values())
        return weights | {task: weights[task] * len(powers) * power / total for task, power in powers.items()}
