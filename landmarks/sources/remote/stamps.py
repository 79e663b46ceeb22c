"""Stamps of files behind URLs, asked for many at once: a run with nothing to do need not wait for each in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from landmarks.sources.remote.files import RemoteFile, stamp_of
from landmarks.sources.source import Source

ASKED_AT_ONCE = 32


def with_stamps(sources: Iterable[Source], wanted: Callable[[Source], bool]) -> Iterator[Source]:
    """The sources in order; those behind URLs that are `wanted` know their stamps. Each question has a time limit."""
    waiting: deque[tuple[Source, Future[str] | None]] = deque()
    pool: ThreadPoolExecutor | None = None
    try:
        for source in sources:
            if not waiting and not isinstance(source, RemoteFile):
                yield source
                continue
            asked = None
            if isinstance(source, RemoteFile) and source.mark is None and wanted(source):
                pool = pool or ThreadPoolExecutor(ASKED_AT_ONCE)
                asked = pool.submit(stamp_of, str(source.path))
            waiting.append((source, asked))
            if len(waiting) > 2 * ASKED_AT_ONCE:
                yield _answered(*waiting.popleft())
        while waiting:
            yield _answered(*waiting.popleft())
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)


def _answered(source: Source, asked: Future[str] | None) -> Source:
    return replace(source, mark=asked.result()) if asked and isinstance(source, RemoteFile) else source
