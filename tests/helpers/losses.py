"""A toy network of three tasks, for the tests of weightings."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest
import torch
from torch import nn

from landmarks.errors import LandmarksError
from landmarks.training.weightings.create import Weighting, create_weighting

TASKS = ("points_5", "smile", "pose")


EQUAL = dict.fromkeys(TASKS, 1.0)


def create(name: str, options: Mapping[str, float] = MappingProxyType({})) -> Weighting:
    """A weighting of the three tasks; skips the test where packages that it needs are missing."""
    try:
        return create_weighting(name, TASKS, {}, options)
    except LandmarksError as error:
        pytest.skip(str(error))


class Toy(nn.Module):
    """A shared part of two layers and a head a task."""

    def __init__(self, tasks=TASKS):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 4)
        self.heads = nn.ModuleDict({task: nn.Linear(4, 2) for task in tasks})
        self.shared = [*self.first.parameters(), *self.last.parameters()]
        self.passes = 0

    def losses(self, scale=EQUAL):
        hidden = torch.tanh(self.first(torch.linspace(-1, 1, 18).view(3, 6)))
        hidden.register_hook(self._count)
        features = self.last(hidden)
        return {task: scale.get(task, 1.0) * head(features).square().mean() for task, head in self.heads.items()}

    def _count(self, gradient):
        self.passes += 1

    def gradients(self):
        return {name: None if p.grad is None else p.grad.clone() for name, p in self.named_parameters()}

    def backward(self, weighting, factors, losses=None):
        weighting.backward(losses or self.losses(), factors, self.shared, list(self.last.parameters()))
        return self.gradients()


def same(left, right, **tolerance):
    assert left.keys() == right.keys()
    for name in left:
        assert (left[name] is None) == (right[name] is None), name
        if left[name] is not None:
            torch.testing.assert_close(left[name], right[name], **tolerance)


def plain(factors):
    """Gradients of the weighted sum."""
    toy = Toy()
    sum(factors[task] * loss for task, loss in toy.losses().items() if task in factors).backward()
    return toy.gradients()


def row(train=None, val=None, epoch=0):
    return {"epoch": epoch, "train": train or {}} | ({} if val is None else {"val": val})
