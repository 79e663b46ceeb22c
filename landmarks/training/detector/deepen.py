"""A deeper detector that begins by saying what a trained one says (Net2Net: Chen, Goodfellow and Shlens, ICLR 2016,
section 3.2)."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from landmarks.errors import WeightsError
from landmarks.models.facegrid import FaceGrid, FaceGridConfig

STAGES = ("down8", "down16", "down32", "down64")
"""The parts of the network that have further convolutions, as `FaceGridConfig.further` counts them."""


def deepened(network: FaceGrid, config: FaceGridConfig) -> FaceGrid:
    """A network of a config that differs by more further convolutions at most; in evaluation mode it says the same.

    A new convolution passes on what comes in, which its batch normalisation expects to be spread as what the one before
    it gives out: a normal distribution, cut off at 0. Raises WeightsError if the config differs otherwise.
    """
    old = network.config
    less = any(a > b for a, b in zip(old.further, config.further))
    if (old.stem, old.widths) != (config.stem, config.widths) or less:
        raise WeightsError(f"{config}, the weights have {old}; nothing but `further` may differ, and be more")
    deeper = FaceGrid(config)
    for name, part in network.named_children():
        if name not in STAGES:
            deeper.get_submodule(name).load_state_dict(part.state_dict())
    for stage in STAGES:
        known, blocks = _blocks(network, stage), _blocks(deeper, stage)
        for given, block in zip(known, blocks):
            block.load_state_dict(given.state_dict())
        for before, block in zip(blocks[len(known) - 1 :], blocks[len(known) :]):
            _pass_on(block, cast(nn.BatchNorm2d, before[1]))
    return deeper.train(network.training)


def _blocks(network: FaceGrid, stage: str) -> list[nn.Sequential]:
    """The convolutions of a stage, each with what follows it."""
    part = cast(nn.Sequential, network.get_submodule(stage))
    return [part] if isinstance(part[0], nn.Conv2d) else [cast(nn.Sequential, block) for block in part]


@torch.no_grad()
def _pass_on(block: nn.Sequential, before: nn.BatchNorm2d) -> None:
    """Let a convolution, batch normalisation and ReLU give out what comes in, from a ReLU after the one before."""
    kernel, normalisation = cast(nn.Conv2d, block[0]).weight, cast(nn.BatchNorm2d, block[1])
    nn.init.dirac_(kernel)
    mean, variance = rectified(before.bias, before.weight)
    normalisation.running_mean, normalisation.running_var = mean.clone(), variance.clone()
    normalisation.weight.copy_((variance + normalisation.eps).sqrt())
    normalisation.bias.copy_(mean)


def rectified(mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of max(x, 0), x normal with this mean and standard deviation (of either sign)."""
    spread = spread.abs().clamp(min=1e-6)
    z = mean / spread
    below = 0.5 * (1 + torch.erf(z / math.sqrt(2)))
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    first = mean * below + spread * density
    second = (mean.square() + spread.square()) * below + mean * spread * density
    return first, (second - first.square()).clamp(min=0)
