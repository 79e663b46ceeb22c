"""What is to be done, in which portions, and in what order the rows will be: the same for every engine."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from landmarks.batch.engines.worker import Images
from landmarks.batch.journal import Index, digest
from landmarks.sources.find import expand
from landmarks.sources.remote.stamps import with_stamps
from landmarks.sources.source import UNKNOWN, Container, Source

TASK_IMAGES = 8
"""Images that are given to a worker at once; fewer in the first tasks."""
TASK_BYTES = 32 << 20
"""A task ends earlier rather than have more than this of frames and members of archives; one may be larger alone."""
MEMORY_IN_FLIGHT = 256 << 20
"""Bytes of frames and members of archives that all processes of a run have room for at once, or one that is larger."""


def task_images(number: int) -> int:
    """Images of the task of this number, from 0: 1, 1, 2, 2, 4, 4, then TASK_IMAGES: a run soon has its first ones."""
    return min(TASK_IMAGES, 1 << min(number // 2, 30))


@dataclass(frozen=True)
class Shard:
    """A part of the images, by the hash of their names: any machine can tell alone which ones are its own."""

    number: int = 1
    """From 1 to `count`."""
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"a shard is I/N with 1 <= I <= N, not {self.number}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/8` is the second of eight. Raises ValueError."""
        number, _, count = text.partition("/")
        if not (number.isascii() and number.isdigit() and count.isascii() and count.isdigit()):
            raise ValueError(f"a shard is I/N, such as 1/8, not {text!r}")
        return cls(int(number), int(count))

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, name: int) -> bool:
        """Whether the image with this digest of its name belongs to it."""
        return name % self.count == self.number - 1


Chunk = tuple[int, list[Source]]
"""A number, ascending in the order of the sources, and neighbours among them: a few images, or one archive or video."""


@dataclass(frozen=True)
class Task:
    """Neighbours among the images whose faces go through the network together."""

    place: int
    """Ascending in the order of the images."""
    names: tuple[int, ...]
    """Digest of the name of each image, in order."""
    images: Images
    """Those of them that are not done yet."""
    skipped: int = 0
    """How many are done."""
    changed: int = 0
    """How many of these were done before, but their files have changed since."""


@dataclass(frozen=True)
class Plan:
    """Which images are to be done. It can be sent to another process."""

    index: Index
    """What is done."""
    shard: Shard
    retry_failed: bool
    limit: int
    """Bytes that an image file may have."""

    def chunks(self, sources: Iterable[Source]) -> Iterator[Chunk]:
        """The sources in pieces that can be looked at apart from each other; where they end depends on names alone."""
        number = 0
        few: list[Source] = []
        for source in with_stamps(sources, lambda source: self.index.find(digest(source.name)) is not None):
            if isinstance(source, Container):
                for piece in ([few] if few else []) + [[source]]:
                    yield number, piece
                    number += 1
                few = []
            elif self.shard.holds(digest(source.name)):
                few.append(source)
            if len(few) == task_images(number):
                yield number, few
                number, few = number + 1, []
        if few:
            yield number, few

    def work(self, sources: Iterable[Source], order: Order) -> Iterator[Images]:
        """What is to be done, task by task; the order is told of each task as it comes up."""
        for chunk in self.chunks(sources):
            for task in self.tasks(chunk):
                order.add(task)
                if task.images:
                    yield task.images

    def tasks(self, chunk: Chunk) -> Iterator[Task]:
        """The images of a chunk in tasks. Where they end does not depend on what is done."""
        number, sources = chunk
        place = number << 32
        names: list[int] = []
        images: Images = []
        weight = changed = 0
        for source in expand(sources):
            name = digest(source.name)
            if not self.shard.holds(name):
                continue
            if names and weight + source.weight > TASK_BYTES:
                yield Task(place, tuple(names), images, len(names) - len(images), changed)
                place, names, images, weight, changed = place + 1, [], [], 0, 0
            names.append(name)
            weight += source.weight
            at = self.index.find(name)
            is_new = at is None or (self.retry_failed and bool(self.index.failed[at]))
            is_again = not is_new and int(self.index.stamps[at]) == digest(UNKNOWN)
            is_changed = not is_new and not is_again and _differs(int(self.index.stamps[at]), source.stamp())
            if is_new or is_again or is_changed:
                images.append(source.hold(self.limit))
                changed += is_changed
            if len(names) == task_images(number + place - (number << 32)):
                yield Task(place, tuple(names), images, len(names) - len(images), changed)
                place, names, images, weight, changed = place + 1, [], [], 0, 0
        if names:
            yield Task(place, tuple(names), images, len(names) - len(images), changed)


def _differs(digest_before: int, stamp: str) -> bool:
    """Whether a file was changed; not if its server does not say."""
    return stamp != UNKNOWN and digest(stamp) != digest_before


class Order:
    """The images of the tasks that were added, whatever their order; some 10 bytes for each."""

    def __init__(self) -> None:
        self._places, self._counts, self._names = array("Q"), array("B"), array("Q")
        self.skipped = 0
        """Images that were done before."""
        self.changed = 0
        """Images that were done before, but whose files have changed since."""

    def add(self, task: Task) -> None:
        self._places.append(task.place)
        self._counts.append(len(task.names))
        self._names.extend(task.names)
        self.skipped += task.skipped
        self.changed += task.changed

    def __len__(self) -> int:
        return len(self._names)

    def names(self) -> Iterator[int]:
        """The digests of the names of all images, in order of the sources."""
        counts = np.array(self._counts, np.int64)
        starts = np.cumsum(counts) - counts
        for at in np.argsort(np.array(self._places), kind="stable"):
            yield from self._names[starts[at] : starts[at] + counts[at]]
