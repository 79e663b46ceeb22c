"""Stamps of files behind URLs, asked for many at once: a run with nothing to do need not wait for each in turn."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as NoAnswer  # Python 3.10 has one of its own.
from dataclasses import replace
from functools import partial

from landmarks.bounded import Desk
from landmarks.sources.remote.files import CALL_SECONDS, RemoteFile, host_of, stamp_of
from landmarks.sources.remote.trouble import hosts
from landmarks.sources.source import UNKNOWN, Source

ASKED_AT_ONCE = 32
ANSWER_SECONDS = 2 * CALL_SECONDS
"""For so long an answer is waited for, however slowly its bytes come."""


def with_stamps(sources: Iterable[Source], wanted: Callable[[Source], bool]) -> Iterator[Source]:
    """The sources in order; those behind URLs that are `wanted` know their stamps. Each question has a time limit."""
    waiting: deque[tuple[Source, _Question | None]] = deque()
    desk: Desk | None = None
    try:
        for source in sources:
            if not waiting and not isinstance(source, RemoteFile):
                yield source
                continue
            question = None
            if isinstance(source, RemoteFile) and source.mark is None and wanted(source):
                desk = desk or Desk(ASKED_AT_ONCE)
                question = _Question(str(source.path), desk)
            waiting.append((source, question))
            if len(waiting) > 2 * ASKED_AT_ONCE:
                yield _answered(*waiting.popleft())
        while waiting:
            yield _answered(*waiting.popleft())
    finally:
        for _, question in waiting:
            if question:
                question.drop()
        if desk:
            desk.close()


class _Question:
    """What the stamp of a file is."""

    def __init__(self, url: str, desk: Desk) -> None:
        self.url, self.asked = url, time.monotonic()
        self._answer = desk.give(partial(stamp_of, url))

    def answer(self) -> str:
        """UNKNOWN if it takes too long; its host is then known not to answer."""
        try:
            return self._answer.result(max(0.0, self.asked + ANSWER_SECONDS - time.monotonic()))
        except NoAnswer:
            hosts.note(host_of(self.url), f"no answer within {ANSWER_SECONDS:g} s")
            return UNKNOWN

    def drop(self) -> None:
        """Nobody wants to know any more."""
        self._answer.cancel()


def _answered(source: Source, question: _Question | None) -> Source:
    return replace(source, mark=question.answer()) if question and isinstance(source, RemoteFile) else source
