"""Which device computes, and with how many threads of the CPU. Decided here alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    import torch

AUTO, CPU = "auto", "cpu"
FEW_FACES = 4
"""So many faces of the input size are computed as soon on one thread as on several."""


def choose_device(device: str) -> torch.device:
    """The device of that name, as torch spells it; `auto` is the first GPU if there is one, else the CPU.

    Raises ValueError for a device that is not there.
    """
    import torch

    if device == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else CPU)
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).cpu()  # From some, such as `meta`, nothing comes back.
    except (RuntimeError, AssertionError, ImportError, AttributeError, UnicodeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used here: {reason}") from error
    return chosen


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
    import torch

    before = cv2.getNumThreads(), torch.get_num_threads()
    use_threads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def use_threads(count: int) -> None:
    """Let OpenCV, torch if it is loaded, and every later onnxruntime session use this many threads of the CPU."""
    cv2.setNumThreads(count)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)
