"""The multi-task network: one shared encoder, one head a task (hard parameter sharing)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from landmarks.models.encoders import ENCODERS, ConvNorm
from landmarks.models.heads import AttributeHead, PointsHead, SimCC
from landmarks.schemes import ATTRIBUTES, SCHEMES


@dataclass(frozen=True)
class NetworkConfig:
    """All that is needed to build a network and to feed it. Raises ValueError for values that make no network."""

    tasks: tuple[str, ...] = (*["points_5"], *ATTRIBUTES)
    """Names of schemes and attributes, one head each."""
    encoder: str = "compact"
    input_size: int = 72
    """Side of the crop in pixels."""
    crop_scale: float = 1.7
    """Side of the canonical face square over the larger side of the landmarks' extent."""
    features: int = 256
    """Width of the shared feature vector that every head reads."""
    bins_per_pixel: float = 2.0
    target_sigma: float = 1.5
    """Spread of the landmark targets in crop pixels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        for task in self.tasks:
            if task not in SCHEMES and task not in ATTRIBUTES:
                raise ValueError(f"unknown task {task!r}; known: {', '.join([*SCHEMES, *ATTRIBUTES])}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError("tasks must name at least one task and none twice")
        if self.encoder not in ENCODERS:
            raise ValueError(f"unknown encoder {self.encoder!r}; known: {', '.join(ENCODERS)}")
        if not 16 <= self.input_size <= 1024:
            raise ValueError(f"input_size must be 16 to 1024 pixels, not {self.input_size}")
        if not 0.5 <= self.crop_scale <= 10:
            raise ValueError(f"crop_scale must be 0.5 to 10, not {self.crop_scale}")
        if not (1 <= self.features <= 4096 and 0.1 <= self.bins_per_pixel <= 16 and 0 < self.target_sigma <= 64):
            raise ValueError("features, bins_per_pixel or target_sigma out of range")

    @property
    def schemes(self) -> tuple[str, ...]:
        """The landmark schemes among the tasks."""
        return tuple(task for task in self.tasks if task in SCHEMES)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes among the tasks."""
        return tuple(task for task in self.tasks if task in ATTRIBUTES)

    @property
    def codec(self) -> SimCC:
        return SimCC(self.input_size, self.bins_per_pixel, self.target_sigma)

    def as_dict(self) -> dict:
        """Plain values for a file header."""
        return asdict(self)


class Network(nn.Module):
    """Crops in, one output a task out."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = ENCODERS[config.encoder](config.input_size, config.features)
        self.heads = nn.ModuleDict()
        for task in config.tasks:
            if task in SCHEMES:
                self.heads[task] = PointsHead(config.features, SCHEMES[task], config.codec.bins)
            else:
                self.heads[task] = AttributeHead(config.features, ATTRIBUTES[task])

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops: (N, S, S, 3) uint8 RGB -> logits: (N, K, 2, B) a scheme, (N, C) an attribute."""
        x = crops.permute(0, 3, 1, 2)  # channels last in memory, which convolutions on CPUs and GPUs like best
        x = (x.to(self.encoder_dtype) - 127.5) / 64
        features = self.encoder(x)
        return {task: head(features) for task, head in self.heads.items()}

    @property
    def encoder_dtype(self) -> torch.dtype:
        return next(self.encoder.parameters()).dtype

    def fuse(self) -> Network:
        """Fold the batch normalisations into the convolutions, in place; for inference only. Returns self."""
        self.eval()
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fuse()
        return self.to(memory_format=torch.channels_last)


@torch.inference_mode()
def predict(network: Network, crops: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What the network sees in crops (N, S, S, 3) uint8.

    Returns the points of each scheme, (N, K, 2) crop pixels, and the probabilities of each attribute, (N, C).
    """
    outputs = network(crops)
    codec = network.config.codec
    points = {name: codec.decode(outputs[name]) for name in network.config.schemes}
    probabilities = {name: torch.softmax(outputs[name].float(), dim=1) for name in network.config.attributes}
    return points, probabilities


def count_parameters(network: nn.Module) -> int:
    """Number of learnt values."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_multiply_adds(network: Network) -> int:
    """Multiply-adds of one face in one pass."""
    size = network.config.input_size
    crop = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=next(network.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(crop)
    return counter.get_total_flops() // 2
