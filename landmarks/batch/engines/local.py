"""Workers, and what happens when one dies."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from landmarks.batch.engines.processes import prepare
from landmarks.batch.engines.watchdog import START_SECONDS, Watchdog
from landmarks.batch.engines.worker import AnnotatorFactory, Done, Facts, Images, ImageWriter, Stop, lost, run
from landmarks.batch.plan import MEMORY_IN_FLIGHT, Order, Plan
from landmarks.bounded import answers
from landmarks.errors import LandmarksError
from landmarks.log import log
from landmarks.record import ERROR, TIMEOUT
from landmarks.sources.source import Source

AHEAD = 2
"""Tasks that a worker has been sent and has not answered: it need not wait for the next one."""
MAX_STILLBORN = 3
"""So many workers in succession may die before they are ready; then something is wrong with all of them."""
DEATH_SECONDS = 5.0
"""For so long we wait for a process to end that was told to."""


@dataclass
class _Assignment:
    images: Images
    deaths: list[tuple[str, str]] = field(default_factory=list)
    """Status and reason that each worker that died of it would give an image."""

    @property
    def weight(self) -> int:
        """Bytes that it needs room for, as far as they are known."""
        return sum(source.weight for source in self.images)


@dataclass(eq=False)
class _Process:
    """A worker's process as the main one sees it."""

    process: Any
    connection: Connection
    pulse: Any
    """Shared memory: its `value` changes whenever the worker gets on."""
    timeout: float | None
    """Seconds that it may take for an image."""
    assignments: deque[_Assignment] = field(default_factory=deque)
    """Sent and not answered, in order; it works on the first."""
    ready: bool = False
    timed_out: bool = False
    """Whether it was ended because it did not get on."""
    _silent: float = 0.0
    """For so many seconds it was waited for since its pulse changed."""
    _seen: int = 0

    def give(self, assignment: _Assignment) -> None:
        self.assignments.append(assignment)
        with suppress(OSError):  # If it has died, it will be noticed when it is listened to.
            self.connection.send(assignment.images)

    def tick(self, seconds: float) -> None:
        """It was waited for during so many seconds more: end it if that is too long."""
        limit = START_SECONDS if not self.ready else self.timeout if self.assignments else None
        if limit is None or self.pulse.value != self._seen:
            self._seen, self._silent = self.pulse.value, 0.0
            return
        self._silent += seconds
        if self._silent >= limit:
            self.timed_out = True
            self.process.kill()
            self._hang_up()

    def reason(self) -> tuple[str, str]:
        """After its death: status and reason for the image that it worked on."""
        self.process.join(DEATH_SECONDS)  # One that is stuck in the kernel does not even die.
        if self.timed_out:
            return TIMEOUT, f"it took more than {self.timeout if self.ready else START_SECONDS:g} s"
        code = self.process.exitcode
        how = signal.Signals(-code).name if code and -code in list(signal.Signals) else f"exit code {code}"
        return ERROR, f"the process that worked on it died ({how})"

    def _hang_up(self) -> None:
        """Nobody waits for it any more, whether it dies or not."""
        with suppress(OSError, ValueError), socket.socket(fileno=os.dup(self.connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)


class LocalEngine:
    """Worker processes, started at once; they end with the `with` block, or when this process dies. An Engine.

    One that dies is replaced. What it worked on is tried again, then image by image; an image of which a worker dies
    again gets a row that says so.
    """

    def __init__(
        self, factory: AnnotatorFactory, writers: Sequence[ImageWriter], size: int, timeout: float | None = None
    ) -> None:
        """timeout: seconds that an image may take before its worker is ended."""
        self.factory, self.writers, self.size, self.timeout = factory, writers, size, timeout
        self._context = prepare(factory.preload)
        self._stillborn = 0
        self._started = 0
        self._processes: list[_Process] = []
        self._facts: Facts | None = None
        self._watchdog = Watchdog(lambda: self._processes, timeout)

    def __enter__(self) -> LocalEngine:
        self._processes = [self._start() for _ in range(self.size)]
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.stop()
        for one in self._processes:
            one.connection.close()
            if one.assignments or not one.ready:
                one.process.terminate()
        for one in self._processes:
            one.process.join(DEATH_SECONDS)
            if one.process.is_alive():
                one.process.kill()
                one.process.join(DEATH_SECONDS)

    @property
    def facts(self) -> Facts:
        """What the workers say of themselves; waits for the first of them. Raises LandmarksError if they refuse."""
        while self._facts is None:
            self._listen()
        return self._facts

    def map(self, tasks: Iterator[Images]) -> Iterator[Done]:
        """What becomes of the images of each task, as they are done.

        Raises LandmarksError if the workers cannot work at all.
        """
        again: deque[_Assignment] = deque()
        while True:
            self._feed(again, tasks)
            if not any(one.assignments for one in self._processes):
                return
            done, left = self._listen()
            yield from done
            for assignment in left:
                if len(assignment.deaths) < 2:
                    again.append(assignment)
                elif len(assignment.images) > 1:
                    again.extend(_Assignment([source], assignment.deaths[-1:]) for source in assignment.images)
                else:
                    yield self._lost(assignment)

    def run(self, plan: Plan, sources: Iterable[Source], order: Order) -> Iterator[Done]:
        return self.map(answers(plan.work(sources, order), self.timeout))

    def _feed(self, again: deque[_Assignment], tasks: Iterator[Images]) -> None:
        """Give every worker something to do, evenly."""
        for depth in range(1, AHEAD + 1):
            for one in self._processes:
                if len(one.assignments) < depth:
                    images = None if again else next(tasks, None)
                    if images is None and not again:
                        return
                    assignment = _Assignment(images) if images is not None else again.popleft()
                    in_flight = [given.weight for each in self._processes for given in each.assignments]
                    if in_flight and sum(in_flight) + assignment.weight > MEMORY_IN_FLIGHT:
                        again.appendleft(assignment)
                        return
                    with self._watchdog.waiting():
                        one.give(assignment)

    def _listen(self) -> tuple[list[Done], list[_Assignment]]:
        """Wait for the workers: what they have done, and what they have left undone by dying."""
        done, left = [], []
        with self._watchdog.waiting():
            heard = set(wait([one.connection for one in self._processes]))
        for one in [one for one in self._processes if one.connection in heard]:
            try:
                with self._watchdog.waiting():
                    answer = one.connection.recv()
            except (EOFError, OSError):
                left += self._replace(one)
                continue
            if isinstance(answer, Stop):
                raise LandmarksError(answer.reason)
            self._stillborn = 0  # Something works; over a long run single workers may well die as they start.
            if isinstance(answer, Facts):
                one.ready, self._facts = True, answer
            else:
                one.assignments.popleft()
                done.append(answer)
        return done, left

    def _replace(self, dead: _Process) -> list[_Assignment]:
        """Start another process for one that has died; gives back its assignments."""
        status, reason = dead.reason()
        log.warning("a worker is replaced: %s", reason)
        if not dead.ready:
            self._stillborn += 1
            if self._stillborn >= MAX_STILLBORN:
                raise LandmarksError(f"the worker processes end as they start: {reason}; try --workers 0")
        elif dead.assignments:
            dead.assignments[0].deaths.append((status, reason))
        self._processes[self._processes.index(dead)] = self._start()
        return list(dead.assignments)

    def _lost(self, assignment: _Assignment) -> Done:
        """The row of an image of which two workers have died."""
        (source,), (status, reason) = assignment.images, assignment.deaths[-1]
        return lost(source, status, reason, self.facts.empty, self.timeout)

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        pulse = self._context.RawValue("Q", 0)
        arguments = (theirs, dict(os.environ), self.factory, self._started, self.writers, pulse)
        process = self._context.Process(target=run, args=arguments, daemon=True)
        process.start()
        theirs.close()  # So that it alone holds it, and its death is heard.
        self._started += 1
        return _Process(process, ours, pulse, self.timeout)
