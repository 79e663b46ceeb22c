"""Points and attributes of faces whose squares are known: crop, network, crop again upright, network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from landmarks.geometry import crop_matrices, extract_crop, face_squares, invert, transform
from landmarks.models.network import Network, predict
from landmarks.schemes import ATTRIBUTES, SCHEMES

PASSES = 2
"""The second pass crops again, upright, from the points of the first, so that results hardly depend on the box."""


@dataclass(frozen=True)
class Located:
    """What the network saw in N faces, in the last pass: on validation faces as good as any mean over the passes."""

    points: dict[str, np.ndarray]
    """(N, K, 2) float64 image pixels by scheme."""
    probabilities: dict[str, np.ndarray]
    """(N, C) float32 by attribute."""


def locate(
    network: Network,
    images: Sequence[np.ndarray],
    owners: np.ndarray,
    squares: np.ndarray,
    passes: int = PASSES,
    batch_size: int = 64,
) -> Located:
    """Find the points and attributes of N faces, in batches over all images.

    images: (H, W, 3) uint8 RGB each; owners: (N,) index of each face's image; squares: (N, 4) face squares.
    A face whose points come out not finite keeps NaN.
    """
    config = network.config
    parts = [
        _locate_batch(
            network, [images[i] for i in owners[low : low + batch_size]], squares[low : low + batch_size], passes
        )
        for low in range(0, len(squares), batch_size)
    ]
    if not parts:
        return Located(
            {name: np.zeros((0, len(SCHEMES[name]), 2)) for name in config.schemes},
            {name: np.zeros((0, len(ATTRIBUTES[name])), np.float32) for name in config.attributes},
        )
    return Located(
        {name: np.concatenate([part.points[name] for part in parts]) for name in config.schemes},
        {name: np.concatenate([part.probabilities[name] for part in parts]) for name in config.attributes},
    )


def _locate_batch(network: Network, images: list[np.ndarray], squares: np.ndarray, passes: int) -> Located:
    config = network.config
    scheme = SCHEMES[config.schemes[0]]
    device = next(network.parameters()).device
    for _ in range(passes):
        matrices = crop_matrices(squares, config.input_size)
        crops = np.stack([extract_crop(image, m, config.input_size) for image, m in zip(images, matrices)])
        in_crop, probabilities = predict(network, torch.from_numpy(crops).to(device))
        back = invert(matrices)
        points = {name: transform(back, p.cpu().numpy().astype(np.float64)) for name, p in in_crop.items()}
        squares = face_squares(points[scheme.name], scheme, config.crop_scale)
    return Located(points, {name: p.cpu().numpy() for name, p in probabilities.items()})
