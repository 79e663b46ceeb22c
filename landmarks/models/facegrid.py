"""The face detector's network: plain strided 3x3 convolutions down to stride 64 and a narrow way back up to stride 8.

Plain convolutions: on a CPU they learn several times as many pictures a second as depthwise ones of the same quality,
and run faster. Places are in pixels measured from the picture's corner, not from the centre of its first pixel.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from landmarks.atomic import replacing
from landmarks.config import build, checked
from landmarks.errors import LandmarksError, WeightsError
from landmarks.models import store
from landmarks.models.files import read_verified

STRIDES = (8, 16, 32, 64)
"""Pixels between the cells of its four grids, finest first."""
OUTPUTS = 15
"""Numbers a cell: score logit; box 4; five points, x and y each."""
PRIOR = 0.01
"""Score of every cell before training."""
CENTRE, SPREAD = 127.5, 64.0
"""Pixels enter the network as (value - CENTRE) / SPREAD."""
MOST_FURTHER = 16
"""Most convolutions of one stride that a network may have beside the one that halves the map."""
UNTOLD = {"further": (0, 1, 1, 1)}
"""What weights are of whose header was written before it told that."""
KIND = "facegrid"
"""What the header of its weights says in `kind`."""


@checked
@dataclass(frozen=True)
class FaceGridConfig:
    """The network's widths. Raises ValueError for values that cannot be."""

    stem: int = 32
    """Channels of the first map, of stride 4."""
    widths: tuple[int, ...] = (48, 80, 128, 128)
    """Channels of the maps of strides 8, 16, 32 and 64."""
    further: tuple[int, ...] = (1, 2, 3, 2)
    """Convolutions of each of these strides beside the one that halves the map."""

    def __post_init__(self) -> None:
        if len(self.widths) != len(STRIDES) or min(self.stem, *self.widths) < 1:
            raise ValueError(f"stem must be 1 or more and widths {len(STRIDES)} numbers of 1 or more")
        if len(self.further) != len(STRIDES) or not 0 <= min(self.further) <= max(self.further) <= MOST_FURTHER:
            raise ValueError(f"further must be {len(STRIDES)} numbers of 0 to {MOST_FURTHER}")


class CellOutputs(NamedTuple):
    """What the cells of B pictures say, C cells each: the finest grid first, row by row."""

    logits: Tensor
    """(B, C) of the score: how well the box is expected to overlap a face."""
    boxes: Tensor
    """(B, C, 4) x0, y0, x1, y1 pixels."""
    points: Tensor
    """(B, C, 5, 2) pixels, in the order of the scheme `points_5`."""


