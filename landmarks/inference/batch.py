"""A run over any number of images: workers, a journal, and at the end the results from the journal in one pass.

Killed at any moment and started again it goes on, and ends as if it had never been stopped: groups of neighbours are
journaled whole or not at all, so that the same faces go through the network together, and the order of the rows is
that of the sources.
"""

from __future__ import annotations

import time
import warnings
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmarks.errors import LandmarksError
from landmarks.images import most_bytes
from landmarks.inference.clock import Clock
from landmarks.inference.crew import Alone, Crew
from landmarks.inference.draw import Style
from landmarks.inference.drawings import UNFINISHED, Drawings, drawing_path
from landmarks.inference.journal import Index, Journal, digest
from landmarks.inference.record import FAILED, Record
from landmarks.inference.runfile import RunFile
from landmarks.inference.sinks import Results
from landmarks.inference.worker import Beside, Group, Recipe, Worker
from landmarks.sources import Sequence as SequenceSource
from landmarks.sources import Source, expand

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator

__all__ = ["Recipe", "Shard", "Summary", "annotate", "drawing_path"]

GROUP = 8
"""Images that are given to a worker at once."""
GROUP_BYTES = 32 << 20
"""A group ends earlier when what must be sent along (frames, members of archives) is larger than this."""


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

    def holds(self, name: int) -> bool:
        """Whether the image with this digest of its name belongs to it."""
        return name % self.count == self.number - 1


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    statuses: dict[str, int]
    """Number of images by status."""
    faces: int
    seconds: float
    """This time; likewise the following."""
    done: int = 0
    """Images that were annotated; the others were done before."""
    changed: int = 0
    """Images that were done before, but whose files have changed since, and which were therefore done again."""
    stages: dict[str, float] = field(default_factory=dict)
    """Share of the working time of all processes by stage: read, decode, detect, locate (crops and network), draw,
    write (journal and results)."""

    @property
    def images(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Images that could not be used; they are listed in `failures.csv`."""
        return sum(self.statuses.get(status, 0) for status in FAILED)


def annotate(
    annotator: Annotator | Recipe,
    sources: Sequence[Source],
    out: str | Path,
    formats: Sequence[str] = ("csv",),
    drawings: bool = False,
    style: Style = Style(),
    report: Callable[[Record], None] = lambda record: None,
    *,
    coords: str = "upright",
    beside: Sequence[Beside] = (),
    workers: int = 0,
    timeout: float | None = None,
    fresh: bool = False,
    retry_failed: bool = False,
    shard: Shard = Shard(),
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Summary:
    """Annotate images and write the results to the folder `out`, which is made if need be.

    What was done there before, with the same settings, is not done again unless the image's file has changed; with
    `retry_failed`, failed images are. fresh: forget what was done there. The results appear when the run has ended.

    annotator: an Annotator if all is to happen in this process, else the Recipe by which each of `workers` processes
    makes its own; formats, coords: see Results; drawings: also write each image with its faces to `out/drawings`;
    beside: other writers that need the pixels; timeout: seconds an image may take, where there are workers; report: is
    given each record when it is done, in no order; progress: how many images are done, and of how many, if known.

    Raises LandmarksError if `out` cannot be written, if another run is writing there or the earlier one had other
    settings, or if the annotator cannot be made; ValueError for unknown formats.
    """
    out, clock, started = Path(out), Clock(), time.perf_counter()
    writers = [*([Drawings(out / "drawings", style)] if drawings else []), *beside]
    total = None if any(isinstance(source, SequenceSource) for source in sources) else len(sources)
    if total is not None:
        workers = min(workers, -(-total // GROUP)) or min(workers, 1)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with Journal(out / "journal.jsonl") as journal, _crew(annotator, writers, workers, timeout) as crew:
            settings = crew.facts.settings | {"beside": [_described(writer) for writer in writers]}
            results = Results(out, crew.facts.nothing, formats, coords)
            if fresh:
                journal.clear()
            run = RunFile.begin(out / "run.json", settings, continued=not journal.empty)
            plan = _Plan(journal.index(), shard, retry_failed, most_bytes(settings["max_pixels"]))
            for stale in (out / "drawings").glob(UNFINISHED):
                stale.unlink()
            finished = 0
            for done in crew.map(plan.groups(sources)):
                with clock("write"):
                    journal.append(done.records, done.stamps)
                clock.add(done.seconds)
                for text in done.warnings:
                    warnings.warn(text, stacklevel=2)
                finished += len(done.records)
                for record in done.records:
                    report(record)
                progress(plan.skipped + finished, total)
            statuses: Counter[str] = Counter()
            faces = 0
            with clock("write"):
                journal.sync()
                for record in journal.records(plan.order, journal.index()):
                    results.write(record)
                    statuses[record.status] += 1
                    faces += len(record.faces)
                results.close()
            seconds = time.perf_counter() - started
            work = sum(clock.seconds.values()) or 1.0
            shares = {stage: spent / work for stage, spent in clock.seconds.items()}
            summary = Summary(dict(statuses), faces, seconds, finished, plan.changed, shares)
            run.end(
                {"workers": workers, "images": finished, "seconds": round(seconds, 3), "stages": _rounded(shares)},
                {"images": summary.images, "statuses": summary.statuses, "faces": faces},
            )
    except OSError as error:
        raise LandmarksError(f"{out}: {_why_not_written(error)}") from error
    return summary


class _Plan:
    """What is to be done, and in what order the rows will be."""

    def __init__(self, index: Index, shard: Shard, retry_failed: bool, limit: int) -> None:
        self.index, self.shard, self.retry_failed, self.limit = index, shard, retry_failed, limit
        self.order = array("Q")
        """Digest of the name of each image."""
        self.skipped = 0
        self.changed = 0

    def groups(self, sources: Sequence[Source]) -> Iterator[Group]:
        """Neighbours that are not done yet. Where groups end does not depend on what is done."""
        group: Group = []
        count = weight = 0
        for source in expand(sources):
            name = digest(source.name)
            if not self.shard.holds(name):
                continue
            self.order.append(name)
            count += 1
            weight += source.weight
            if not self._is_done(source, name):
                group.append(source.hold(self.limit))
            if count == GROUP or weight >= GROUP_BYTES:
                if group:
                    yield group
                group, count, weight = [], 0, 0
        if group:
            yield group

    def _is_done(self, source: Source, name: int) -> bool:
        place = self.index.find(name)
        if place is None or (self.retry_failed and self.index.failed[place]):
            return False
        if int(self.index.stamps[place]) != digest(source.stamp()):
            self.changed += 1
            return False
        self.skipped += 1
        return True


def _crew(annotator: Annotator | Recipe, beside: Sequence[Beside], workers: int, timeout: float | None) -> Alone | Crew:
    if isinstance(annotator, Recipe) and workers:
        return Crew(annotator, beside, workers, timeout)
    if workers:
        raise ValueError("worker processes need a Recipe, by which each makes an Annotator of its own")
    return Alone(Worker(annotator() if isinstance(annotator, Recipe) else annotator, beside))


def _described(writer: Beside) -> dict[str, Any]:
    """A writer's kind and its plain options, without the folder it writes to."""
    options = {name: value for name, value in vars(writer).items() if isinstance(value, (str, int, float))}
    return {"kind": type(writer).__name__, **options}


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}


def _why_not_written(error: OSError) -> str:
    reason = f"cannot be written ({error.strerror or error})"
    return f"{reason}; choose another --out, or cure it and give the same command again: what is done is kept"
