"""Which device computes, and with how many threads of the CPU. Decided here alone; torch is not imported to say so."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

AUTO, CPU = "auto", "cpu"
FEW_FACES = 4
"""So many faces of the input size are computed as soon on one thread as on several."""
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
        torch.zeros(1, device=chosen).cpu()  # From some, such as `meta`, nothing comes back.
    except (RuntimeError, AssertionError, ImportError, AttributeError, UnicodeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used here: {reason}") from error
    return chosen


def driver_in_sight() -> bool:
    """Whether torch may have a GPU here; it is not asked."""
    return any(Path(driver).exists() for driver in DRIVERS)


def means_cpu(device: str) -> bool:
    """Whether that name means the CPU. torch is asked only where a driver of a GPU is in sight."""
    return device == CPU or (device == AUTO and (not driver_in_sight() or choose_device(AUTO).type == CPU))


@contextmanager
def one_thread_for_few(faces: int) -> Iterator[None]:
    """Have torch compute within on one thread of the CPU if there are few faces; this holds for the calling thread.

    The threads of torch, onnxruntime and OpenCV go on for a while without work, each waiting for more of its own, and
    keep the cores from the others. So for one photograph only the detector has several.
    """
    import torch

    before = torch.get_num_threads()
    if faces > FEW_FACES or before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """As `use_threads`, within; then as before."""
    import cv2

    global _threads
    before, of_all, of_cv2 = _threads, thread_count(), cv2.getNumThreads()
    use_threads(count)
    try:
        yield
    finally:
        _threads = before
        cv2.setNumThreads(of_cv2)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(of_all)


def use_threads(count: int) -> None:
    """Let OpenCV, torch, and every later onnxruntime session use this many threads of the CPU."""
    import cv2

    global _threads
    _threads = count
    cv2.setNumThreads(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def thread_count() -> int:
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
