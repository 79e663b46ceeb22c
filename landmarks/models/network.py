"""The multi-task network: an encoder, shared by the tasks or one for each, and one head a task; and the small network
that finds the face's square for it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from landmarks.config import checked
from landmarks.errors import unknown
from landmarks.models.encoders import ENCODERS, GREY_MIDDLE, GREY_SPREAD, TORCHVISION, ConvNorm, Strided, create_encoder
from landmarks.models.heads import AttributeHead, Codec, ErrorHead, PointsHead, Regression, SimCC
from landmarks.models.sharing import CrossStitch, Towers
from landmarks.schemes import ATTRIBUTES, POINTS_5, SCHEMES

CODINGS = ("simcc", "regression")
HARD = "hard"
SOFT: dict[str, type[Towers]] = {"soft": Towers, "cross_stitch": CrossStitch}
SHARINGS = (HARD, *SOFT)


@checked
@dataclass(frozen=True)
class NetworkConfig:
    """All that is needed to build a network and to feed it. Raises ValueError for values that make no network."""

    tasks: tuple[str, ...] = (*["points_5"], *ATTRIBUTES)
    """Names of schemes and attributes, one head each."""
    encoder: str = "compact"
    """`compact`, `accurate`, `tcdcn`, `tcdcn-journal` or `torchvision:NAME`."""
    width: float = 1.0
    """Factor on the channels of the encoder."""
    sharing: str = "hard"
    """What the tasks share: `hard`, one encoder; `soft`, nothing but what couples an encoder for each in training;
    `cross_stitch`, encoders for each that mix their activations."""
    input_size: int = 72
    """Side of the crop in pixels."""
    crop_scale: float = 1.7
    """Side of the canonical face square over the larger side of the landmarks' extent."""
    features: int = 256
    """Width of the shared feature vector that every head reads."""
    coding: str = "simcc"
    """How points are coded: `simcc` or `regression`."""
    bins_per_pixel: float = 2.0
    bins_margin: float = 0.0
    """How far the bins reach beyond each side of the crop, as a share of its side."""
    bins_rank: int = 0
    """Number of profiles of which all bins are mixed; 0: weights for each bin of each point."""
    target_sigma: float = 1.5
    """Spread of the landmark targets in crop pixels."""
    locator_size: int = 0
    """Side of the crop that the locator reads; 0: no locator, the network makes the first pass itself."""
    mirror: bool = False
    """Predict the crop and its mirror image and average: better and twice as slow."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        for task in self.tasks:
            if task not in SCHEMES and task not in ATTRIBUTES:
                raise ValueError(unknown("task", task, [*SCHEMES, *ATTRIBUTES]))
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks must name at least one task and none twice")
        if self.encoder not in ENCODERS and not self.encoder.startswith(TORCHVISION):
            raise ValueError(unknown("encoder", self.encoder, [*ENCODERS, f"{TORCHVISION}NAME"]))
        if not 0.1 <= self.width <= 16:
            raise ValueError(f"width must be 0.1 to 16, not {self.width}")
        if self.sharing not in SHARINGS:
            raise ValueError(unknown("sharing", self.sharing, SHARINGS))
        if self.coding not in CODINGS:
            raise ValueError(unknown("coding", self.coding, CODINGS))
        if not 16 <= self.input_size <= 1024:
            raise ValueError(f"input_size must be 16 to 1024 pixels, not {self.input_size}")
        if self.locator_size and not 16 <= self.locator_size <= 256:
            raise ValueError(f"locator_size must be 0 or 16 to 256 pixels, not {self.locator_size}")
        if not 0.5 <= self.crop_scale <= 10:
            raise ValueError(f"crop_scale must be 0.5 to 10, not {self.crop_scale}")
        if not (1 <= self.features <= 4096 and 0.1 <= self.bins_per_pixel <= 16 and 0 < self.target_sigma <= 64):
            raise ValueError("features, bins_per_pixel or target_sigma out of range")
        if not (0 <= self.bins_margin <= 2 and 0 <= self.bins_rank <= 1024):
            raise ValueError("bins_margin or bins_rank out of range")

    @property
    def schemes(self) -> tuple[str, ...]:
        """The landmark schemes among the tasks."""
        return tuple(task for task in self.tasks if task in SCHEMES)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes among the tasks."""
        return tuple(task for task in self.tasks if task in ATTRIBUTES)

    @property
    def codec(self) -> Codec:
        if self.coding == "regression":
            return Regression(self.input_size)
        return SimCC(self.input_size, self.bins_per_pixel, self.target_sigma, self.bins_margin)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a file header."""
        return asdict(self)


def differences(config: NetworkConfig, other: NetworkConfig) -> list[str]:
    """The settings by which the weights of one network do not do for the other: those that shape what both have or
    say what its numbers mean. Tasks may differ, a locator may be missing on one side."""
    names = ["encoder", "width", "sharing", "input_size", "crop_scale", "features"]
    if config.schemes and other.schemes:
        names.append("coding")
        if config.coding == other.coding == "simcc":
            names += ["bins_per_pixel", "bins_margin", "bins_rank"]
    if config.locator_size and other.locator_size:
        names.append("locator_size")
    return [name for name in names if getattr(config, name) != getattr(other, name)]


class Network(nn.Module):
    """Crops in, one output a task out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        create = partial(create_encoder, config.encoder, config.input_size, config.features, config.width)
        self.encoder = create() if config.sharing == HARD else SOFT[config.sharing](create, config.tasks)
        self.heads, self.errors = nn.ModuleDict(), nn.ModuleDict()
        for task in config.tasks:
            if task in SCHEMES:
                scheme = SCHEMES[task]
                self.heads[task] = PointsHead(config.features, scheme, config.codec.values, config.bins_rank)
                self.errors[task] = ErrorHead(config.features, scheme)
            else:
                self.heads[task] = AttributeHead(config.features, ATTRIBUTES[task])
        self.locator = Locator(config.locator_size) if config.locator_size else None

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> by task: (N, K, 2, V) coded points, (N, C) logits of an attribute; and
        `error_name(scheme)`: (N, K) log of the points' expected errors as shares of the crop's side."""
        features = self._features(normalise(crops, next(self.encoder.parameters()).dtype))
        outputs = {task: head(features[task]) for task, head in self.heads.items()}
        return outputs | {error_name(task): head(features[task]) for task, head in self.errors.items()}

    def _features(self, x: Tensor) -> dict[str, Tensor]:
        """What each task's head reads, (N, F)."""
        return self.encoder(x) if isinstance(self.encoder, Towers) else dict.fromkeys(self.heads, self.encoder(x))

    def fuse(self) -> Network:
        """Fold the batch normalisations into the convolutions, in place; for inference only. Returns self."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        return self.to(memory_format=torch.channels_last)


def attribute_heads(network: Network) -> list[tuple[str, AttributeHead]]:
    """A network's heads of attributes, by name."""
    return [(name, head) for name, head in network.heads.items() if isinstance(head, AttributeHead)]


