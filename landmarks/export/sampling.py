"""Crops cut inside a graph: the pixels that `landmarks.geometry` cuts, by operations that ONNX has.

A square is a row of five: centre x, centre y, side, and the cosine and sine of its angle. Everything is float32 but the
images. What is not finite stays so in points and gives black crops. Dimensions that stay whole are not written as `:`,
which torch exports as an operation like any other; a graph takes as long to export as it has operations.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from landmarks.geometry import BoxRule
from landmarks.schemes import Scheme


def first_squares(boxes: Tensor, rule: BoxRule, crop_scale: float) -> Tensor:
    """Upright face squares, as `BoxRule.squares`. boxes: (N, 4) x0 y0 x1 y1 pixels -> (N, 5)."""
    assert rule.extent is not None
    low, high = boxes.split(2, dim=1)
    size = (high - low).prod(dim=1, keepdim=True).clamp_min(0).sqrt()
    centre = (low + high) / 2 + torch.tensor([rule.shift_x, rule.shift_y]) * size
    side = (crop_scale * rule.extent * size).clamp_min(1e-3)
    return torch.cat([centre, side, torch.ones_like(side), torch.zeros_like(side)], dim=1)


def squares_of(points: Tensor, scheme: Scheme, scale: float) -> Tensor:
    """The canonical face squares, as `face_squares`. points: (N, K, 2) pixels of the image -> (N, 5)."""
    groups = (scheme.left_eye, scheme.right_eye, scheme.nose, scheme.mouth_left, scheme.mouth_right)
    members = points.index_select(1, torch.tensor([point for group in groups for point in group]))
    parts = members.split([len(group) for group in groups], dim=1)
    anchors = torch.stack([part.mean(dim=1) for part in parts], dim=1)  # (N, 5, 2)
    left_eye, right_eye, _, mouth_left, mouth_right = anchors.unbind(dim=1)
    across, down = right_eye - left_eye, (mouth_left + mouth_right - left_eye - right_eye) / 2
    direction = torch.stack([across[..., 0] + down[..., 1], across[..., 1] - down[..., 0]], dim=1)  # (N, 2)
    length = direction.square().sum(dim=1, keepdim=True).sqrt()
    direction = torch.where(length > 0, direction / length, torch.tensor([1.0, 0.0]))  # as arctan2(0, 0) is 0
    upright = turn(anchors, direction * torch.tensor([1.0, -1.0]))
    low, high = upright.amin(dim=1), upright.amax(dim=1)
    centre = turn(((low + high) / 2).unsqueeze(1), direction).squeeze(1)
    side = (high - low).amax(dim=1, keepdim=True).mul(scale).clamp_min(1e-3)
    return torch.cat([centre, side, direction], dim=1)


def turn(points: Tensor, direction: Tensor) -> Tensor:
    """Turn points (N, K, 2) about the origin, clockwise as seen. direction: (N, 2), cosine and sine of the angle."""
    x, y = points[..., 0], points[..., 1]
    cos, sin = direction[..., None, 0], direction[..., None, 1]
    return torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)


def to_image(points: Tensor, squares: Tensor, size: int) -> Tensor:
    """points: (N, K, 2) in pixels of the squares' crops, `size` wide -> (N, K, 2) in pixels of the image."""
    away = (points - (size - 1) / 2) * (squares[..., None, 2:3] / size)
    return turn(away, squares[..., 3:]) + squares[..., None, :2]


def cut(images: Tensor, squares: Tensor, size: int) -> Tensor:
    """Crops by N squares (N, 5) of N images (N, H, W, 3) uint8, or of one -> (N, size, size, 3) float32, 0 to 255.

    As `extract_crop`: bilinear, black outside; where the image shrinks by 2 or more, between the means of blocks of
    pixels. The sum of a block comes from a table of sums over all pixels above and left (Crow, SIGGRAPH 1984); where
    those overflow, their differences still hold.
    """
    height, width = images.shape[1:3]
    finite = ((squares - squares) == 0).all(dim=1, keepdim=True)
    squares = torch.where(finite, squares, torch.tensor([-9.0, -9.0, 1.0, 1.0, 0.0]))  # outside
    low, blocks, block = _blocks(squares, size, height, width)
    steps = torch.arange(size, dtype=torch.float32)
    pixels = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1).flatten(0, 1)  # (P, 2)
    where = (to_image(pixels.unsqueeze(0), squares, size) - low - (block - 1) / 2) / block  # (N, P, 2), in blocks
    first = where.floor()
    # The 2 x 2 blocks around each pixel have 3 x 3 corners. Blocks outside the image have no width: their sum is 0.
    corners = torch.stack(torch.meshgrid(*[torch.arange(3.0)] * 2, indexing="xy"), dim=-1)  # (3, 3, 2)
    low, blocks, block = (value.unsqueeze(2).unsqueeze(2) for value in (low, blocks, block))
    corners = first.unsqueeze(2).unsqueeze(2) + corners  # (N, P, 3, 3, 2)
    corners = low + corners.clamp_min(0).minimum(blocks) * block
    column, row = corners.long().flatten(1, 3).unbind(dim=-1)  # (N, 9 P)
    given, wanted = torch.full((1,), images.shape[0]), torch.full((1,), squares.shape[0])
    misfit = (given - 1) * (given - wanted)  # not 0 where the numbers do not fit: that image is not there
    owner = torch.arange(squares.shape[0]).unsqueeze(1) * (given - 1).clamp_max(1) + misfit.abs() * given
    index = (owner * (height + 1) + row) * (width + 1) + column
    table = functional.pad(images.to(torch.int32), (0, 0, 1, 0, 1, 0))
    table = table.cumsum(dim=1, dtype=torch.int32).cumsum(dim=2, dtype=torch.int32).flatten(0, 2)
    sums = table[index].unflatten(1, (-1, 3, 3))  # (N, P, 3, 3, 3)
    sums = sums.diff(dim=2).diff(dim=3)  # (N, P, 2, 2, 3)
    means = (sums / block.square() + 0.5).floor()
    share = (where - first).unsqueeze(-1)  # (N, P, 2, 1)
    left, right = means.unbind(dim=3)
    upper, lower = (left + (right - left) * share.narrow(2, 0, 1)).unbind(dim=2)  # (N, P, 3)
    crops = upper + (lower - upper) * share.select(2, 1)
    return crops.unflatten(1, (size, size))


def _blocks(squares: Tensor, size: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """The part of an image under a crop, in blocks: (N, 1, 2) corner of the first, (N, 1, 2) their number in x and y,
    (N, 1, 1) side of one in pixels, 1 where the image shrinks by less than 2."""
    block = (squares[..., None, 2:3] / size).floor().clamp_min(1)
    reach = torch.tensor([[-0.5, -0.5], [size - 0.5, -0.5], [-0.5, size - 0.5], [size - 0.5, size - 0.5]])
    corners = to_image(reach.unsqueeze(0), squares, size)
    border = torch.cat([torch.full((1, 1, 1), width), torch.full((1, 1, 1), height)], dim=2).float()
    low = (corners.amin(dim=1, keepdim=True).floor() - block).clamp_min(0).minimum(border)
    high = (corners.amax(dim=1, keepdim=True).ceil() + block).clamp_min(0).minimum(border)
    return low, ((high - low) / block).floor(), block
