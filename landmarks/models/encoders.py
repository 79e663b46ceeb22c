"""Encoders: a crop in, features out. `compact` and `accurate` are ours: plain strided 3x3 convolutions with a few
residual blocks, wide and shallow, which is what a CPU computes fast. `torchvision:NAME` is any convolutional network of
torchvision's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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


class Strided(nn.Module):
    """(N, 3, S, S) -> (N, features). Each stage halves the map, then adds residual blocks; the last map is squeezed
    to few channels and read whole, so that a feature knows where in the crop it was seen."""

    def __init__(
        self, input_size: int, features: int, widths: tuple[int, ...], blocks: tuple[int, ...], squeeze: int
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side = 3, input_size
        for width, count in zip(widths, blocks):
            layers.append(ConvNorm(channels, width, stride=2))
            layers += [Residual(width) for _ in range(count)]
            channels, side = width, (side + 1) // 2
        layers.append(ConvNorm(channels, squeeze, kernel=1))
        self.layers = nn.Sequential(*layers)
        self.project = nn.Linear(squeeze * side * side, features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # (N, 3, S, S) -> (N, squeeze, S / 2^stages, S / 2^stages)
        return torch.relu(self.project(x.flatten(1)))


class Torchvision(nn.Module):
    """(N, 3, S, S) -> (N, features): what stands before the pooling of a torchvision classifier, its map squeezed and
    read whole. Weights start at random: nothing is fetched. Raises ValueError for names that give no such map."""

    SQUEEZE = 64

    def __init__(self, input_size: int, features: int, name: str) -> None:
        super().__init__()
        self.trunk, (channels, height, width) = _trunk(name, input_size)
        self.squeeze = ConvNorm(channels, self.SQUEEZE, kernel=1)
        self.project = nn.Linear(self.SQUEEZE * height * width, features)

    def forward(self, x: Tensor) -> Tensor:
        (x,) = self.trunk(x).values()
        return torch.relu(self.project(self.squeeze(x).flatten(1)))


def _trunk(name: str, input_size: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """A torchvision classifier up to its last map, and the map's shape."""
    from torchvision import models
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

    if name not in models.list_models(module=models):
        raise ValueError(f"torchvision has no classifier {name!r}; see torchvision.models.list_models()")
    model = models.get_model(name, weights=None).eval()
    image = torch.zeros(1, 3, input_size, input_size)
    try:
        with torch.no_grad():
            seen = create_feature_extractor(model, get_graph_node_names(model)[1])(image)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it does not take crops of this size"
        raise ValueError(f"torchvision:{name} cannot read crops of {input_size} pixels ({reason})") from error
    maps = {node: value.shape[1:] for node, value in seen.items() if _is_map(value)}
    if not maps:
        raise ValueError(f"torchvision:{name} has no map before its pooling; choose a convolutional network")
    last, (channels, height, width) = list(maps.items())[-1]
    return create_feature_extractor(model, [last]), (channels, height, width)


def _is_map(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim == 4 and min(value.shape[2:]) > 1


ENCODERS: dict[str, Callable[[int, int], nn.Module]] = {
    "compact": partial(Strided, widths=(24, 64, 128, 176), blocks=(0, 0, 1, 1), squeeze=32),
    "accurate": partial(Strided, widths=(32, 64, 128, 256), blocks=(0, 1, 2, 2), squeeze=64),
}
TORCHVISION = "torchvision:"


def create_encoder(name: str, input_size: int, features: int) -> nn.Module:
    """An encoder by name: one of `ENCODERS` or `torchvision:NAME`. Raises ValueError."""
    if name.startswith(TORCHVISION):
        return Torchvision(input_size, features, name.removeprefix(TORCHVISION))
    return ENCODERS[name](input_size, features)
