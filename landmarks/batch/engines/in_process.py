"""The one worker in this very process, on a thread of its own: so an image that hangs can be told, and left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from landmarks.batch.engines.worker import Done, Images, Worker, lost
from landmarks.batch.plan import Order, Plan
from landmarks.bounded import CLOSE_SECONDS, TICK_SECONDS, Desk, answers, wait_for
from landmarks.errors import LandmarksError
from landmarks.record import TIMEOUT
from landmarks.sources.source import Source


class _Hangs(Exception):
    """The worker has not got on for too long."""


class _Over(BaseException):
    """Nobody waits for the worker any more."""


class InProcessEngine:
    """Works without further processes. An Engine.

    A thread cannot be ended: the image that hangs gets its row, and then the run ends. The next one goes on behind it.
    """

    def __init__(self, worker: Worker, timeout: float | None = None) -> None:
        """timeout: seconds that an image may take."""
        self.worker, self.facts, self.size, self.timeout = worker, worker.facts, 0, timeout
        self._desk = Desk()
        self._beats = self._seen = 0
        self._silent = 0.0
        self._hangs = self._over = False
        worker.beat = self._beat

    def __enter__(self) -> InProcessEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._desk.close(0.0 if self._hangs else CLOSE_SECONDS)

    def run(self, plan: Plan, sources: Iterable[Source], order: Order) -> Iterator[Done]:
        seconds = TICK_SECONDS if self.timeout is None else min(TICK_SECONDS, self.timeout / 4)
        for images in answers(plan.work(sources, order), self.timeout):
            try:
                yield wait_for(self._desk.give(partial(self.worker, images)), self._tick, seconds)
            except _Hangs:
                self._hangs = True
                yield from self._lost(images)

    def _beat(self) -> None:
        if self._over:
            raise _Over
        self._beats += 1

    def _tick(self, seconds: float) -> None:
        if self.timeout is None or self._beats != self._seen:
            self._seen, self._silent = self._beats, 0.0
            return
        self._silent += seconds
        if self._silent >= self.timeout:
            raise _Hangs

    def _lost(self, images: Images) -> Iterator[Done]:
        """The row of the image that hangs, and then the end."""
        source = self.worker.at or images[0]
        reason = f"it took more than {self.timeout:g} s"
        yield lost(source, TIMEOUT, reason, self.facts.empty, self.timeout)
        cure = "give the same command again: it goes on with the others; with workers it would not have to"
        raise LandmarksError(f"{source.name}: {reason}, and without workers the run ends there; {cure}")
