"""A run over any number of images: workers, a journal, and at the end the results from the journal in one pass.

Killed at any moment and started again it goes on, and ends as if it had never been stopped: groups of neighbours are
journaled whole or not at all, so that the same faces go through the network together, and the order of the rows is
that of the sources.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from landmarks.batch.box_report import BoxReport, with_boxes
from landmarks.batch.engines.base import LOCAL, create_engine
from landmarks.batch.journal import Journal
from landmarks.batch.manifest import Manifest
from landmarks.batch.outage import Outage
from landmarks.batch.plan import MEMORY_IN_FLIGHT, TASK_IMAGES, Order, Plan, Shard
from landmarks.batch.worker import ImageWriter, Recipe
from landmarks.batch.writers.drawings import UNFINISHED, Drawings, drawing_path
from landmarks.clock import Clock
from landmarks.drawing.draw import Style
from landmarks.errors import LandmarksError
from landmarks.formats import Results
from landmarks.images import most_bytes
from landmarks.record import FAILED, Record
from landmarks.sources.runs import refuse_own_folder
from landmarks.sources.source import Container, Source

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator

__all__ = ["Recipe", "Shard", "Summary", "annotate", "drawing_path"]


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

    boxes_unused: int = 0
    """Names in the file of boxes that no image of the run has; they are listed in `boxes_unmatched.csv`."""
    images_without_boxes: int = 0
    """Images that the file of boxes does not name; likewise."""

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
    beside: Sequence[ImageWriter] = (),
    engine: str = LOCAL,
    address: str = "",
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
    beside: other writers that need the pixels; engine: `local`, or `ray` to use a Ray cluster, which needs a Recipe and
    has a worker for each of its cores if `workers` is 0; address: of the cluster, `auto` for the one that this machine
    belongs to, empty to start one here; timeout: seconds an image may take, where there are workers; report: is given
    each record when it is done, in no order; progress: how many images are done, and of how many, if known.

    Raises LandmarksError if `out` cannot be written or holds images of the run, if another run is writing there or the
    earlier one had other settings, or if the annotator cannot be made; ValueError for unknown formats.
    """
    out, clock, started = Path(out), Clock(), time.perf_counter()
    writers = [*([Drawings(out / "drawings", style)] if drawings else []), *beside]
    refuse_own_folder(sources, out)
    annotator, boxes = with_boxes(annotator, sources)
    total = None if any(isinstance(source, Container) for source in sources) else len(sources)
    if total is not None:
        workers = min(workers, -(-total // TASK_IMAGES)) or min(workers, 1)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (
            Journal(out / "journal.jsonl") as journal,
            create_engine(engine, annotator, writers, workers, timeout, address) as running,
        ):
            settings = running.facts.settings | _described(writers)
            results = Results(out, running.facts.nothing, formats, coords)
            if fresh:
                journal.clear()
            run = Manifest.begin(out / "run.json", settings, continued=not journal.empty)
            plan = Plan(journal.index(), shard, retry_failed, most_bytes(settings["max_pixels"]))
            order = Order()
            for stale in (out / "drawings").glob(UNFINISHED):
                stale.unlink()
            finished, outage = 0, Outage()
            for done in running.run(plan, sources, order):
                with clock("write"):
                    journal.append(done.records, done.stamps)
                clock.add(done.seconds)
                for text in done.warnings:
                    warnings.warn(text, stacklevel=2)
                finished += len(done.records)
                for record in done.records:
                    report(record)
                    outage.see(record)
                progress(order.skipped + finished, total)
            statuses: Counter[str] = Counter()
            faces = 0
            matched = BoxReport(boxes, sources, all_members=shard.count == 1) if boxes else None
            with clock("write"):
                journal.sync()
                for record in journal.records(order.names(), journal.index()):
                    results.write(record)
                    statuses[record.status] += 1
                    faces += len(record.faces)
                    if matched:
                        matched.see(record)
                results.close()
                unused, without = matched.write(out) if matched else (0, 0)
            seconds = time.perf_counter() - started
            work = sum(clock.seconds.values()) or 1.0
            shares = {stage: spent / work for stage, spent in clock.seconds.items()}
            summary = Summary(dict(statuses), faces, seconds, finished, order.changed, shares, unused, without)
            this_time = {"images": finished, "seconds": round(seconds, 3), "stages": _rounded(shares)}
            run.end(
                {"engine": engine, "workers": running.size, "memory_in_flight": MEMORY_IN_FLIGHT, **this_time},
                {"images": summary.images, "statuses": summary.statuses, "faces": faces},
            )
    except OSError as error:
        raise LandmarksError(f"{out}: {_why_not_written(error)}") from error
    return summary


def _described(writers: Sequence[ImageWriter]) -> dict[str, str]:
    """Kind and plain options of each writer, in words, without the folder it writes to."""
    described: dict[str, str] = {}
    for writer in writers:
        plain = [f"{name} {value}" for name, value in vars(writer).items() if isinstance(value, (str, int, float))]
        kind = type(writer).__name__.lower()
        described[kind] = "; ".join(filter(None, [described.get(kind), ", ".join(plain) or "yes"]))
    return described


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}


def _why_not_written(error: OSError) -> str:
    reason = f"cannot be written ({error.strerror or error})"
    return f"{reason}; choose another --out, or cure it and give the same command again: what is done is kept"
