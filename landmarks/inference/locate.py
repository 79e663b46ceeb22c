"""Points and attributes of faces whose squares are known: crop, network, crop again upright, network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from landmarks.geometry import crop_matrices, extract_crops, face_squares, invert, transform
from landmarks.inference.backend import Backend
from landmarks.inference.config import PASSES
from landmarks.schemes import POINTS_5, SCHEMES


@dataclass(frozen=True)
class Located:
    """What the network saw in N faces, in the last pass: on validation faces as good as any mean over the passes."""

    points: dict[str, np.ndarray]
    """(N, K, 2) float64 image pixels by scheme."""
    error_cues: dict[str, np.ndarray]
    """(N, K, 2) float32 by scheme: see `NetworkOutputs`; as shares of the last crop's side."""
    logits: dict[str, np.ndarray]
    """(N, C) float32 by attribute."""
    values: dict[str, np.ndarray]
    """(N,) float32 in its unit by quantity."""
    squares: np.ndarray
    """(N, 4): the face squares of the last pass."""
    levels: tuple[np.ndarray, ...] = ()
    """(N, 5, 2) float64 image pixels after each of a cascade's levels but the last one."""


def locate(
    backend: Backend,
    images: Sequence[np.ndarray],
    owners: np.ndarray,
    squares: np.ndarray,
    passes: int = PASSES,
    batch_size: int = 64,
) -> Located:
    """Find the points and attributes of N faces, in batches over all images.

    images: (H, W, 3) uint8 RGB each; owners: (N,) index of each face's image; squares: (N, 4) face squares.
    A face whose points come out not finite keeps NaN. A network without landmarks has one pass.
    """
    parts = [
        _locate_batch(
            backend, [images[i] for i in owners[low : low + batch_size]], squares[low : low + batch_size], passes
        )
        for low in range(0, len(squares), batch_size)
    ]
    return _join(parts) if parts else _empty(backend)


def _locate_batch(backend: Backend, images: list[np.ndarray], squares: np.ndarray, passes: int) -> Located:
    config = backend.config
    if not config.schemes:
        passes = 1
    if config.locator_size and passes > 1:
        squares = _locate_roughly(backend, images, squares)
        passes -= 1
    for left in reversed(range(passes)):
        matrices = crop_matrices(squares, config.input_size)
        outputs = backend.run_network(extract_crops(images, matrices, config.input_size))
        back = invert(matrices)
        points = {name: transform(back, p.astype(np.float64)) for name, p in outputs.points.items()}
        if left:
            scheme = SCHEMES[config.schemes[0]]
            squares = face_squares(points[scheme.name], scheme, config.crop_scale)
    levels = tuple(transform(back, level.astype(np.float64)) for level in outputs.levels)
    return Located(points, outputs.error_cues, outputs.logits, outputs.values, squares, levels)


def _locate_roughly(backend: Backend, images: list[np.ndarray], squares: np.ndarray) -> np.ndarray:
    """The locator's pass: better face squares (N, 4)."""
    size = backend.config.locator_size
    matrices = crop_matrices(squares, size)
    points = transform(invert(matrices), backend.run_locator(extract_crops(images, matrices, size)).astype(np.float64))
    return face_squares(points, POINTS_5, backend.config.crop_scale)


def _join(parts: list[Located]) -> Located:
    def field(name: str) -> dict[str, np.ndarray]:
        values = [getattr(part, name) for part in parts]
        return {key: np.concatenate([value[key] for value in values]) for key in values[0]}

    squares = np.concatenate([part.squares for part in parts])
    levels = tuple(np.concatenate(level) for level in zip(*(part.levels for part in parts)))
    return Located(field("points"), field("error_cues"), field("logits"), field("values"), squares, levels)


def _empty(backend: Backend) -> Located:
    schemes = {name: len(SCHEMES[name]) for name in backend.config.schemes}
    return Located(
        {name: np.zeros((0, k, 2)) for name, k in schemes.items()},
        {name: np.zeros((0, k, 2), np.float32) for name, k in schemes.items()},
        {name: np.zeros((0, len(backend.config.attribute(name))), np.float32) for name in backend.config.attributes},
        {name: np.zeros(0, np.float32) for name in backend.config.quantities},
        np.zeros((0, 4)),
    )
