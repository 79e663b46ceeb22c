"""The three-level cascade of Sun, Wang and Tang, "Deep Convolutional Network Cascade for Facial Point Detection", CVPR
2013: three networks see the face and estimate five points, twenty small ones then move each point by what they see
around it.

Certain: the three levels; what F1, EN1 and NM1 see and how their estimates are averaged; two networks a point on each
further level, whose displacements are averaged; weights shared within the cells of a grid on the first level; |tanh|
after convolutions, max-pooling. Taken from memory and found so in independent re-implementations: the table of layers
and its grids, the rows of the halves, the sizes of the patches, how far training moves true points.

Readings, from memory alone: pooling ends in tanh(gain x + bias), both learnt and shared within the cells; hidden layers
end in tanh, output layers are linear; a patch continues the crop's border. Ours: the paper's face box is the crop;
patches are cut from the crop itself, not from its copy of 39 pixels; grey values are scaled as for our other networks;
how weights begin; all networks learn side by side, the later ones around true points that were moved at random.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landmarks.models.encoders import GREY_MIDDLE, GREY_SPREAD, LUMA
from landmarks.models.heads import Regression


class Stage(NamedTuple):
    """A rectified convolution and, mostly, 2x2 max-pooling."""

    maps: int
    kernel: int
    grid: tuple[int, int] = (1, 1)
    """Rows and columns of cells within which weights are shared."""
    pooled: bool = True


class Structure(NamedTuple):
    """A network's input in pixels (height, width), its stages, the width of its hidden layer, the points it gives."""

    pixels: tuple[int, int]
    stages: tuple[Stage, ...]
    hidden: int
    points: int


SIDE = 39
"""Of the square that the first level reads, in pixels."""
WHOLE = Structure(
    (SIDE, SIDE),
    (Stage(20, 4, (2, 2)), Stage(40, 3, (2, 2)), Stage(60, 3, (3, 3)), Stage(80, 2, (2, 2), pooled=False)),
    hidden=120,
    points=5,
)
HALF = Structure(
    (31, SIDE),
    (Stage(20, 4), Stage(40, 3, (2, 2)), Stage(60, 3, (2, 3)), Stage(80, 2, (1, 2), pooled=False)),
    hidden=100,
    points=3,
)
PATCH = Structure((15, 15), (Stage(20, 4), Stage(40, 3)), hidden=60, points=1)


class Refinement(NamedTuple):
    """A level that moves points. All numbers are shares of the crop's side."""

    halves: tuple[float, float]
    """Half the sides of the two patches around a point."""
    reach: float
    """By how much at most training moves a true point along each axis; the unit of the networks' outputs."""


REFINEMENTS = (Refinement((0.16, 0.18), 0.05), Refinement((0.11, 0.12), 0.02))
LEVELS = 1 + len(REFINEMENTS)
UNIT = 0.1
"""The unit of the first level's outputs as a share of the crop's side: the spread of a coordinate in training crops."""
MEAN = ((-0.23, -0.25), (0.23, -0.25), (0.0, 0.03), (-0.2, 0.25), (0.2, 0.25))
"""What the first level says at first, in sides of the crop from its middle: the mean of MTFL's training faces in crops
of 1.7 extents. Networks that have to find it drive their hidden layer to where tanh is flat, and may stay there."""
SEED = 0
"""Of the moves around true points when losses are only watched."""


