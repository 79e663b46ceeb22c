"""What training does to a face: our own crop and flip for points and pose, albumentations for the picture."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from landmarks.geometry import flip_points
from landmarks.schemes import ABSENT, ATTRIBUTES, SCHEMES, Attribute, Declared

if TYPE_CHECKING:
    import albumentations as A


@dataclass(frozen=True)
class Jitter:
    """How far training crops stray from the canonical face square."""

    scale: tuple[float, float]
    """Factor on the side, drawn log-uniformly."""
    shift: float
    """Largest offset in x and in y, as a share of the canonical side."""
    angle: float
    """Standard deviation of the in-plane rotation, degrees."""
    any_angle: float = 0.0
    """Share of the crops that are turned by any angle instead."""

    def times(self, factor: float) -> Jitter:
        """The same, so many times as far."""
        low, high = self.scale
        return Jitter((low**factor, high**factor), self.shift * factor, self.angle * factor, self.any_angle)

    def draw(self, square: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A strayed copy of a face square (4,)."""
        x, y, side, angle = square
        low, high = np.log(self.scale)
        dx, dy = generator.uniform(-self.shift, self.shift, 2) * side
        zoom = np.exp(generator.uniform(low, high))
        anyhow = generator.random() < self.any_angle
        turn = np.radians(generator.uniform(-180, 180) if anyhow else generator.normal(0, self.angle))
        return np.array([x + dx, y + dy, side * zoom, angle + turn])


FIRST_PASS = Jitter(scale=(0.85, 2.2), shift=0.2, angle=20)
"""What a detector's box or a whole picture of a face looks like to the network."""
SECOND_PASS = Jitter(scale=(0.86, 1.17), shift=0.08, angle=7)
"""What is left to correct after the first pass."""
FIRST_PASS_SHARE = 0.4
"""Share of the training crops that are first-pass ones, for a network that makes the first pass itself."""
DETECTED = Jitter(scale=(0.85, 1.2), shift=0.16, angle=8)
"""What a detector's boxes alone look like: CenterFace's, on 250 of MTFL's training faces, are 9 and 4 % of the side off
in x and y, 8 % in size and 7 degrees (standard deviations). For networks that get no second pass."""
LOCATOR = Jitter(scale=(0.6, 2.0), shift=0.2, angle=20, any_angle=0.25)
"""What the locator must cope with: rough boxes, and faces that lie or hang."""


COARSE_SHARE, COARSE = 0.08, (0.35, 0.8)
"""Share of the training crops that have fewer pixels than they seem to, and how many, as a share of the side."""


def coarser(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A crop (S, S, 3), by COARSE_SHARE as one of fewer pixels looks that is enlarged. Nothing in it moves."""
    if generator.random() >= COARSE_SHARE:
        return image
    size = len(image)
    side = max(1, round(size * generator.uniform(*COARSE)))
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def picture_transforms() -> A.Compose:
    """Changes of the picture alone: light, colour, sharpness, noise, compression, covered parts. Nothing in it moves.

    Give it a random state, not a seed: with a seed each change of albumentations' begins the same row of numbers, so
    that all are made together or none.
    """
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for a newer version
    import albumentations as A  # Here, since it takes long and only those who train need it.

    # Arguments by name: versions of albumentations differ in their order, and take what they are given for another one.
    return A.Compose(
        [
            A.RandomBrightnessContrast(brightness_limit=0.3, contrast_limit=0.3, p=0.6),
            A.HueSaturationValue(hue_shift_limit=12, sat_shift_limit=40, val_shift_limit=0, p=0.4),
            A.RandomGamma(gamma_limit=(60, 150), p=0.2),
            A.ToGray(p=0.12),
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=(3, 5)),
                    # One-sided kernels, its default, would move the face and not the points.
                    A.MotionBlur(blur_limit=(3, 7), allow_shifted=False, direction_range=(0.0, 0.0)),
                ],
                p=0.17,
            ),
            A.OneOf([A.GaussNoise(std_range=(0.02, 0.08)), A.ImageCompression(quality_range=(25, 80))], p=0.2),
            A.CoarseDropout(
                num_holes_range=(1, 2),
                hole_height_range=(0.1, 0.3),
                hole_width_range=(0.1, 0.3),
                fill="random_uniform",
                p=0.25,
            ),
        ]
    )


def flip(
    image: np.ndarray,
    points: dict[str, np.ndarray],
    labels: dict[str, float],
    tasks: Mapping[str, Declared] = ATTRIBUTES,
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, float]]:
    """Mirror a face left to right: the picture (H, W, 3), its points by scheme (K, 2), and its labels by attribute and
    quantity."""
    width = image.shape[1]
    return (
        np.ascontiguousarray(image[:, ::-1]),
        {name: flip_points(p, width, SCHEMES[name]) for name, p in points.items()},
        {name: flip_label(label, tasks[name]) for name, label in labels.items()},
    )


def flip_label(label: float, task: Declared) -> float:
    """A face's label of a task when it is mirrored: a class, ABSENT where absent, or a number, NaN where absent."""
    if isinstance(task, Attribute):
        return label if label == ABSENT else task.flip[int(label)]
    return task.sign * label
