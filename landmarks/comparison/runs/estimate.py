"""How long a comparison will take, told before it begins."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from landmarks.comparison.grid.arms import Arm
from landmarks.comparison.runs.train import milliseconds
from landmarks.training.weightings.create import passes_of

STEP = 4.0
"""A face in training, with its part of the validation, in passes of the network forwards."""
EACH = 2.0
"""Seconds of a run beside its training: the test faces, the files."""


def minutes(runs: Sequence[tuple[Arm, int]], faces: int, jobs: int, device: str = "cpu") -> float:
    """About how many minutes runs take, several at a time. faces: training faces."""
    each = minutes_each(runs, faces, device)
    return sum(each[arm.name] for arm, _ in runs) / max(1, min(jobs, len(runs)))


def minutes_each(runs: Sequence[tuple[Arm, int]], faces: int, device: str = "cpu") -> dict[str, float]:
    """About how many minutes a run of each arm takes alone, by its name; from the time of one pass of its network,
    which is taken here and now.

    faces: training faces. An arm of fewer takes as many steps.
    """
    times: dict[str, float] = {}
    for precision in {arm.precision for arm, _ in runs}:  # Some processors take much longer in 16 bits.
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16"):
            times |= milliseconds(dict.fromkeys(arm for arm, _ in runs if arm.precision == precision), device)
    return {
        arm.name: (EACH + STEP * times[arm.name] / 1000 * faces * arm.epochs * _passes(arm)) / 60
        for arm in dict.fromkeys(arm for arm, _ in runs)
    }


def _passes(arm: Arm) -> int:
    """Backward passes of a step: some ways to weigh tasks take the gradients of each."""
    return passes_of(arm.weighting) or len(arm.tasks)
