"""Which device computes, and with how many threads of the CPU. Decided here alone; torch is not imported to say so."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AUTO, CPU = "auto", "cpu"
DRIVERS = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/dev/nvhost-gpu",
    "/dev/dxg",
    "/dev/kfd",
    r"C:\Windows\System32\nvcuda.dll",
)
"""Where a driver shows itself without which torch has no GPU: NVIDIA's, Jetson's, WSL's, AMD's, and on Windows."""

_threads: int | None = None
"""As `use_threads` has said."""


def choose_device(device: str) -> torch.device:
    """The device of that name, as torch spells it; `auto` is the first GPU if there is one, else the CPU.

    Raises ValueError for a device that is not there.
    """
    import torch

    if _threads:
        torch.set_num_threads(_threads)  # It may have been imported only now.
    if device == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else CPU)
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return chosen


def driver_in_sight() -> bool:
    """Whether torch may have a GPU here; it is not asked."""
    return any(Path(driver).exists() for driver in DRIVERS)


def means_cpu(device: str) -> bool:
    """Whether that name means the CPU. torch is asked only where a driver of a GPU is in sight."""
    return device == CPU or (device == AUTO and (not driver_in_sight() or choose_device(AUTO).type == CPU))


def use_threads(count: int) -> None:
    """Let OpenCV, torch, and every later onnxruntime session use this many threads of the CPU."""
    import cv2

    global _threads
    _threads = count
    cv2.setNumThreads(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def threads() -> int:
    """How many threads of the CPU compute: as torch is set, where it is loaded, else as `use_threads` has said, else
    one a core."""
    if torch := sys.modules.get("torch"):
        return torch.get_num_threads()
    return _threads or cores()


def cores() -> int:
    """Cores that this process may use."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # A container's share, on Linux.
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        count = min(count, max(1, round(int(quota) / int(period))))
    return count
