"""The journal of a run: what became of every image, kept so that nothing is done twice, whatever stops the run.

`journal.jsonl` has a line for the images of each task: the CRC-32 of the rest; a list of [name, stamp, status]; a list
of records; with tabs in between. A line is good or it does not count, and the last good line on an image holds. So a
power cut costs what came after the last sync, a full disk the task that did not fit; the lines before are never
touched again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.atomic import Lock, naming, sync
from landmarks.batch.unwritable import told_if_unwritable
from landmarks.formats.records import record_from_dict, record_to_dict
from landmarks.record import FAILED, Record

SYNC_SECONDS = 1.0
"""A power cut costs at most the work of so long."""


def digest(text: str) -> int:
    """64 bits of a hash. Two of a million names share it once in 37 million runs."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Index:
    """Where the images are in a journal: 25 bytes for each. All (N,), in order of `names`."""

    names: np.ndarray
    """uint64 digest of the name, ascending."""
    stamps: np.ndarray
    """uint64 digest of the stamp."""
    offsets: np.ndarray
    """int64: the byte at which the line starts."""
    failed: np.ndarray
    """bool."""

    def find(self, name: int) -> int | None:
        """The place of a name's digest."""
        at = int(np.searchsorted(self.names, np.uint64(name)))
        return at if at < len(self.names) and int(self.names[at]) == name else None


class Journal:
    """The open journal of a folder; nobody else can open it meanwhile, and the lock dies with the process."""

    def __init__(self, path: Path) -> None:
        """Raises LandmarksError if another run has it, OSError if it cannot be written."""
        self.path = path
        self._lock = Lock(path.with_suffix(".lock"))
        self._file = open(path, "a+b", buffering=0)  # noqa: SIM115
        sync(path.parent)
        self._end = 0
        self._index: tuple[int, Index] | None = None
        """The last one that was made, and the end of the file at that time."""
        for offset, line in self._lines():
            self._end = offset + len(line)
        self._file.truncate(self._end)  # What follows the last good line was never finished.
        self._synced = time.monotonic()

    @property
    def empty(self) -> bool:
        return self._end == 0

    @property
    def size(self) -> int:
        """Bytes of its good lines."""
        return self._end

    def clear(self) -> None:
        """Forget everything."""
        self._file.truncate(0)
        self._end, self._index = 0, None
        self.sync()

    def append(self, records: list[Record], stamps: list[str]) -> None:
        """Write down the images of a task. Raises OSError; the journal is then as it was before."""
        heads = [[record.image, stamp, record.status] for record, stamp in zip(records, stamps)]
        parts = (heads, [record_to_dict(record) for record in records])
        rest = b"\t".join(json.dumps(part, allow_nan=False, separators=(",", ":")).encode() for part in parts)
        line = b"%08x\t%s\n" % (zlib.crc32(rest), rest)
        try:
            with naming(self.path):
                left = memoryview(line)
                while left:
                    left = left[self._file.write(left) :]
            if time.monotonic() - self._synced > SYNC_SECONDS:
                self.sync()
        except OSError:
            self._file.truncate(self._end)
            raise
        self._end += len(line)

    def sync(self) -> None:
        """Have all of it survive a power cut."""
        with naming(self.path):
            os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def index(self) -> Index:
        """Where every image's last line is."""
        if self._index is None or self._index[0] != self._end:
            self._index = self._end, self._look()
        return self._index[1]

    def _look(self) -> Index:
        columns = array("Q"), array("Q"), array("q"), array("b")
        for offset, line in self._lines():
            for name, stamp, status in json.loads(line.split(b"\t", 2)[1]):
                for column, value in zip(columns, (digest(name), digest(stamp), offset, status in FAILED)):
                    column.append(value)
        names, stamps, offsets, failed = (np.array(column) for column in columns)
        order = np.argsort(names, kind="stable")
        last = np.append(names[order][1:] != names[order][:-1], True)[: len(order)]  # Of equal names the last one.
        order = order[last]
        return Index(names[order], stamps[order], offsets[order], failed[order].astype(bool))

    def records(self, names: Iterable[int], index: Index) -> Iterator[Record]:
        """The last record of each of these digests of names, in their order. Raises KeyError for one without."""
        return map(record_from_dict, self.rows(names, index))

    def rows(self, names: Iterable[int], index: Index) -> Iterator[dict[str, Any]]:
        """The same as `record_to_dict` gives them."""
        at, task = -1, {}
        with open(self.path, "rb") as file:
            for name in names:
                place = index.find(name)
                if place is None:
                    raise KeyError(name)
                if at != index.offsets[place]:
                    at = int(index.offsets[place])
                    file.seek(at)
                    heads, records = map(json.loads, file.readline().split(b"\t")[1:])
                    task = {digest(head[0]): record for head, record in zip(heads, records)}
                yield task[name]

    def close(self) -> None:
        """Raises LandmarksError if the last lines cannot be written."""
        try:
            with told_if_unwritable(self.path):
                self.sync()
        finally:
            self._file.close()
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The good lines and where they start."""
        offset = 0
        with open(self.path, "rb") as file:
            for line in file:
                if line.endswith(b"\n") and line[:9] == b"%08x\t" % zlib.crc32(line[9:-1]):
                    yield offset, line
                offset += len(line)
