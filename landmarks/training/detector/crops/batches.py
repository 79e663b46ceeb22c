"""Batches of training crops: the n-th is the same whenever it is made, so that a training goes on where it stopped."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from landmarks.device import cores
from landmarks.training.detector.config import DetectorTraining
from landmarks.training.detector.crops.hard import Hard
from landmarks.training.detector.crops.maker import CropMaker
from landmarks.training.detector.crops.pictures import Pictures
from landmarks.training.detector.crops.place import ignored_cells
from landmarks.training.detector.losses import Truth
from landmarks.training.detector.team import ALONE, Team

AHEAD = 4
"""Batches that each process has ready."""


@dataclass(frozen=True)
class Batch:
    """B crops and their faces."""

    pixels: Tensor
    """(B, S, S, 3) uint8 RGB."""
    truth: Truth

    def to(self, device: str) -> Batch:
        """The same on another device."""
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in vars(self.truth).items()}
        return Batch(self.pixels.to(device, non_blocking=True), replace(self.truth, **moved))

    def pin_memory(self) -> Batch:
        """The same where a GPU fetches it from while the processor goes on; the loader asks for it."""
        pinned = {name: tensor.pin_memory() for name, tensor in vars(self.truth).items()}
        return Batch(self.pixels.pin_memory(), replace(self.truth, **pinned))


class Batches(Dataset[Batch]):
    """By number. A batch depends on the pictures, what is hard in them, the config, its number and whose part it is."""

    def __init__(
        self, pictures: Pictures, config: DetectorTraining, hard: Hard | None = None, team: Team = ALONE
    ) -> None:
        """Of each batch, this process of several makes its part."""
        self.config, self._make, self._team = config, CropMaker(pictures, config, hard), team

    def __getitem__(self, number: int) -> Batch:
        of = [self._team.rank] if self._team.rank else []
        rng = np.random.default_rng([self.config.seed, number, *of])
        crops = [self._make(rng) for _ in range(self.config.batch_size // self._team.count)]
        counts = [len(crop.boxes) for crop in crops]
        truth = Truth(
            torch.from_numpy(np.concatenate([crop.boxes for crop in crops]).astype(np.float32)),
            torch.from_numpy(np.concatenate([crop.points for crop in crops]).astype(np.float32)),
            torch.from_numpy(np.repeat(np.arange(len(crops)), counts)),
            torch.from_numpy(np.stack([ignored_cells(crop.ignored, self.config.side) for crop in crops])),
        )
        return Batch(torch.from_numpy(np.stack([crop.pixels for crop in crops])), truth)


def load(batches: Batches, first: int, last: int) -> Iterable[Batch]:
    """The batches of numbers first .. last - 1, made ahead by the config's workers."""
    workers = min(batches.config.workers, cores())
    numbers = range(first, last)
    if not workers:
        return (batches[number] for number in numbers)
    return DataLoader(
        batches,
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        prefetch_factor=AHEAD,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
    )


def _start_worker(worker: int) -> None:
    """Workers make crops side by side; threads of OpenCV's in each of them would only fight. Ctrl-C is the loop's to
    answer, which needs them until its step is done."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
