"""Muon for inner kernels, AdamW for the rest: steps in which every direction of a kernel is as long as any other.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024 (kellerjordan.github.io/posts/muon).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x^3, x^5: in ROUNDS rounds singular values between 0.01 and 1 come to lie about 1."""
ROUNDS = 5


class Muon(AdamW):
    """A group whose `orthogonal` is true has kernels (outputs, inputs, h, w) or matrices (outputs, inputs), which Muon
    steps along; AdamW the others.

    The rate of such a group is about the spectral norm of a step, more where a kernel has more outputs than inputs.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients that the parameters have."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not _turned(group)]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            for kernel in group["params"] if _turned(group) else []:
                if kernel.grad is not None:
                    self._turn(kernel, group)

    def _turn(self, kernel: Tensor, group: dict[str, Any]) -> None:
        state, gradient = self.state[kernel], kernel.grad
        assert gradient is not None
        if "momentum" not in state:
            # AdamW wants to see a number of steps in all that is put back into it.
            state |= {"step": torch.zeros(()), "momentum": torch.zeros_like(kernel)}
        momentum = state["momentum"].lerp_(gradient, 1 - MOMENTUM)
        ahead = gradient.lerp(momentum, MOMENTUM).flatten(1)
        longer = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
        kernel.mul_(1 - group["lr"] * group["weight_decay"])
        kernel.sub_(orthogonal(ahead).reshape(kernel.shape), alpha=group["lr"] * longer)


def _turned(group: dict[str, Any]) -> bool:
    """Whether Muon steps along a group's kernels; states of earlier versions do not say, and had AdamW for all."""
    return bool(group.get("orthogonal"))


def orthogonal(matrix: Tensor) -> Tensor:
    """(M, N) -> (M, N) with the same singular vectors and singular values near 1, by Newton and Schulz's iteration.

    Each round multiplies by a polynomial of the Gram matrix of the shorter side, and Gram matrix and polynomials
    commute: so the rounds are made on that side alone, and the matrix itself is multiplied once, by all of them.
    """
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / x.norm().clamp(min=1e-7)
    first, third, fifth = QUINTIC
    gram, turn = x @ x.T, None
    for number in range(1, ROUNDS + 1):
        factor = torch.addmm(gram, gram, gram, beta=third, alpha=fifth)
        factor.diagonal().add_(first)
        turn = factor if turn is None else factor @ turn
        if number < ROUNDS:
            gram = factor @ gram @ factor
    x = turn @ x
    return x if wide else x.T


def groups_of(
    network: nn.Module,
    inner: Iterable[nn.Parameter],
    muon_rate: float,
    weight_decay: float,
    bare: Sequence[nn.Parameter] = (),
) -> list[dict[str, Any]]:
    """A network's parameters in groups as `Muon` takes them: AdamW's with weight decay, AdamW's without, Muon's.

    inner: what Muon may take, of which it takes kernels and matrices, at `muon_rate`; 0: AdamW takes all. Kernels of
    one channel (depthwise) stay AdamW's: they have no directions to even out. Biases and normalisation have no weight
    decay, nor have `bare` ones, parameters of the network or of what learns beside it.
    """
    undecayed = {id(parameter) for parameter in bare}
    kernels = [p for p in network.parameters() if p.ndim > 1 and id(p) not in undecayed]
    decayed = {id(p) for p in kernels}
    others = [p for p in network.parameters() if id(p) not in decayed]
    within = {id(p) for p in others}
    may = {id(parameter) for parameter in inner} if muon_rate else set()
    turned = [p for p in kernels if id(p) in may and p.shape[1] > 1]
    kept = {id(p) for p in turned}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in kernels if id(p) not in kept], "weight_decay": weight_decay, "orthogonal": False},
        {"params": others + [p for p in bare if id(p) not in within], "weight_decay": 0.0, "orthogonal": False},
        {"params": turned, "weight_decay": weight_decay, "lr": muon_rate, "orthogonal": True},
    ]
    return [group for group in groups if group["params"]]
