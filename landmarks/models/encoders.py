"""Encoders: a crop in, features out.

`compact` and `accurate` are ours: plain strided 3x3 convolutions with a few residual blocks, wide and shallow, which is
what a CPU computes fast. `compact-multiscale` and `accurate-multiscale` read the map before the last one, too. `lite0`,
`lite1` and `lite2` can begin from ImageNet. `tcdcn` and `tcdcn-journal` are the networks of the papers that the
comparison is about.
`torchvision:NAME` and `timm:NAME` are any convolutional network of theirs, `module:Class` is one of your own: a torch
module that is made as `Class(input_size, features, width=1.0)` and maps normalised crops (N, 3, S, S) to (N, features).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from landmarks.dotted import CodeMissing, imported, is_dotted
from landmarks.models.config import TIMM, TORCHVISION


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and an activation. `fuse` folds the normalisation away."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        activation: Callable[[], nn.Module] = partial(nn.ReLU, inplace=True),
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)
        self.activation = activation()

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
        self.second = ConvNorm(channels, channels, activation=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Strided(nn.Module):
    """(N, 3, S, S) -> (N, features). Each stage halves the map, then adds residual blocks; the last map is squeezed
    to few channels and read whole, so that a feature knows where in the crop it was seen."""

    def __init__(
        self,
        input_size: int,
        features: int,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        squeeze: int,
        width: float = 1.0,
    ) -> None:
        """widths, blocks: channels and residual blocks of each stage; width: factor on the channels."""
        super().__init__()
        stages = _halving_stages(widths, blocks, width)
        channels, side = _channels(widths, width)[-1], _side(input_size, len(stages))
        self.layers = nn.Sequential(*chain(*stages), ConvNorm(channels, squeeze, kernel=1))
        self.project = nn.Linear(squeeze * side * side, features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)  # (N, 3, S, S) -> (N, squeeze, S / 2^stages, S / 2^stages)
        return torch.relu(self.project(x.flatten(1)))


class MultiScale(nn.Module):
    """(N, 3, S, S) -> (N, features): `Strided`, with the map before the last one squeezed and read as well, so that
    what is small in the crop keeps its place (as in PFLD, Guo et al., 2019, which reads its last three)."""

    def __init__(
        self,
        input_size: int,
        features: int,
        widths: tuple[int, ...],
        blocks: tuple[int, ...],
        squeeze: tuple[int, int],
        width: float = 1.0,
    ) -> None:
        """As `Strided`; squeeze: to how many channels the map before the last one and the last one are squeezed."""
        super().__init__()
        *before, last = _halving_stages(widths, blocks, width)
        channels, sides = _channels(widths, width)[-2:], [_side(input_size, len(before) + n) for n in (0, 1)]
        self.before, self.last = nn.Sequential(*chain(*before)), nn.Sequential(*last)
        self.squeeze = nn.ModuleList([ConvNorm(of, to, kernel=1) for of, to in zip(channels, squeeze)])
        self.project = nn.Linear(sum(to * side**2 for to, side in zip(squeeze, sides)), features)

    def forward(self, x: Tensor) -> Tensor:
        x = self.before(x)  # (N, 3, S, S) -> (N, channels, S / 2^(stages - 1), S / 2^(stages - 1))
        maps = zip(self.squeeze, (x, self.last(x)))
        return torch.relu(self.project(torch.cat([squeeze(seen).flatten(1) for squeeze, seen in maps], dim=1)))


def _halving_stages(widths: tuple[int, ...], blocks: tuple[int, ...], width: float) -> list[list[nn.Module]]:
    """Stages that each halve the map and add residual blocks."""
    channels = _channels(widths, width)
    return [
        [ConvNorm(inputs, outputs, stride=2), *(Residual(outputs) for _ in range(count))]
        for inputs, outputs, count in zip([3, *channels], channels, blocks)
    ]


def _channels(widths: tuple[int, ...], width: float) -> list[int]:
    return [round(channels * width) for channels in widths]


def _side(input_size: int, stages: int) -> int:
    """Side of the map after stages that each halve it, rounded up."""
    return -(-input_size // 2**stages)


GREY_MIDDLE, GREY_SPREAD = 127.5, 64
"""From 0 to 255 to about -2 to 2: less the one, over the other."""
LUMA = (0.299, 0.587, 0.114)
"""Grey of red, green and blue (ITU-R BT.601)."""


class Papers(nn.Module):
    """(N, 3, S, S) -> (N, features): the networks of the TCDCN papers, on grey crops.

    Unpadded convolutions, each but the last with 2x2 pooling, then a fully connected layer. `stages`, applied in
    sequence, are what towers exchange in cross-stitch networks. Raises ValueError if nothing is left of crops so small.
    """

    def __init__(
        self,
        input_size: int,
        features: int,
        layers: tuple[tuple[int, int], ...],
        activation: Callable[[bool], nn.Module],
        width: float = 1.0,
    ) -> None:
        """layers: (kernel, channels) each; activation: with pooling or without; width: factor on the channels."""
        super().__init__()
        stages: list[nn.Module] = []
        channels, side = 1, input_size
        first: list[nn.Module] = [Grey()]
        for number, (kernel, outputs) in enumerate(layers, start=1):
            pooled, outputs = number < len(layers), round(outputs * width)
            stages.append(nn.Sequential(*first, nn.Conv2d(channels, outputs, kernel), activation(pooled)))
            first = []
            channels, side = outputs, (side - kernel + 1) // (2 if pooled else 1)
        if side < 1:
            raise ValueError(f"crops of {input_size} pixels are too small for this encoder")
        stages.append(nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, features), activation(False)))
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x


class Grey(nn.Module):
    """(N, 3, S, S) red, green, blue -> (N, 1, S, S)."""

    def forward(self, x: Tensor) -> Tensor:
        red, green, blue = x.unbind(dim=1)
        return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]


class AbsTanh(nn.Module):
    """|tanh|, with 2x2 max pooling after it or without. It is taken after the pooling of absolute values: the same
    numbers, as tanh is monotone, for a quarter of the work."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.pool: nn.Module = nn.MaxPool2d(2) if pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.pool(x.abs()))


