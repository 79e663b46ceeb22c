"""How many processes, and how they are made. Nothing heavy is imported here."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from landmarks.device import cores

WORKER_MEMORY = 1 << 30
"""Bytes of memory to have for each worker."""
READY = "landmarks.batch.engines.ready"
"""The module that imports what every worker needs, whatever annotates."""


def prepare(modules: Sequence[str]) -> Any:
    """Have the modules imported once for all workers to come, while this process does something else.

    Gives what makes their processes. They are not forked from this one: that would copy its locks and threads in
    whatever state they are.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, READY])
    forkserver.ensure_running()
    return context


def default_workers() -> int:
    """One for each core that this process may use, as far as the memory goes."""
    count = cores()
    with suppress(AttributeError, OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        count = min(count, max(1, memory // WORKER_MEMORY))
    return count
