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
WORKER = "landmarks.batch.engines.worker"
"""The module that imports what every worker needs, whatever annotates."""
OPENED = "landmarks.batch.engines.opened"
"""The module that opens what the workers of a usual run have open."""


def prepare(modules: Sequence[str]) -> Any:
    """Have the modules imported once for all workers to come, while this process does something else.

    Gives what makes their processes. They are forked from one that does nothing else; that one is forked from this one
    while there is one thread alone, and started anew otherwise.
    """
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    from landmarks.batch.engines import forked

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*modules, WORKER])
    if forked.may_fork():
        forked.start()
    else:
        forkserver.ensure_running()
    return context


def default_workers() -> int:
    """One for each core that this process may use, as far as the memory goes."""
    count = cores()
    with suppress(AttributeError, OSError, ValueError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        count = min(count, max(1, memory // WORKER_MEMORY))
    return count