class Relu(nn.Module):
    """ReLU, with 2x2 max pooling or without."""

    def __init__(self, pooled: bool) -> None:
        super().__init__()
        self.pool: nn.Module = nn.MaxPool2d(2) if pooled else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.pool(x))


class Classifier(nn.Module):
    """(N, 3, S, S) -> (N, features): what stands before the pooling of a classifier, its map squeezed and read whole.
    Weights start at random: nothing is fetched."""

    SQUEEZE = 64

    def __init__(self, trunk: nn.Module, shape: tuple[int, int, int], features: int) -> None:
        """trunk: crops in, the map out; shape: the map's channels, height and width."""
        super().__init__()
        channels, height, width = shape
        self.trunk = trunk
        self.squeeze = ConvNorm(channels, self.SQUEEZE, kernel=1)
        self.project = nn.Linear(self.SQUEEZE * height * width, features)

    def forward(self, x: Tensor) -> Tensor:
        found = self.trunk(x)
        (x,) = found.values() if isinstance(found, dict) else (found,)
        return torch.relu(self.project(self.squeeze(x).flatten(1)))


def _of_torchvision(name: str, input_size: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """A torchvision classifier up to its last map, and the map's shape. Raises ValueError for names that give none."""
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


def _of_timm(name: str, input_size: int) -> tuple[nn.Module, tuple[int, int, int]]:
    """A network of timm's without its pooling and classifier, and its map's shape. Raises ValueError likewise."""
    try:
        import timm
    except ImportError as error:
        raise CodeMissing(f"{TIMM}{name}: timm is not installed; pip install timm") from error
    if name not in timm.list_models():
        raise ValueError(f"timm has no network {name!r}; see timm.list_models()")
    trunk = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
    try:
        with torch.no_grad():
            seen = trunk.eval()(torch.zeros(1, 3, input_size, input_size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "it does not take crops of this size"
        raise ValueError(f"{TIMM}{name} cannot read crops of {input_size} pixels ({reason})") from error
    if not _is_map(seen):
        raise ValueError(f"{TIMM}{name} has no map before its pooling; choose a convolutional network, or larger crops")
    return trunk, seen.shape[1:]


def _own(name: str, input_size: int, features: int, width: float) -> nn.Module:
    """An encoder of one's own. Raises ValueError if it is not made, or does not map, as it must."""
    kind = imported(name, nn.Module)
    try:
        encoder = kind(input_size, features, width=width)
        with torch.no_grad():
            shape = tuple(encoder.eval()(torch.zeros(2, 3, input_size, input_size)).shape)
    except Exception as error:  # Its code may fail in any way.
        raise ValueError(
            f"{name}: fails as an encoder, made as Class(input_size, features, width=1.0) and called with crops "
            f"(2, 3, {input_size}, {input_size}): {type(error).__name__}: {error}"
        ) from error
    if shape != (2, features):
        raise ValueError(f"{name}: gives {shape} for two crops, where an encoder gives (2, {features})")
    return encoder.train()


class Inverted(nn.Module):
    """Inverted residual block (Sandler et al., CVPR 2018): widened, seen channel by channel, narrowed."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        limited, inner = partial(nn.ReLU6, inplace=True), inputs * expansion
        self.expand = ConvNorm(inputs, inner, 1, activation=limited) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(inner, inner, kernel, stride, limited, groups=inner)
        self.project = ConvNorm(inner, outputs, 1, activation=nn.Identity)
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        seen = self.project(self.depthwise(self.expand(x)))
        return x + seen if self.adds else seen


class Lite(nn.Module):
    """(N, 3, S, S) -> (N, features): EfficientNet-lite (Tan and Le, ICML 2019, without what small processors lack) up
    to its last map of S / 16, which is squeezed and read whole. `landmarks.training.surgery.imagenet` has it begin from
    networks that saw ImageNet."""

    STEM, SQUEEZE, NORM_EPSILON = 32, 64, 1e-3

    def __init__(
        self, input_size: int, features: int, channels: tuple[int, ...], blocks: tuple[int, ...], width: float = 1.0
    ) -> None:
        """channels, blocks: of each of the five stages; width must be 1, the network's own. Raises ValueError."""
        super().__init__()
        if width != 1:
            raise ValueError("EfficientNet-lite has the width that it has; leave width at 1")
        inputs, side = self.STEM, -(-input_size // 16)
        layers: list[nn.Module] = [ConvNorm(3, inputs, stride=2, activation=partial(nn.ReLU6, inplace=True))]
        for stage, (outputs, count) in enumerate(zip(channels, blocks)):
            kernel, stride, expansion = (3, 5)[stage in (2, 4)], (1, 2)[stage in (1, 2, 3)], (6, 1)[stage == 0]
            for number in range(count):
                layers.append(Inverted(inputs, outputs, kernel, stride if number == 0 else 1, expansion))
                inputs = outputs
        self.trunk = nn.Sequential(*layers)
        for module in self.trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = self.NORM_EPSILON
        self.squeeze = ConvNorm(inputs, self.SQUEEZE, kernel=1)
        self.project = nn.Linear(self.SQUEEZE * side * side, features)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.project(self.squeeze(self.trunk(x)).flatten(1)))


MAKERS: dict[str, Callable[..., nn.Module]] = {
    "compact": partial(Strided, widths=(24, 64, 128, 176), blocks=(0, 0, 1, 1), squeeze=32),
    "accurate": partial(Strided, widths=(32, 64, 128, 256), blocks=(0, 1, 2, 2), squeeze=64),
    "compact-multiscale": partial(MultiScale, widths=(24, 64, 128, 176), blocks=(0, 0, 1, 1), squeeze=(16, 32)),
    "accurate-multiscale": partial(MultiScale, widths=(32, 64, 128, 256), blocks=(0, 1, 2, 2), squeeze=(16, 64)),
    "lite0": partial(Lite, channels=(16, 24, 40, 80, 112), blocks=(1, 2, 2, 3, 3)),
    "lite1": partial(Lite, channels=(16, 24, 40, 80, 112), blocks=(1, 3, 3, 4, 4)),
    "lite2": partial(Lite, channels=(16, 24, 48, 88, 120), blocks=(1, 3, 3, 4, 4)),
    # Zhang et al., ECCV 2014, fig. 3: 40 x 40 crops, 100 features
    "tcdcn": partial(Papers, layers=((5, 16), (3, 48), (3, 64), (2, 64)), activation=AbsTanh),
    # Zhang et al., arXiv 1408.3967: 60 x 60 crops; 256 features in the paper, 512 in the authors' released model
    "tcdcn-journal": partial(Papers, layers=((5, 20), (5, 48), (3, 64), (3, 80)), activation=Relu),
}


def create_encoder(name: str, input_size: int, features: int, width: float = 1.0) -> nn.Module:
    """An encoder by name, see `NetworkConfig.encoder`; width: factor on its channels. Raises ValueError, CodeMissing
    for code from outside that cannot be had."""
    for prefix, trunk_of in ((TORCHVISION, _of_torchvision), (TIMM, _of_timm)):
        if name.startswith(prefix):
            if width != 1:
                raise ValueError(f"{prefix[:-1]}'s networks have the width that they have; leave width at 1")
            return Classifier(*trunk_of(name.removeprefix(prefix), input_size), features)
    if is_dotted(name):
        return _own(name, input_size, features, width)
    return MAKERS[name](input_size, features, width=width)
