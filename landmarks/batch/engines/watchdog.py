"""Ends workers that do not get on while they are waited for. It is kept by the process that waits: what may hang, be
stopped or be stuck in the kernel does not watch over itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

START_SECONDS = 300.0
"""A worker may take so long from one step of its start to the next."""
TICK_SECONDS = 1.0
"""How often is looked, at most."""


class Watched(Protocol):
    """A worker."""

    def tick(self, seconds: float) -> None:
        """It was waited for during so many seconds more."""


class Watchdog:
    """A thread that looks at the workers again and again; it ends with `stop`, or with this process.

    It counts the times it has looked and trusts no clock: a process that was stopped (Ctrl-Z) and goes on finds its
    workers alive. Nor does it count while this process does something else: then it is not the workers that are slow.
    """

    def __init__(self, workers: Callable[[], Iterable[Watched]], timeout: float | None) -> None:
        """timeout: the shortest time after which a worker is to be ended; None: only those that do not start are."""
        self._workers, self._waiting, self._over = workers, False, threading.Event()
        self._seconds = min(TICK_SECONDS, (timeout or START_SECONDS) / 4)
        threading.Thread(target=self._look, daemon=True, name="watchdog").start()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around all that waits for a worker."""
        self._waiting = True
        try:
            yield
        finally:
            self._waiting = False

    def stop(self) -> None:
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(self._seconds):
            for worker in list(self._workers()) if self._waiting else ():
                worker.tick(self._seconds)
