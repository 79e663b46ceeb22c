"""Soft parameter sharing: an encoder of its own for every task, a tower, and what ties the towers to each other: a
penalty on their parameters' differences or ranks, or units that mix their activations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from landmarks.errors import unknown

NORMS = ("l2", "trace")
SMOOTHING = 1e-6
"""Singular values far below this have no gradient: see `_trace_norm`."""


class Towers(nn.Module):
    """An encoder for each task. Their first weights are drawn one after the other, so that they differ.

    create: makes an encoder; tasks: names, at least one and none twice. Raises ValueError.
    """

    def __init__(self, create: Callable[[], nn.Module], tasks: tuple[str, ...]) -> None:
        super().__init__()
        if not tasks or len(set(tasks)) < len(tasks):
            raise ValueError("towers need at least one task and none twice")
        self.towers = nn.ModuleDict({task: create() for task in tasks})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x: what an encoder reads -> its features by task."""
        return {task: tower(x) for task, tower in self.towers.items()}


class CrossStitch(Towers):
    """Towers whose activations are mixed after every stage but the last (Misra et al., CVPR 2016):
    x_i' = sum_j a_ij x_j over the towers, with learnt a.

    Mixed is where another stage reads the activations. The last stage's are read by a task's head, which keeps to the
    features of its own tower, as it does in every other kind of sharing. There is one (T, T) matrix for a stage, where
    the paper has one for each of its channels: how much each task takes of each other can then be read off T x T
    numbers, and towers with and without them have nearly as many parameters.

    create: makes an encoder that applies its `stages`, an nn.ModuleList of two or more modules tensor -> tensor, one
    after the other and nothing else. Raises ValueError for others.
    """

    OWN = 0.9
    """First share of a tower's own activations; the others share the rest."""

    def __init__(self, create: Callable[[], nn.Module], tasks: tuple[str, ...]) -> None:
        super().__init__(create, tasks)
        depths = {len(_stages(tower)) for tower in self.towers.values()}
        if min(depths) < 2 or len(depths) > 1:
            raise ValueError("cross-stitch needs encoders of two or more stages, all of as many")
        self.mixes = nn.ParameterList(self._first_mix() for _ in range(depths.pop() - 1))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """x: what an encoder reads -> its features by task."""
        depth = len(self.mixes)
        activations = [x] * len(self.towers)
        columns = zip(*(_stages(tower) for tower in self.towers.values()))  # the towers' stages, depth by depth
        for place, stages in enumerate(columns):
            activations = [stage(activation) for stage, activation in zip(stages, activations)]
            if place < depth:
                stacked = torch.stack(activations)  # (T, N, ...)
                activations = list(torch.tensordot(self.mixes[place].to(stacked.dtype), stacked, dims=1))
        return dict(zip(self.towers, activations))

    def stitches(self) -> list[nn.Parameter]:
        """The mixing matrices, (T, T), row i of what tower i goes on with. The paper learns them 100 to 1000 times as
        fast as the rest; weight decay would pull the activations to 0."""
        return list(self.mixes)

    def _first_mix(self) -> nn.Parameter:
        count = len(self.towers)
        if count == 1:
            return nn.Parameter(torch.ones(1, 1))
        others = (1 - self.OWN) / (count - 1)
        return nn.Parameter(torch.eye(count) * (self.OWN - others) + others)


def _stages(encoder: nn.Module) -> nn.ModuleList:
    stages = getattr(encoder, "stages", None)
    if not isinstance(stages, nn.ModuleList):
        raise ValueError(f"cross-stitch needs an encoder of stages; {type(encoder).__name__} has none")
    return stages


def coupling(towers: Towers, norm: str) -> Tensor:
    """How far the towers are from being one: a penalty to be added to the loss, times a strength. -> ().

    It is summed over the parameter tensors (a layer's weights and its biases are two); running statistics of
    normalisations are no parameters and stay each tower's own. For the T towers' values of a tensor, X of shape (T, p):

    `l2`: sum_i |x_i - mean|^2, which is the sum of |x_i - x_j|^2 over the pairs of towers (Duong et al., ACL 2015;
    Ruder, 2017) over T. A tower's pull is twice its distance from the mean, however many towers there are, so that a
    strength means the same for two towers and for five.

    `trace`: the sum of X's singular values (Yang and Hospedales, 2017), as it stands. What one tower has for itself
    costs its length, however many there are; what all have in common costs a root of T of it, not T. The values are
    smoothed at `SMOOTHING`, so that the gradient is finite where towers are equal or zero.

    Raises ValueError for a norm that is not in `NORMS`; `trace` raises torch.linalg.LinAlgError for parameters that are
    not finite.
    """
    if norm not in NORMS:
        raise ValueError(unknown("norm", norm, NORMS))
    layers = zip(*(tower.parameters() for tower in towers.towers.values()), strict=True)
    stacks = [torch.stack([values.flatten() for values in layer]) for layer in layers]  # each (T, p)
    return _spread(stacks) if norm == "l2" else _trace_norm(stacks)


def _spread(stacks: list[Tensor]) -> Tensor:
    return torch.stack([(stack - stack.mean(dim=0)).square().sum() for stack in stacks]).sum()


def _trace_norm(stacks: list[Tensor]) -> Tensor:
    """Sum of all singular values, from the (T, T) Gram matrices' eigenvalues, whose gradient is finite also where they
    are equal. A root's is not at 0: it is taken of the eigenvalue plus `SMOOTHING` squared. In float64, whose rounding
    of a Gram matrix stays below that for any weights of a network."""
    grams = torch.stack([stack.double() @ stack.double().T for stack in stacks])  # (layers, T, T)
    squares = torch.linalg.eigvalsh(grams).clamp(min=0)
    return ((squares + SMOOTHING**2).sqrt() - SMOOTHING).sum().to(stacks[0])