class FaceGrid(nn.Module):
    """(B, 3, H, W) uint8 or float RGB of 0..255, sides multiples of 64 -> four maps (B, 15, H / stride, W / stride).

    The picture gets 2 pixels more on the right and below, so that the stem's cell i, which covers the pixels
    4 i .. 4 i + 3, sees 4 i .. 4 i + 5: two by two pixels can be made 12 channels and the stem a 3x3 convolution of
    stride 2 on those, which is faster in 8 bits. So a cell's window does not lie around its centre; the places it
    tells are measured from the centre, and the network learns the difference.
    """

    def __init__(self, config: FaceGridConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or FaceGridConfig()
        w8, w16, w32, w64 = config.widths
        self.stem = block(3, config.stem, 6, 4, 0)
        f8, f16, f32, f64 = config.further
        self.down8, self.down16 = half(config.stem, w8, f8), half(w8, w16, f16)
        self.down32, self.down64 = half(w16, w32, f32), half(w32, w64, f64)
        self.up32, self.up16, self.up8 = block(w64, w32, 1), block(w32, w16, 1), block(w16, w8, 1)
        self.merge32, self.merge16, self.merge8 = block(w32, w32, 3), block(w16, w16, 3), block(w8, w8, 3)
        self.heads = nn.ModuleList(nn.Conv2d(width, OUTPUTS, 1) for width in config.widths)
        self._start()

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = (pixels.float() - CENTRE) / SPREAD
        return self.maps(self.stem(F.pad(x, (0, 2, 0, 2))))

    def maps(self, x: Tensor) -> list[Tensor]:
        """What follows the stem."""
        x8 = self.down8(x)
        x16 = self.down16(x8)
        x32 = self.down32(x16)
        x64 = self.down64(x32)
        x32 = self.merge32(x32 + upsample(self.up32(x64)))
        x16 = self.merge16(x16 + upsample(self.up16(x32)))
        x8 = self.merge8(x8 + upsample(self.up8(x16)))
        return [head(x) for head, x in zip(self.heads, (x8, x16, x32, x64))]

    def folded(self) -> FaceGrid:
        """A copy for inference whose batch normalisations are part of the convolutions before them."""
        copy = FaceGrid(self.config)
        copy.load_state_dict(self.state_dict())
        copy.eval()
        for module in list(copy.modules()):
            if isinstance(module, nn.Sequential) and len(module) == 3 and isinstance(module[1], nn.BatchNorm2d):
                convolution, normalisation = module[0], module[1]
                assert isinstance(convolution, nn.Conv2d)
                module[0] = nn.utils.fuse_conv_bn_eval(convolution, normalisation)
                module[1] = nn.Identity()
        return copy

    def _start(self) -> None:
        """Weights before training: maps keep their variance, scores are low, boxes two strides wide, points central."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
        for head in self.heads:
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
            with torch.no_grad():
                head.bias[0] = -math.log((1 - PRIOR) / PRIOR)
                head.bias[1:5] = math.log(math.e - 1)  # softplus gives 1


def block(inputs: int, outputs: int, size: int, stride: int = 1, padding: int | None = None) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; the first two become one at inference."""
    padding = size // 2 if padding is None else padding
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def half(inputs: int, outputs: int, further: int) -> nn.Sequential:
    """A map of half the size: one block that halves it, and further ones."""
    first = block(inputs, outputs, 3, 2)
    return nn.Sequential(first, *(block(outputs, outputs, 3) for _ in range(further))) if further else first


def upsample(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2 H, 2 W), each cell four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def decode(maps: list[Tensor], cells: Tensor) -> CellOutputs:
    """The four maps of pictures, and the `grid_cells` (C, 3) of their size and STRIDES -> what the cells say.

    A box is told by softplus: the distances of its sides from the cell's centre, in strides; a point by its offset.
    """
    flat = torch.cat([m.flatten(2).transpose(1, 2) for m in maps], dim=1)
    centre, stride = cells[:, :2], cells[:, 2:]
    away = F.softplus(flat[..., 1:5]) * stride
    boxes = torch.cat([centre - away[..., :2], centre + away[..., 2:]], dim=-1)
    points = flat[..., 5:].unflatten(-1, (5, 2)) * stride[:, None] + centre[:, None]
    return CellOutputs(flat[..., 0], boxes, points)


def save_facegrid(network: FaceGrid, path: str | Path, about: dict[str, Any] | None = None) -> None:
    """Write a detector's network and facts about it, whole or not at all; kernels in half precision."""
    header = {"format": store.FORMAT, "kind": KIND, "config": asdict(network.config), "about": about or {}}
    with replacing(Path(path)) as partial:
        tensors = {name: store.stored(tensor) for name, tensor in network.state_dict().items()}
        save_file(tensors, partial, metadata=store.metadata(header))
        partial.chmod(0o644)  # safetensors makes files that only their owner may read


def is_facegrid(path: str | Path) -> bool:
    """Whether a file holds a face detector's weights."""
    try:
        return bool(store.parse(Path(path))[0].get("kind") == KIND)
    except WeightsError:
        return False


def load_facegrid(path: str | Path) -> tuple[FaceGrid, dict[str, Any]]:
    """What `save_facegrid` wrote: the network in evaluation mode, and the facts. Raises WeightsError."""
    read_verified(Path(path))
    header, tensors = store.parse(Path(path))
    if header.get("kind") != KIND:
        raise WeightsError(f"{path}: holds no face detector; give a file that a detector's training wrote")
    try:
        network = FaceGrid(build(FaceGridConfig, {**UNTOLD, **header["config"]}, "config"))
        network.load_state_dict({name: value.float() for name, value in tensors.items()})
    except (LandmarksError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path}: the weights do not fit the network that they describe ({reason})") from error
    return network.eval(), dict(header.get("about", {}))