class LocalConv(nn.Conv2d):
    """A convolution without padding whose weights are shared within each cell of a grid of its output map, for several
    networks side by side. (N, networks * inputs, H, W) -> (N, networks * outputs, H - kernel + 1, W - kernel + 1).

    Every cell of every network is a group of one grouped convolution. Raises ValueError for maps that the grid does not
    divide.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, grid: tuple[int, int] = (1, 1), networks: int = 1
    ) -> None:
        groups = networks * grid[0] * grid[1]
        super().__init__(groups * inputs, groups * outputs, kernel, groups=groups)
        self.grid, self.networks = grid, networks

    def forward(self, x: Tensor) -> Tensor:
        return self.join(self.cells(x))

    def cells(self, x: Tensor) -> Tensor:
        """Every cell of the output map as a map of its own: (N, networks * rows * columns * outputs, h, w)."""
        overlap = self.kernel_size[0] - 1
        rows, columns = (
            _spans(side - overlap, parts, overlap) for side, parts in zip(x.shape[2:], self.grid, strict=True)
        )
        if self.grid == (1, 1):
            return super().forward(x)
        inputs = [own[:, :, row, column] for own in x.chunk(self.networks, 1) for row in rows for column in columns]
        return super().forward(torch.cat(inputs, dim=1))

    def join(self, cells: Tensor) -> Tensor:
        """Cells, of any size -> one map for each network and output."""
        if self.grid == (1, 1):
            return cells
        cells = cells.unflatten(1, (self.networks, *self.grid, -1)).permute(0, 1, 4, 2, 5, 3, 6)
        return cells.flatten(5, 6).flatten(3, 4).flatten(1, 2)


def _spans(length: int, parts: int, overlap: int) -> list[slice]:
    """What the equal parts of an output side are computed from. Raises ValueError if they are not equal."""
    if length % parts:
        raise ValueError(f"a map of side {length} cannot be divided into {parts} cells")
    side = length // parts
    return [slice(start, start + side + overlap) for start in range(0, length, side)]


class Rectified(nn.Module):
    """A stage of several networks: |tanh| of a local convolution, then the pooling."""

    def __init__(self, inputs: int, stage: Stage, networks: int) -> None:
        super().__init__()
        self.conv = LocalConv(inputs, stage.maps, stage.kernel, stage.grid, networks)
        self.pooled = stage.pooled
        if stage.pooled:
            self.gain = nn.Parameter(torch.ones(self.conv.out_channels))
            self.bias = nn.Parameter(torch.zeros(self.conv.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        cells = F.leaky_relu(self.conv.cells(x), -1.0)  # |x|, whose gradient takes one pass where abs takes two
        if not self.pooled:
            return self.conv.join(torch.tanh(cells))
        cells = torch.tanh(F.max_pool2d(cells, 2))  # as tanh grows with |x|, the largest may be sought before it
        return self.conv.join(torch.tanh(cells * self.gain[:, None, None] + self.bias[:, None, None]))


class Networks(nn.Module):
    """Independent networks of one structure, computed side by side: (N, count, H, W) -> (N, count, points, 2)."""

    def __init__(self, structure: Structure, count: int = 1) -> None:
        super().__init__()
        (height, width), maps, stages = structure.pixels, 1, []
        for stage in structure.stages:
            stages.append(Rectified(maps, stage, count))
            maps, shrink = stage.maps, 2 if stage.pooled else 1
            height, width = (height - stage.kernel + 1) // shrink, (width - stage.kernel + 1) // shrink
        self.stages = nn.Sequential(*stages)
        self.hidden = nn.Conv2d(count * maps, count * structure.hidden, (height, width), groups=count)
        self.output = nn.Conv2d(count * structure.hidden, count * structure.points * 2, 1, groups=count)
        self.shape = (count, structure.points, 2)
        for conv in (*(stage.conv for stage in stages), self.hidden):
            _begin(conv)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(x)
        return self.output(torch.tanh(self.hidden(x))).flatten(1).unflatten(1, self.shape)


def _begin(conv: nn.Conv2d) -> None:
    """Random weights that sum to 0 in every filter, of variance 1 / inputs (LeCun et al., "Efficient BackProp", 1998).
    Rectified maps are positive: other filters see mostly that a map is there, and learn more slowly what is in it."""
    with torch.no_grad():
        weights = conv.weight.normal_(std=conv.weight[0].numel() ** -0.5)
        weights -= weights.mean(dim=(1, 2, 3), keepdim=True)


class Cascade(nn.Module):
    """23 networks on three levels. Raises ValueError for crops smaller than what the first level reads."""

    def __init__(self, input_size: int = 64) -> None:
        """input_size: side S of the crops in pixels."""
        super().__init__()
        if input_size < SIDE:
            raise ValueError(f"input_size must be {SIDE} pixels or more, not {input_size}")
        self.codec = Regression(input_size)
        self.whole, self.top, self.bottom = Networks(WHOLE), Networks(HALF), Networks(HALF)
        self.refinements = nn.ModuleList(Networks(PATCH, 5 * len(level.halves)) for level in REFINEMENTS)
        for networks, points in ((self.whole, MEAN), (self.top, MEAN[:3]), (self.bottom, MEAN[2:])):
            networks.output.bias = nn.Parameter(torch.tensor(points).flatten() / UNIT)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, crops: Tensor, levels: int = LEVELS) -> Tensor:
        """crops: (N, S, S, 3) uint8 RGB -> (N, levels, 5, 2) float32 crop pixels, after each of 1 to 3 levels."""
        image = grey(crops)
        points = [self.codec.decode(UNIT * average(*self._first(image))[..., None])]
        for level, networks in zip(REFINEMENTS[: levels - 1], self.refinements):
            moves = networks(cut_patches(image, points[-1], level.halves)).unflatten(1, (5, -1)).float()
            points.append(points[-1] + self.codec.size * level.reach * moves.mean(dim=(2, 3)))
        return torch.stack(points, dim=1)

    def losses(self, crops: Tensor, points: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Half the squared error of each network's own output in its own unit, summed over its points and a level's
        networks, mean over the faces: `level_1` to `level_3`.

        crops: (N, S, S, 3) uint8 RGB; points: (N, 5, 2) crop pixels; faces with NaN among them are left out.
        generator: of the moves around true points; without one, evaluation moves them the same way every time.
        """
        labelled = self.codec.inside(points).all(dim=1)
        image, points = grey(crops[labelled]), points[labelled].float()
        if generator is None and not self.training:
            generator = torch.Generator().manual_seed(SEED)
        target = self.codec.encode(points)[..., 0] / UNIT
        whole, top, bottom = self._first(image)
        losses = {"level_1": _loss(whole, target) + _loss(top, target[:, :3]) + _loss(bottom, target[:, 2:])}
        for number, (level, networks) in enumerate(zip(REFINEMENTS, self.refinements), start=2):
            moves = _uniform(points, generator)
            centres = points + self.codec.size * level.reach * moves
            outputs = networks(cut_patches(image, centres, level.halves)).unflatten(1, (5, -1))
            losses[f"level_{number}"] = _loss(outputs, -moves[:, :, None, None])
        return losses

    def _first(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What F1 (N, 5, 2), EN1 (N, 3, 2) and NM1 (N, 3, 2) say, in units, of an image (N, 1, S, S)."""
        small = F.interpolate(image, (SIDE, SIDE), mode="bilinear", antialias=True)
        rows = HALF.pixels[0]
        outputs = self.whole(small), self.top(small[:, :, :rows]), self.bottom(small[:, :, -rows:])
        whole, top, bottom = (output.squeeze(1) for output in outputs)
        return whole, top, bottom


def grey(crops: Tensor) -> Tensor:
    """crops: (N, S, S, 3) uint8 RGB -> (N, 1, S, S) float32 about -2 to 2."""
    red, green, blue = crops.float().unbind(dim=-1)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    return ((luma - GREY_MIDDLE) / GREY_SPREAD)[:, None]


def average(whole: Tensor, top: Tensor, bottom: Tensor) -> Tensor:
    """Five points of F1 (N, 5, 2), eyes and nose of EN1 (N, 3, 2), nose and mouth of NM1 (N, 3, 2) -> (N, 5, 2)."""
    eyes = (whole[:, :2] + top[:, :2]) / 2
    nose = (whole[:, 2:3] + top[:, 2:] + bottom[:, :1]) / 3
    mouth = (whole[:, 3:] + bottom[:, 1:]) / 2
    return torch.cat([eyes, nose, mouth], dim=1)


def cut_patches(image: Tensor, points: Tensor, halves: tuple[float, ...]) -> Tensor:
    """The squares around points, scaled to 15 x 15 pixels. image: (N, 1, S, S); points: (N, K, 2) pixels of it;
    halves: half the sides of the J squares as shares of S -> (N, K * J, 15, 15), a point's squares side by side."""
    size, (_, side) = image.shape[-1], PATCH.pixels
    steps = (torch.arange(side, device=image.device) - (side - 1) / 2) / (side / 2)  # centres of pixels, -1 to 1
    offsets = size * torch.stack([half * steps for half in halves])  # (J, 15)
    x, y = (axis[..., None, None] + offsets for axis in points.unbind(dim=-1))  # (N, K, J, 15) each
    x, y = torch.broadcast_tensors(x[..., None, :], y[..., None])  # 15 columns, 15 rows
    grid = (2 * torch.stack([x, y], dim=-1) + 1) / size - 1  # (N, K, J, 15, 15, 2): the image spans -1 to 1
    patches = F.grid_sample(image, grid.flatten(1, 3), padding_mode="border", align_corners=False)
    return patches[:, 0].unflatten(1, (-1, side))


def count_multiply_adds(cascade: Cascade, levels: int = LEVELS) -> int:
    """Multiply-adds that one face costs the networks up to a level; cutting and scaling images is not counted."""
    from torch.utils.flop_counter import FlopCounterMode  # Here, since nothing else needs what it imports.

    size = cascade.codec.size
    crop = torch.zeros(1, size, size, 3, dtype=torch.uint8, device=next(cascade.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        cascade(crop, levels)
    return counter.get_total_flops() // 2


def _loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Half the squared error, summed over all but the faces, mean over them; 0 without faces."""
    return 0.5 * (outputs.float() - target).square().sum() / max(len(outputs), 1)


def _uniform(points: Tensor, generator: torch.Generator | None) -> Tensor:
    """Random numbers in [-1, 1) of the points' shape and on their device."""
    device = points.device if generator is None else generator.device
    return 2 * torch.rand(points.shape, generator=generator, device=device).to(points.device) - 1
