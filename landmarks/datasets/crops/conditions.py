"""Hard conditions for training crops: covered, dark, moved, small, noisy, badly compressed and cut-off faces.

A picture comes about in this order, and so does a crop here: something stands before the face, light falls on it, the
camera moves, few pixels see it, with noise, and are compressed; then the crop enlarges them, and is black where the
picture ends.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import cv2
import numpy as np

from landmarks.config import checked

SMALL_SIDES = (14, 32)
"""Side in pixels that a crop is made of, where the face is small; the face box is about as large."""
QUALITIES = (10, 35)
"""Of JPEG."""
NOISE = (4.0, 30.0)
"""Standard deviation, of 255."""
BLUR = (0.03, 0.15)
"""How far the camera moves, as a share of the crop's side."""
LIGHT = (0.02, 0.25)
"""What is left of the light at night."""
FARTHEST_BORDER = 0.45
"""Largest distance of the picture's border from the middle of the face, as a share of the crop's side."""


@checked
@dataclass(frozen=True)
class Conditions:
    """Shares of the training crops under each condition, drawn one by one; without any, crops are as they are.

    Raises ValueError for what is no share.
    """

    cut_off: float = 0.0
    """The picture ends within the face: up to half of it is black."""
    covered: float = 0.0
    """A mask, a hand, a microphone or a strand is before the face: a shape in one colour or with another picture's
    texture."""
    night: float = 0.0
    """Little light, with its noise and its colours."""
    motion: float = 0.0
    """Blurred by a move of the camera."""
    small: float = 0.0
    """Enlarged from SMALL_SIDES pixels."""
    noisy: float = 0.0
    compressed: float = 0.0

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not 0 <= getattr(self, entry.name) <= 1:
                raise ValueError(f"{entry.name} must be a share from 0 to 1, not {getattr(self, entry.name)}")

    def draw(self, generator: np.random.Generator) -> frozenset[str]:
        """The conditions that hold for one crop."""
        shares = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return frozenset(name for name, share in shares.items() if share and generator.random() < share)


def cover(image: np.ndarray, texture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A crop (S, S, 3) with a shape before the face, of one colour half of the time, else of a texture (H, W, 3)."""
    size = len(image)
    texture = cv2.resize(texture, (size, size), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros((size, size), np.uint8)
    kind = generator.integers(3)
    if kind == 0:  # a mask: from the nose, or the lips, to the chin
        top, low, left, right = generator.uniform([0.48, 0.85, 0.08, 0.72], [0.62, 1.0, 0.28, 0.92]) * size
        narrow = generator.uniform(0.05, 0.2) * size
        corners = [[left, top], [right, top], [right, (top + low) / 2], [right - narrow, low], [left + narrow, low],
                   [left, (top + low) / 2]]  # fmt: skip
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], 255)
    elif kind == 1:  # an arm, a microphone, a strand: from outside into the face
        angle, (x, y) = generator.uniform(0, 2 * np.pi), generator.uniform(0.2, 0.8, 2) * size
        away = (round(x + size * float(np.cos(angle))), round(y + size * float(np.sin(angle))))
        cv2.line(mask, (round(x), round(y)), away, 255, max(2, round(generator.uniform(0.05, 0.3) * size)))
    else:
        (x, y), (a, b) = generator.uniform(0.15, 0.85, 2) * size, generator.uniform(0.06, 0.25, 2) * size
        cv2.ellipse(mask, (round(x), round(y)), (round(a), round(b)), generator.uniform(0, 180), 0, 360, 255, -1)
    if generator.random() < 0.5:
        texture = np.full_like(image, generator.integers(0, 256, 3))
    share = cv2.blur(mask, (3, 3))[..., None] / np.float32(255)
    return (image + share * (texture.astype(np.float32) - image)).round().astype(np.uint8)


def expose(image: np.ndarray, conditions: frozenset[str], generator: np.random.Generator) -> np.ndarray:
    """A crop (S, S, 3) as a camera sees it under conditions."""
    size = len(image)
    if "night" in conditions:
        image = _dark(image, generator)
    if "motion" in conditions:
        image = _moved(image, generator)
    if "small" in conditions:
        low, high = np.log(SMALL_SIDES)
        side = min(round(float(np.exp(generator.uniform(low, high)))), size)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    if "noisy" in conditions:
        noise = generator.standard_normal(image.shape, np.float32) * np.float32(generator.uniform(*NOISE))
        image = np.clip(image + noise, 0, 255).round().astype(np.uint8)
    if "compressed" in conditions:
        quality = int(generator.integers(*QUALITIES))
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image if len(image) == size else cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)


def cut_off(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A crop (S, S, 3) that is black beyond a border: on any side, turned a little as the face is in its picture."""
    size = len(image)
    angle = generator.integers(4) * np.pi / 2 + generator.normal(0, np.radians(12))
    distance = generator.uniform(0, FARTHEST_BORDER) * size
    offset = np.arange(size) - (size - 1) / 2
    beyond = np.cos(angle) * offset[None] + np.sin(angle) * offset[:, None] > distance
    image = image.copy()
    image[beyond] = 0
    return image


def _dark(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Less light, with a cast, noise of photons and sensor, and a camera that makes up for some of it."""
    light = np.exp(generator.uniform(*np.log(LIGHT))) * generator.uniform(0.7, 1.0, 3)
    seen = (image / np.float32(255)) ** 2.2 * light.astype(np.float32)
    noise = generator.standard_normal(image.shape, np.float32) * np.sqrt(seen * np.float32(4e-4) + np.float32(4e-6))
    gain = np.exp(generator.uniform(0, -np.log(light.max())))
    return (np.clip((seen + noise) * np.float32(gain), 0, 1) ** (1 / 2.2) * 255).round().astype(np.uint8)


def _moved(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Smeared along a straight line."""
    reach = generator.uniform(*BLUR) * len(image) / 2
    angle = generator.uniform(0, np.pi)
    half = int(np.ceil(reach))
    offset = np.arange(-half, half + 1)
    along = np.cos(angle) * offset[None] + np.sin(angle) * offset[:, None]
    across = -np.sin(angle) * offset[None] + np.cos(angle) * offset[:, None]
    kernel = np.clip(1 - np.abs(across), 0, 1) * np.clip(reach + 0.5 - np.abs(along), 0, 1)
    return cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
