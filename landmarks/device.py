"""Which device computes, and with how many threads of the CPU. Decided here alone."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    import torch

AUTO, CPU = "auto", "cpu"


def choose_device(device: str) -> torch.device:
    """The device of that name, as torch spells it; `auto` is the first GPU if there is one, else the CPU.

    Raises ValueError for a device that is not there.
    """
    import torch

    if device == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else CPU)
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return chosen


def use_threads(count: int) -> None:
    """Let OpenCV, torch if it is loaded, and every later onnxruntime session use this many threads of the CPU."""
    cv2.setNumThreads(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
