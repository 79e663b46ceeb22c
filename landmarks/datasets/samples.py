"""Training samples: cached crop -> augmented crop, points and labels as tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from landmarks.datasets.augment import FIRST_PASS, FIRST_PASS_SHARE, SECOND_PASS, flip, picture_transforms
from landmarks.datasets.dataset import Crops
from landmarks.datasets.table import labels_of, points_of
from landmarks.geometry import crop_matrices, extract_crop, face_squares, transform
from landmarks.schemes import ATTRIBUTES, SCHEMES


class Samples(TorchDataset):
    """One augmented crop an item: a dict of `crop` (S, S, 3) uint8, points (K, 2) float32 in crop pixels (NaN where
    absent) by scheme, labels (int64, ABSENT where absent) by attribute.

    What an item looks like depends on (seed, epoch, index) alone, not on workers or their order.
    """

    def __init__(
        self, crops: Crops, rows: np.ndarray, tasks: tuple[str, ...], input_size: int, crop_scale: float, seed: int = 0
    ) -> None:
        table = crops.table.iloc[rows]
        self.crops, self.rows = crops, rows
        self.points = {name: points_of(table, SCHEMES[name]) for name in tasks if name in SCHEMES}
        self.labels = {name: labels_of(table, ATTRIBUTES[name]) for name in tasks if name in ATTRIBUTES}
        self.squares = canonical_squares(table, crop_scale)
        self.input_size, self.seed, self.epoch = input_size, seed, 0
        self.picture = picture_transforms()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = np.random.default_rng((self.seed, self.epoch, index))
        jitter = FIRST_PASS if generator.random() < FIRST_PASS_SHARE else SECOND_PASS
        square = jitter.draw(self.squares[index], generator)
        matrix = crop_matrices(square[None], self.input_size)
        image = extract_crop(self.crops.pixels[self.rows[index]], matrix[0], self.input_size)
        points = {name: transform(matrix, p[index : index + 1])[0] for name, p in self.points.items()}
        labels = {name: int(label[index]) for name, label in self.labels.items()}
        if generator.random() < 0.5:
            image, points, labels = flip(image, points, labels)
        self.picture.set_random_seed(int(generator.integers(2**31)))
        image = self.picture(image=image)["image"]
        return {
            "crop": torch.from_numpy(image),
            **{name: torch.from_numpy(p.astype(np.float32)) for name, p in points.items()},
            **{name: torch.tensor(label) for name, label in labels.items()},
        }


def canonical_squares(table, crop_scale: float) -> np.ndarray:
    """(N, 4) face squares of a table's rows, each from the first scheme that the row has."""
    squares = np.full((len(table), 4), np.nan)
    for scheme in reversed(SCHEMES.values()):
        points = points_of(table, scheme)
        given = ~np.isnan(points).any(axis=(1, 2))
        if given.any():
            squares[given] = face_squares(points[given], scheme, crop_scale)
    return squares