class Locator(nn.Module):
    """Five points of a face in a rough square, turned any way, at a tenth of the network's cost: what the first pass
    needs to know for the second one to crop well."""

    WIDTHS, BLOCKS, SQUEEZE, FEATURES, RANK = (24, 64, 96), (0, 0, 1), 16, 96, 8

    def __init__(self, size: int) -> None:
        super().__init__()
        self.codec = SimCC(size, per_pixel=1.0, sigma=1.5, margin=0.25)
        self.encoder = Strided(size, self.FEATURES, self.WIDTHS, self.BLOCKS, self.SQUEEZE)
        self.head = PointsHead(self.FEATURES, POINTS_5, self.codec.values, self.RANK)

    @property
    def size(self) -> int:
        """Side of its crops in pixels."""
        return self.codec.size

    def coded(self, crops: Tensor) -> Tensor:
        """crops: (N, s, s, 3) uint8 RGB -> (N, 5, 2, V) coded points."""
        return self.head(self.encoder(normalise(crops, next(self.encoder.parameters()).dtype)))

    def forward(self, crops: Tensor) -> Tensor:
        """crops: (N, s, s, 3) uint8 RGB -> (N, 5, 2) crop pixels."""
        return self.codec.decode(self.coded(crops))


def normalise(crops: Tensor, dtype: torch.dtype) -> Tensor:
    """crops: (N, S, S, 3) uint8 -> (N, 3, S, S) about -2 to 2, channels last in memory, as convolutions like it."""
    return (crops.permute(0, 3, 1, 2).to(dtype) - GREY_MIDDLE) / GREY_SPREAD


def error_name(scheme: str) -> str:
    """The network's name for the expected errors of a scheme's points."""
    return f"{scheme}_error"


class Prediction(NamedTuple):
    """What a network sees in N crops."""

    points: dict[str, Tensor]
    """(N, K, 2) crop pixels by scheme."""
    error_cues: dict[str, Tensor]
    """(N, K, 2) by scheme: what tells of a point's error, before calibration: log of the expected error and log of
    the predicted distribution's spread, as shares of the crop's side."""
    logits: dict[str, Tensor]
    """(N, C) by attribute."""


@torch.inference_mode()
def predict(network: Network, crops: Tensor) -> Prediction:
    """What the network sees in crops (N, S, S, 3) uint8."""
    if not network.config.mirror:
        return _predict(network, crops)
    both = _predict(network, torch.cat([crops, crops.flip(2)]))
    seen, mirrored = (
        Prediction(*({k: v[part] for k, v in field.items()} for field in both)) for part in _halves(crops)
    )
    points, error_cues, logits = {}, {}, {}
    for name in network.config.schemes:
        swap = list(SCHEMES[name].swap)
        back = mirrored.points[name][:, swap]
        back = torch.stack([network.config.input_size - 1 - back[..., 0], back[..., 1]], dim=-1)
        points[name] = (seen.points[name] + back) / 2
        error_cues[name] = (seen.error_cues[name] + mirrored.error_cues[name][:, swap]) / 2
    for name in network.config.attributes:
        logits[name] = (seen.logits[name] + mirrored.logits[name][:, list(ATTRIBUTES[name].flip)]) / 2
    return Prediction(points, error_cues, logits)


def _halves(crops: Tensor) -> tuple[slice, slice]:
    count = crops.shape[0]  # not len(), which an exporter would take for a constant
    return slice(None, count), slice(count, None)


def _predict(network: Network, crops: Tensor) -> Prediction:
    outputs = network(crops)
    config, codec = network.config, network.config.codec
    points, error_cues = {}, {}
    for name in config.schemes:
        points[name], spread = codec.read(outputs[name])
        log_spread = (spread / config.input_size).clamp_min(1e-4).log()
        error_cues[name] = torch.stack([outputs[error_name(name)].float(), log_spread], dim=-1)
    return Prediction(points, error_cues, {name: outputs[name].float() for name in config.attributes})


def count_parameters(network: nn.Module) -> int:
    """Number of learnt values."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiply_adds(network: Network) -> int:
    """Multiply-adds of one face in one pass of the network itself, without its locator."""
    return _multiply_adds(network, network.config.input_size)


def _multiply_adds(network: nn.Module, size: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # Here, since nothing else needs what it imports.

    crop = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(crop)
    return counter.get_total_flops() // 2
