"""How many processes, and how they are made. Nothing heavy is imported here."""

from __future__ import annotations

import multiprocessing
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

WORKER_MEMORY = 1 << 30
"""Bytes of memory to have for each worker."""


def prepare(module: str = "landmarks.inference.annotator") -> Any:
    """Have the module imported once for all workers to come, while this process does something else.

    Gives what makes their processes. They are not forked from this one: that would copy its locks and threads in
    whatever state they are.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    forkserver.ensure_running()
    return context


def default_workers() -> int:
    """One for each core that this process may use, as far as the memory goes."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # A container's share, on Linux.
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, max(1, round(int(quota) / int(period))))
    with suppress(AttributeError, OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        cores = min(cores, max(1, memory // WORKER_MEMORY))
    return cores
