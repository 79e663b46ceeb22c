"""The multi-task network: an encoder, shared by the tasks or one for each, and one head a task; and the small network
that finds the face's square for it."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from landmarks.models.config import CROSS_STITCH, HARD, SOFT, NetworkConfig
from landmarks.models.encoders import GREY_MIDDLE, GREY_SPREAD, ConvNorm, Strided, create_encoder
from landmarks.models.heads import AttributeHead, ErrorHead, PointsHead, QuantityHead, ReconstructionHead, SimCC
from landmarks.models.sharing import CrossStitch, Towers
from landmarks.schemes import POINTS_5, RECONSTRUCTION, SCHEMES

TOWERS: dict[str, type[Towers]] = {SOFT: Towers, CROSS_STITCH: CrossStitch}


class Network(nn.Module):
    """Crops in, one output a task out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        create = partial(create_encoder, config.encoder, config.input_size, config.features, config.width)
        self.encoder = create() if config.sharing == HARD else TOWERS[config.sharing](create, config.tasks)
        self.heads, self.errors = nn.ModuleDict(), nn.ModuleDict()
        for task in config.tasks:
            if task in SCHEMES:
                scheme = SCHEMES[task]
                self.heads[task] = PointsHead(config.features, scheme, config.codec.values, config.bins_rank)
                self.errors[task] = ErrorHead(config.features, scheme)
            elif task in config.quantities:
                self.heads[task] = QuantityHead(config.features, config.quantities[task])
            elif task == RECONSTRUCTION.name:
                self.heads[task] = ReconstructionHead(config.features)
            else:
                self.heads[task] = AttributeHead(config.features, config.attribute(task))
        self.locator = Locator(config.locator_size) if config.locator_size else None

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> by task: (N, K, 2, V) coded points, (N, C) logits of an attribute, (N,)
        standardised values of a quantity, (N, s, s) the rebuilt crop; and `error_name(scheme)`: (N, K) log of the
        points' expected errors as shares of the crop's side."""
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


def quantity_heads(network: Network) -> dict[str, QuantityHead]:
    """A network's heads of quantities, by name."""
    return {name: head for name, head in network.heads.items() if isinstance(head, QuantityHead)}


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
    values: dict[str, Tensor]
    """(N,) in its unit by quantity."""


@torch.inference_mode()
def predict(network: Network, crops: Tensor) -> Prediction:
    """What the network sees in crops (N, S, S, 3) uint8."""
    if not network.config.mirror:
        return _predict(network, crops)
    both = _predict(network, torch.cat([crops, crops.flip(2)]))
    seen, mirrored = (
        Prediction(*({k: v[part] for k, v in field.items()} for field in both)) for part in _halves(crops)
    )
    points, error_cues, logits, values = {}, {}, {}, {}
    for name in network.config.schemes:
        swap = list(SCHEMES[name].swap)
        back = mirrored.points[name][:, swap]
        back = torch.stack([network.config.input_size - 1 - back[..., 0], back[..., 1]], dim=-1)
        points[name] = (seen.points[name] + back) / 2
        error_cues[name] = (seen.error_cues[name] + mirrored.error_cues[name][:, swap]) / 2
    for name in network.config.attributes:
        flip = list(network.config.attribute(name).flip)
        logits[name] = (seen.logits[name] + mirrored.logits[name][:, flip]) / 2
    for name, quantity in network.config.quantities.items():
        values[name] = (seen.values[name] + quantity.sign * mirrored.values[name]) / 2
    return Prediction(points, error_cues, logits, values)


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
    logits = {name: outputs[name].float() for name in config.attributes}
    values = {name: head.decode(outputs[name]) for name, head in quantity_heads(network).items()}
    return Prediction(points, error_cues, logits, values)


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
