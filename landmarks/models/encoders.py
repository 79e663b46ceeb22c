"""Encoders: a crop in, features out. `compact` is ours: plain strided 3x3 convolutions with a few residual blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and, unless told otherwise, ReLU. `fuse` folds the normalisation away."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.activation = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.conv(x)))

    def fuse(self) -> None:
        """Fold the normalisation into the convolution; for inference only."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Residual(nn.Module):
    """Two 3x3 convolutions around which the input is added (He et al., CVPR 2016, basic block)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Compact(nn.Module):
    """(N, 3, S, S) -> (N, features). Four halvings, wide and shallow: what a CPU computes fast."""

    WIDTHS = (24, 64, 128, 192)
    BLOCKS = (0, 0, 1, 1)
    SQUEEZE = 64

    def __init__(self, input_size: int, features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = 3, input_size
        for width, blocks in zip(self.WIDTHS, self.BLOCKS):
            layers.append(ConvNorm(channels, width, stride=2))
            layers += [Residual(width) for _ in range(blocks)]
            channels, side = width, (side + 1) // 2
        layers.append(ConvNorm(channels, self.SQUEEZE, kernel=1))
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(self.SQUEEZE * side * side, features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # (N, 3, S, S) -> (N, SQUEEZE, S / 16, S / 16)
        return torch.relu(self.project(x.flatten(1)))


ENCODERS = {"compact": Compact}
