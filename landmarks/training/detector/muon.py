"""Muon for inner kernels, AdamW for the rest: steps in which every direction of a kernel is as long as any other.

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024 (kellerjordan.github.io/posts/muon).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from landmarks.models.facegrid import FaceGrid

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x^3, x^5: in ROUNDS rounds singular values between 0.01 and 1 come to lie about 1."""
ROUNDS = 5


class Muon(AdamW):
    """A group whose `orthogonal` is true has kernels (outputs, inputs, h, w), which Muon steps along; AdamW the others.

    The rate of such a group is about the spectral norm of a step, more where a kernel has more outputs than inputs.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step along the gradients that the parameters have."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        for group in groups:
            for kernel in group["params"] if group["orthogonal"] else []:
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


def orthogonal(matrix: Tensor) -> Tensor:
    """(M, N) -> (M, N) with the same singular vectors and singular values near 1, by Newton and Schulz's iteration."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / x.norm().clamp(min=1e-7)
    first, third, fifth = QUINTIC
    for _ in range(ROUNDS):
        square = x @ x.T
        x = first * x + (third * square + fifth * square @ square) @ x
    return x if wide else x.T


def optimizer_for(network: FaceGrid, rate: float, muon_rate: float, weight_decay: float) -> AdamW:
    """The optimiser of a detector's network. muon_rate: of all kernels but the first and the last ones; 0: all AdamW.

    Weight decay is of kernels alone, not of biases and normalisation.
    """
    outer = {id(p) for part in (network.stem, network.heads) for p in part.parameters()}
    kernels = [p for p in network.parameters() if p.ndim > 1]
    inner = [p for p in kernels if muon_rate and id(p) not in outer]
    turned = {id(p) for p in inner}
    groups = [
        {"params": [p for p in kernels if id(p) not in turned], "weight_decay": weight_decay, "orthogonal": False},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0, "orthogonal": False},
        {"params": inner, "weight_decay": weight_decay, "lr": muon_rate, "orthogonal": True},
    ]
    return Muon([group for group in groups if group["params"]], lr=rate)
