"""Python's fork server as a fork of this process, which has imported already what both need.

By itself `multiprocessing` starts its fork server as a new interpreter, which imports everything a second time. A fork
copies the locks of other threads in whatever state they are, so there must be none.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker, util

STANDARD = (0, 1, 2)
"""Standard input, output and errors."""
THREADS = "/proc/self/task"
"""Where Linux lists the threads of a process, those of libraries among them."""


def may_fork() -> bool:
    """Whether this process has one thread alone; told by Linux only."""
    try:
        return sys.platform == "linux" and len(os.listdir(THREADS)) == 1
    except OSError:  # A container may have no /proc.
        return False


def start() -> None:
    """Have the fork server run, as a fork of this process, unless it runs already. Only if `may_fork`."""
    resource_tracker.ensure_running()  # An interpreter of its own, as ever.
    usual, util.spawnv_passfds = util.spawnv_passfds, _fork  # type: ignore[assignment]
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = usual


def _fork(path: bytes, arguments: Sequence[str], kept: Sequence[int]) -> int:
    """Do in a fork of this process what `path -c CODE` would do in a new one, which inherits the open files `kept`.

    arguments: the last is the code -> the process's number.
    """
    if number := os.fork():
        return number
    code = 1
    try:
        for file in map(int, os.listdir("/proc/self/fd")):
            if file not in {*STANDARD, *kept}:
                with suppress(OSError):  # the list's own
                    os.close(file)
        forkserver._forkserver.__init__()  # type: ignore[misc]  # It was copied as it starts its server.
        exec(arguments[-1], {})
        code = 0
    except (SystemExit, KeyboardInterrupt):  # The process that it works for has gone, or tells the user.
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
