"""How long a comparison will take, told before it begins."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from landmarks.comparison.grid import Arm
from landmarks.comparison.train import milliseconds

STEP = 4.0
"""A face in training, with its part of the validation, in passes of the network forwards."""
EACH = 2.0
"""Seconds of a run beside its training: the test faces, the files."""


def minutes(runs: Sequence[tuple[Arm, int]], faces: int, jobs: int, device: str = "cpu") -> float:
    """About how many minutes runs take, several at a time; from the time of one pass, which is taken here and now.

    faces: training faces. An arm of fewer takes as many steps.
    """
    times: dict[str, float] = {}
    for precision in {arm.precision for arm, _ in runs}:  # Some processors take much longer in 16 bits.
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=precision == "bfloat16"):
            times |= milliseconds(dict.fromkeys(arm for arm, _ in runs if arm.precision == precision), device)
    seconds = sum(EACH + STEP * times[arm.name] / 1000 * faces * arm.epochs * _passes(arm) for arm, _ in runs)
    return seconds / max(1, min(jobs, len(runs))) / 60


def _passes(arm: Arm) -> int:
    """Backward passes of a step: these ways to weigh tasks take the gradients of each."""
    return len(arm.tasks) if arm.weighting in ("pcgrad", "gradnorm") else 1
