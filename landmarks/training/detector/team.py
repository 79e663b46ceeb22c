"""Processes that train one network together, each from its own part of every batch, on one machine's cores.

`torchrun --nproc-per-node 2 -m -- landmarks train ...` starts them. The gradient is the mean of theirs, so that they
keep the same weights (synchronous data-parallel training, as of Goyal et al., arXiv 1706.02677, section 2). Batch
normalisation sees each process's part alone. The leader alone writes and reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from landmarks.errors import LandmarksError

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process among those of its training; by itself unless told otherwise."""

    rank: int = 0
    count: int = 1

    @property
    def leads(self) -> bool:
        """Whether this one writes and reports for all."""
        return self.rank == 0

    def share(self, network: nn.Module) -> None:
        """Put the mean of all processes' gradients in the place of each one's own."""
        if self.count > 1:
            gradients = [p.grad for p in network.parameters() if p.grad is not None]
            flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
            for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
                gradient.copy_(part.view_as(gradient))

    def mean(self, values: Tensor) -> Tensor:
        """The mean of what every process has, which may write to its own."""
        if self.count > 1:
            distributed.all_reduce(values)
            values /= self.count
        return values

    def any(self, flag: bool) -> bool:
        """Whether it is so in any process."""
        return bool(self.mean(torch.tensor(float(flag))) > 0)

    def in_turn(self, do: Callable[[], T]) -> T:
        """What every process does, first the leader, so that the others find what it wrote."""
        if self.leads:
            done = do()
        if self.count > 1:
            distributed.barrier()
        return done if self.leads else do()


ALONE = Team()


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """The processes that torchrun started, or this one alone. Raises LandmarksError for several on a GPU."""
    if not distributed.is_torchelastic_launched():
        yield ALONE
        return
    if device != "cpu":
        raise LandmarksError(f"several processes train on a CPU, not on {device}; give --device cpu, or no torchrun")
    distributed.init_process_group("gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
