"""Sources read ahead of the one that is worked on: that hides the delays of a disk or network, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from functools import partial

from landmarks.bounded import Desk
from landmarks.sources.source import Held, Source, held

READERS = 4
"""Files that are read at once."""
MOST_BYTES = 64 << 20
"""What was read and not yet asked for is at most so much, or one image that is larger by itself."""


def read_ahead(sources: Sequence[Source], limit: int, readers: int = READERS, most: int = MOST_BYTES) -> Iterator[Held]:
    """Each source with its content of at most `limit` bytes, or the reason why there is none; in order.

    most: bytes that wait, by what the files say of themselves. Those of one that is yielded do not count any more.
    """
    left = deque(sources)
    waiting: deque[tuple[int, Future[Held]]] = deque()
    desk = Desk(readers)
    try:
        while left or waiting:
            while left and len(waiting) < readers:
                size = left[0].size_now()
                if waiting and sum(other for other, _ in waiting) + size > most:
                    break
                waiting.append((size, desk.give(partial(held, left.popleft(), limit))))
            yield waiting.popleft()[1].result()
    finally:
        desk.close()
