"""Training samples: cached crop -> augmented crop, points and labels as tensors."""

from __future__ import annotations

import random

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from landmarks.datasets.crops.augment import (
    FIRST_PASS,
    FIRST_PASS_SHARE,
    LOCATOR,
    SECOND_PASS,
    Jitter,
    coarser,
    flip,
    picture_transforms,
)
from landmarks.datasets.crops.conditions import Conditions, cover, cut_off, expose
from landmarks.datasets.crops.cutting import CACHE_SIZE
from landmarks.datasets.crops.squares import anchors_of, canonical_squares
from landmarks.datasets.dataset import Crops
from landmarks.datasets.table import LABEL_ERRORS, label_errors_of, points_of, task_labels
from landmarks.geometry import crop_matrices, extract_crop, transform
from landmarks.schemes import POINTS_5, RECONSTRUCTION, SCHEMES

CORNER = CACHE_SIZE // 4
"""Side of a cached crop's corner, in which there is no face: what covers others looks like it."""


class Samples(TorchDataset[dict[str, Tensor]]):
    """One augmented crop an item: a dict of `crop` (S, S, 3) uint8, points (K, 2) float32 in crop pixels (NaN where
    absent) by scheme, labels (int64, ABSENT where absent) by attribute and (float32, NaN where absent) by quantity.
    Where a network made points, also how far off they may be, (K,) float32 crop pixels, 0 for people's, by the name in
    LABEL_ERRORS of the scheme. With a locator also `coarse`, a second, rougher crop of the same face for it, and
    `coarse_points` (5, 2), the face as five points in it.

    An item is asked for by a face's index, or by (index, draw) where one epoch draws a face again: each draw looks
    otherwise, or the network would learn the crop by heart. What an item looks like depends on (seed, epoch, index,
    draw) alone, not on workers or their order.
    """

    def __init__(
        self,
        crops: Crops,
        rows: np.ndarray,
        tasks: tuple[str, ...],
        input_size: int,
        crop_scale: float,
        locator_size: int = 0,
        seed: int = 0,
        jitter: Jitter | None = None,
        pictures: bool = True,
        conditions: Conditions = Conditions(),
    ) -> None:
        """jitter: of every crop; None: what the network will meet, second passes if it has a locator, else a mixture of
        first and second ones. pictures: whether light, colours and sharpness change, too. conditions: how often each
        hard condition holds."""
        table = crops.table.iloc[rows]
        self.crops, self.rows = crops, rows
        self.points = {name: points_of(table, SCHEMES[name]) for name in tasks if name in SCHEMES}
        errors = {name: label_errors_of(table, SCHEMES[name]) for name in self.points}
        self.label_errors = {name: found for name, found in errors.items() if found is not None}
        self.tasks = {name: crops.tasks[name] for name in tasks if name not in (*SCHEMES, RECONSTRUCTION.name)}
        self.labels = {name: task_labels(table, task) for name, task in self.tasks.items()}
        self.squares, self.anchors = canonical_squares(table, crop_scale), anchors_of(table)
        self.input_size, self.locator_size, self.seed, self.epoch = input_size, locator_size, seed, 0
        self.jitter, self.picture = jitter, picture_transforms() if pictures else None
        self.conditions = conditions

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item_of: int | tuple[int, int]) -> dict[str, Tensor]:
        index, draw = item_of if isinstance(item_of, tuple) else (item_of, 0)
        again = [draw] if draw else []  # a face's first draw is what it is without a number
        generator = np.random.default_rng([self.seed, self.epoch, index, *again])
        jitter = self.jitter
        if jitter is None:
            rough = not self.locator_size and generator.random() < FIRST_PASS_SHARE
            jitter = FIRST_PASS if rough else SECOND_PASS
        labels = {name: label[index].item() for name, label in self.labels.items()}
        item = self._crop(index, jitter, self.input_size, self.points, labels, generator)
        if self.locator_size:
            anchors = {POINTS_5.name: self.anchors}
            coarse = self._crop(index, LOCATOR, self.locator_size, anchors, {}, generator)
            item |= {"coarse": coarse["crop"], "coarse_points": coarse[POINTS_5.name]}
        return item

    def _crop(
        self,
        index: int,
        jitter: Jitter,
        size: int,
        points: dict[str, np.ndarray],
        labels: dict[str, float],
        generator: np.random.Generator,
    ) -> dict[str, Tensor]:
        square = jitter.draw(self.squares[index], generator)
        matrix = crop_matrices(square[None], size)
        image = extract_crop(self.crops.picture(self.rows[index]), matrix[0], size)
        scale = size / square[2]
        errors = {name: self.label_errors[name][index] * scale for name in points if name in self.label_errors}
        points = {name: transform(matrix, p[index : index + 1])[0] for name, p in points.items()}
        if generator.random() < 0.5:
            image, points, labels = flip(image, points, labels, self.tasks)
            errors = {name: error[list(SCHEMES[name].swap)] for name, error in errors.items()}
        conditions = self.conditions.draw(generator)
        if "covered" in conditions:
            other = self.crops.picture(self.rows[generator.integers(len(self.rows))])
            image = cover(image, other[:CORNER, :CORNER], generator)
        if self.picture is not None:
            seed = int(generator.integers(2**31))
            self.picture.set_random_state(np.random.default_rng(seed), random.Random(seed))
            image = self.picture(image=coarser(image, generator))["image"]
        image = expose(image, conditions, generator)
        if "cut_off" in conditions:
            image = cut_off(image, generator)
        return {
            "crop": torch.from_numpy(image),
            **{name: torch.from_numpy(p.astype(np.float32)) for name, p in points.items()},
            **{LABEL_ERRORS[name]: torch.from_numpy(error.astype(np.float32)) for name, error in errors.items()},
            **{name: torch.tensor(label) for name, label in labels.items()},
        }
