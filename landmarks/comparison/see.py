"""What a trained arm sees in faces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from landmarks.comparison.grid import MAIN
from landmarks.comparison.test_faces import Bench
from landmarks.geometry import crop_matrices, extract_crop, face_squares, invert, transform
from landmarks.models.cascade import Cascade
from landmarks.models.network import Network, predict
from landmarks.schemes import ATTRIBUTES, POINTS_5

BATCH = 256


@dataclass(frozen=True)
class Seen:
    """N faces."""

    points: np.ndarray | None = None
    """(N, 5, 2) pixels of the pictures; None for arms without landmarks."""
    levels: dict[int, np.ndarray] = field(default_factory=dict)
    """The same after the cascade's earlier levels."""
    guesses: dict[str, np.ndarray] = field(default_factory=dict)
    """(N,) int8 class by attribute."""


def see(network: nn.Module, pictures: np.ndarray, squares: np.ndarray, crop_scale: float, passes: int) -> Seen:
    """Points and attributes of faces, after one pass or several, each on crops from the last one's points.

    pictures: (N, H, W, 3) uint8; squares: (N, 4), what the first pass sees. Networks without landmarks have one pass.
    """
    seen = _see_once(network, pictures, squares)
    for _ in range(passes - 1):
        if seen.points is not None:
            seen = _see_once(network, pictures, face_squares(seen.points, POINTS_5, crop_scale))
    return seen


def _see_once(network: nn.Module, pictures: np.ndarray, squares: np.ndarray) -> Seen:
    size = side_of(network)
    device = next(network.parameters()).device
    matrices = crop_matrices(squares, size)
    parts = []
    for low in range(0, len(squares), BATCH):
        places = range(low, min(low + BATCH, len(squares)))
        crops = np.stack([extract_crop(pictures[i], matrices[i], size) for i in places])
        parts.append(_see_crops(network, torch.from_numpy(crops).to(device)))
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    points = {name: transform(invert(matrices), joined.pop(name)) for name in list(joined) if name.startswith(MAIN)}
    return Seen(
        points.pop(MAIN, None), {int(name.removeprefix(f"{MAIN}_")): value for name, value in points.items()}, joined
    )


def side_of(network: nn.Module) -> int:
    """Side in pixels of the crops that a network reads."""
    if isinstance(network, Cascade):
        return network.codec.size
    assert isinstance(network, Network)
    return network.config.input_size


@torch.inference_mode()
def _see_crops(network: nn.Module, crops: torch.Tensor) -> dict[str, np.ndarray]:
    """By name: the points in crop pixels, those of earlier levels with their number, and classes of attributes."""
    if isinstance(network, Cascade):
        levels = network(crops).cpu().numpy().astype(np.float64)
        return {MAIN: levels[:, -1], **{f"{MAIN}_{n + 1}": levels[:, n] for n in range(levels.shape[1] - 1)}}
    assert isinstance(network, Network)
    seen = predict(network, crops)
    points = {name: value.cpu().numpy().astype(np.float64) for name, value in seen.points.items()}
    return points | {name: value.argmax(dim=1).cpu().numpy().astype(np.int8) for name, value in seen.logits.items()}


def error_vectors(points: np.ndarray | None, bench: Bench) -> np.ndarray:
    """(N * 5 * 2,) float32: predicted minus true, over the inter-ocular distance; nothing without points."""
    if points is None:
        return np.zeros(0, np.float32)
    true = bench.points
    left, right = POINTS_5.interocular
    size = np.linalg.norm(true[:, left] - true[:, right], axis=-1)
    return ((points - true) / size[:, None, None]).astype(np.float32).ravel()


def guesses(seen: Seen) -> dict[str, np.ndarray]:
    """`guess_NAME` of every attribute: (N,) int8; nothing where the arm has no such task."""
    return {f"guess_{name}": seen.guesses.get(name, np.zeros(0, np.int8)) for name in ATTRIBUTES}
