"""Where the loop's batches come from: samples made while it learns, or views made beforehand and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, WeightedRandomSampler

from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.crops.views import Views
from landmarks.datasets.table import groups_of, labels_of
from landmarks.device import cores
from landmarks.schemes import ABSENT, POSE, Attribute
from landmarks.training.config import TrainingConfig


class Batches(Protocol):
    """Batches of faces, epoch by epoch: tensors by name as `Samples` makes them, stacked."""

    def __len__(self) -> int:
        """Number of different faces."""
        ...

    def steps(self) -> int:
        """Number of batches an epoch."""
        ...

    def batches(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        """The batches of an epoch; the same ones whenever asked."""
        ...


class SampleBatches:
    """Training batches from samples, drawn with weights, or with `draw` off every sample once in order. A face that an
    epoch draws twice is cropped and changed anew the second time."""

    def __init__(self, samples: Samples, config: TrainingConfig, draw: bool) -> None:
        self.samples, self.config, self.draw = samples, config, draw

    def __len__(self) -> int:
        return len(self.samples)

    def steps(self) -> int:
        return -(-((self.draw and self.config.draws) or len(self)) // self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        generator = torch.Generator().manual_seed(self.config.seed * 100_003 + epoch)
        sampler = None
        if self.draw:
            self.samples.epoch = epoch
            weights = draw_weights(self.samples, self.config)
            drawn = WeightedRandomSampler(weights.tolist(), self.config.draws or len(self), generator=generator)
            sampler = _numbered(drawn)
        yield from DataLoader(
            self.samples,
            batch_size=self.config.batch_size,
            sampler=sampler,
            num_workers=min(self.config.workers, cores()),
            generator=generator,
            worker_init_fn=_one_thread,
        )


class CachedBatches:
    """Batches from views: pass after pass over the faces, each pass in an order of its own and with the views' turn. An
    epoch is `steps` of these batches, where they are given, else a pass. With `shuffle` off always the first view, in
    order."""

    def __init__(self, views: Views, batch_size: int, seed: int, shuffle: bool, steps: int = 0) -> None:
        self.views, self.batch_size, self.seed, self.shuffle = views, batch_size, seed, shuffle
        self._pass = -(-len(views) // batch_size)
        self._steps = steps or self._pass

    def __len__(self) -> int:
        return len(self.views)

    def steps(self) -> int:
        return self._steps

    def batches(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        for step in range(epoch * self._steps, (epoch + 1) * self._steps):
            turn, place = divmod(step, self._pass)
            rows = self._order(turn)[place * self.batch_size : (place + 1) * self.batch_size]
            yield self.views.take(turn if self.shuffle else 0, rows)

    def _order(self, turn: int) -> np.ndarray:
        order = np.arange(len(self))
        if self.shuffle:
            np.random.default_rng((self.seed, turn)).shuffle(order)
        return order


class JoinedBatches:
    """Each batch one of `first`'s and one of `second`'s; an epoch has as many as the first's, and its faces."""

    def __init__(self, first: Batches, second: Batches) -> None:
        self.first, self.second = first, second

    def __len__(self) -> int:
        return len(self.first)

    def steps(self) -> int:
        return self.first.steps()

    def batches(self, epoch: int) -> Iterator[dict[str, Tensor]]:
        for one, other in zip(self.first.batches(epoch), self.second.batches(epoch)):
            yield {name: torch.cat([values, other[name]]) for name, values in one.items()}


def draw_weights(samples: Samples, config: TrainingConfig) -> np.ndarray:
    """(N,) float64: how often each face is drawn, relative to the others."""
    table = samples.crops.table.iloc[samples.rows]
    weights = _rarity(labels_of(table, POSE), config.pose_balance)
    if config.balance:
        weights = weights * _rarity(groups_of(table, config.balance), 1.0)
    return weights * table["source"].map(config.source_weights).fillna(1.0).to_numpy(float)


def drawn_counts(samples: Samples, config: TrainingConfig) -> dict[str, dict[str, float]]:
    """By attribute and class, the expected faces among as many draws as there are faces: plain values. Rare poses, and
    faces of groups and sources, are drawn more or less often than they are there."""
    weights = draw_weights(samples, config)
    weights = weights / weights.mean()
    counts = {}
    for name, task in samples.tasks.items():
        if isinstance(task, Attribute):
            labels = samples.labels[name]
            known = labels != ABSENT
            drawn = np.bincount(labels[known].astype(int), weights[known], minlength=len(task))
            counts[name] = dict(zip(task.labels, drawn.round(2).tolist()))
    return counts


def _rarity(groups: np.ndarray, power: float) -> np.ndarray:
    """(N,) group of each face -> (N,) weights n^-power, n the faces of its group, of mean 1; 1 where it is ABSENT."""
    weights, known = np.ones(len(groups)), groups != ABSENT
    if known.any():
        _, inverse, counts = np.unique(groups[known], return_inverse=True, return_counts=True)
        rarity = counts[inverse].astype(float) ** -power
        weights[known] = rarity / rarity.mean()
    return weights


def _numbered(drawn: Iterable[int]) -> list[tuple[int, int]]:
    """Each face drawn, and how often it was drawn before."""
    before: Counter[int] = Counter()
    numbered = []
    for index in drawn:
        numbered.append((index, before[index]))
        before[index] += 1
    return numbered


def _one_thread(worker: int) -> None:
    """Workers make samples side by side; threads of OpenCV's in each of them would only fight."""
    cv2.setNumThreads(0)
