"""Stamps of files behind URLs, asked for many at once: a run with nothing to do need not wait for each in turn."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswer  # Python 3.10 has one of its own.
from contextlib import suppress
from dataclasses import replace

from landmarks.sources.remote.files import CALL_SECONDS, RemoteFile, host_of, stamp_of
from landmarks.sources.remote.trouble import hosts
from landmarks.sources.source import UNKNOWN, Source

ASKED_AT_ONCE = 32
ANSWER_SECONDS = 2 * CALL_SECONDS
"""For so long an answer is waited for, however slowly its bytes come."""


def with_stamps(sources: Iterable[Source], wanted: Callable[[Source], bool]) -> Iterator[Source]:
    """The sources in order; those behind URLs that are `wanted` know their stamps. Each question has a time limit."""
    waiting: deque[tuple[Source, _Question | None]] = deque()
    desk: _Desk | None = None
    try:
        for source in sources:
            if not waiting and not isinstance(source, RemoteFile):
                yield source
                continue
            question = None
            if isinstance(source, RemoteFile) and source.mark is None and wanted(source):
                desk = desk or _Desk()
                question = desk.ask(str(source.path))
            waiting.append((source, question))
            if len(waiting) > 2 * ASKED_AT_ONCE:
                yield _answered(*waiting.popleft())
        while waiting:
            yield _answered(*waiting.popleft())
    finally:
        if desk:
            desk.close()


class _Question:
    """What the stamp of a file is."""

    def __init__(self, url: str) -> None:
        self.url, self.asked, self._answer = url, time.monotonic(), Future[str]()

    def work(self) -> None:
        self._answer.set_result(stamp_of(self.url))

    def answer(self) -> str:
        """UNKNOWN if it takes too long; its host is then known not to answer."""
        try:
            return self._answer.result(max(0.0, self.asked + ANSWER_SECONDS - time.monotonic()))
        except NoAnswer:
            hosts.note(host_of(self.url), f"no answer within {ANSWER_SECONDS:g} s")
            return UNKNOWN


class _Desk:
    """Threads that ask. No pool of the library's: a thread that hangs must not keep this process from ending."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[_Question | None] = queue.SimpleQueue()
        for _ in range(ASKED_AT_ONCE):
            threading.Thread(target=self._work, daemon=True).start()

    def ask(self, url: str) -> _Question:
        question = _Question(url)
        self._questions.put(question)
        return question

    def close(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._questions.get_nowait()
        for _ in range(ASKED_AT_ONCE):
            self._questions.put(None)

    def _work(self) -> None:
        while question := self._questions.get():
            question.work()


def _answered(source: Source, question: _Question | None) -> Source:
    return replace(source, mark=question.answer()) if question and isinstance(source, RemoteFile) else source
