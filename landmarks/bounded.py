"""Work that may never end: another thread does it, and whoever waits for it has a bound.

A thread that is stuck in the kernel cannot be ended, but it can be left. The library's pools are of no use here: the
process waits for their threads as it ends.
"""

from __future__ import annotations

import io
import os
import queue
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer  # Python 3.10 has one of its own.
from typing import IO, Any, TypeVar

from landmarks.errors import LandmarksError

T = TypeVar("T")

TICK_SECONDS = 1.0
"""How often is looked whether work gets on, at most."""
CLOSE_SECONDS = 5.0
"""For so long we wait for a thread that is not stuck to tidy up."""


class Desk:
    """Threads that do what they are given, in order. They never keep the process from ending."""

    def __init__(self, threads: int = 1) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._do, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def give(self, work: Callable[[], T]) -> Future[T]:
        """What will come of `work`."""
        future = Future[T]()
        self._work.put((future, work))
        return future

    def close(self, seconds: float = 0.0) -> None:
        """Have the threads end when they have done what they were given; wait for so long for each."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(seconds)

    def _do(self) -> None:
        while given := self._work.get():
            future, work = given
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(work())
            except BaseException as error:  # It belongs to whoever waits.
                future.set_exception(error)
            del given, future, work


def wait_for(future: Future[T], tick: Callable[[float], None], seconds: float = TICK_SECONDS) -> T:
    """What the future gives or raises. tick: is told each time that it was waited for during so many `seconds` more;
    what it raises ends the waiting.

    No clock is read: the time for which this process was stopped (Ctrl-Z) does not count.
    """
    while True:
        try:
            return future.result(seconds)
        except NoAnswer:
            if future.done():
                return future.result()
            tick(seconds)


class _Asked:
    """The question that a thread has put to a file system."""

    path: str | os.PathLike[str] | None = None
    count = 0


class _Here(threading.local):
    asked: _Asked | None = None
    """Where this thread notes its questions; None: nobody looks at them."""


_here = _Here()


def ask(path: str | os.PathLike[str], question: Callable[..., T], *arguments: Any) -> T:
    """`question(*arguments)`, which a file system answers; whoever waits in `answers` sees that it is about `path`."""
    asked = _here.asked
    if asked is None:
        return question(*arguments)
    asked.path, asked.count = path, asked.count + 1
    try:
        return question(*arguments)
    finally:
        asked.path = None


def answers(items: Iterator[T], timeout: float | None) -> Iterator[T]:
    """The items, each made by a thread of its own, as long as file systems answer it.

    timeout: seconds for each question that is put by `ask`, None for no limit. All else may take its time. Raises
    LandmarksError with the path about which there is no answer.
    """
    asked, desk = _Asked(), Desk()
    silent, count = 0.0, 0

    def step() -> tuple[T] | None:
        _here.asked = asked
        for item in items:
            return (item,)
        return None

    def tick(seconds: float) -> None:
        nonlocal silent, count
        path = asked.path
        if path is None or asked.count != count:
            silent, count = 0.0, asked.count
            return
        silent += seconds
        if timeout is not None and silent >= timeout:
            cure = "give the same command again when it does: what is done is kept; or leave it out"
            raise LandmarksError(f"{os.fspath(path)}: its file system has given no answer for {timeout:g} s; {cure}")

    seconds = TICK_SECONDS if timeout is None else min(TICK_SECONDS, timeout / 4)
    future = desk.give(step)
    try:
        while made := wait_for(future, tick, seconds):
            yield made[0]
            future = desk.give(step)
    finally:
        if future.done() and (close := getattr(items, "close", None)):
            desk.give(close)  # By the thread that it belongs to.
        desk.close(CLOSE_SECONDS if future.done() else 0.0)


def answer(question: Callable[[], T], timeout: float | None) -> T:
    """What a question, or several in succession, gives; see `answers`."""
    return next(answers(map(lambda _: question(), [None]), timeout))


class _File(io.FileIO):
    """An open file each of whose reads is a question."""

    def __init__(self, number: int, path: str | os.PathLike[str]) -> None:
        super().__init__(number)
        self.path = path

    def readinto(self, buffer: Any) -> int | None:  # type: ignore[override]
        return ask(self.path, super().readinto, buffer)


def open_file(path: str | os.PathLike[str]) -> IO[bytes]:
    """A regular file to read. Unlike `open`, it does not wait for somebody to write to a named pipe.

    Raises OSError, ValueError for anything else than a file.
    """
    number = ask(path, os.open, path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise ValueError("it is not a regular file")
        return io.BufferedReader(_File(number, path))
    except BaseException:
        os.close(number)
        raise
