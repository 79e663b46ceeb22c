"""A run over any number of images: workers, a journal, and at the end the results from the journal in one pass.

Killed at any moment and started again it goes on, and ends as if it had never been stopped: the images of a task are
journaled whole or not at all, so that the same faces go through the network together, and the order of the rows is
that of the sources.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from landmarks.atomic import remove_scratch
from landmarks.batch.box_report import with_boxes
from landmarks.batch.engines.base import create_engine
from landmarks.batch.engines.processes import default_workers
from landmarks.batch.engines.worker import AnnotatorFactory, ImageAnnotator
from landmarks.batch.journal import Journal
from landmarks.batch.known_frames import with_known_frames
from landmarks.batch.manifest import Manifest
from landmarks.batch.options import LOCAL, Resume, RunOptions
from landmarks.batch.outage import Outage
from landmarks.batch.plan import MEMORY_IN_FLIGHT, TASK_IMAGES, Order, Plan
from landmarks.batch.results import ResultsPass, Totals, any_video, followers
from landmarks.batch.unwritable import told_if_unwritable
from landmarks.batch.writers.chips import Chips
from landmarks.batch.writers.drawings import Drawings
from landmarks.bounded import answer, ask
from landmarks.clock import Clock
from landmarks.errors import LandmarksError
from landmarks.images import most_bytes
from landmarks.inference.config import AnnotatorConfig
from landmarks.log import log
from landmarks.record import FAILED, Record
from landmarks.sources.find import find
from landmarks.sources.named import Named
from landmarks.sources.remote.files import is_url
from landmarks.sources.runs import refuse_own_folder
from landmarks.sources.source import Container, Source
from landmarks.sources.videos.video import Video

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator


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
    doubtful: int = 0
    """Faces that should be looked at, such as those of a quality below 0.5; `review.csv` lists the worst."""
    upside_down: int = 0
    """Faces that are turned by more than a quarter."""
    backend: str = ""
    """What computed the network, and how exactly: `onnx, int8` or `torch, float32`."""

    @property
    def images(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Images that could not be used; they are listed in `failures.csv`."""
        return sum(self.statuses.get(status, 0) for status in FAILED)


def annotate(
    annotator: ImageAnnotator | AnnotatorFactory,
    sources: Sequence[Source],
    out: str | Path,
    options: RunOptions = RunOptions(),
    resume: Resume = Resume(),
    report: Callable[[Record], None] = lambda record: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    writing: Callable[[int, int], None] = lambda done, total: None,
    named: Named | None = None,
) -> Summary:
    """Annotate images and write the results to the folder `out`, which is made if need be.

    What was done there before, with the same settings, is not done again unless the image's file has changed. The
    results appear when the run has ended.

    annotator: an AnnotatorConfig, by which each worker makes an Annotator of its own, or one Annotator if all is to
    happen in this process; report: is given each record when it is done, in no order; progress: how many images are
    done, and of how many, if known; writing: after that, how many of all are in the results, which takes long where
    videos are drawn; named: what the sources were found by, which `run.json` keeps.

    Raises LandmarksError if `out` cannot be written or holds images of the run, if another run is writing there or the
    earlier one had other settings, or if the annotator cannot be made; ValueError for what does not fit together; and
    whatever report, progress or writing raise, as it is: what is done is kept then, too.
    """
    out, clock, started = Path(out), Clock(), time.perf_counter()
    writers = _writers(out, options, sources)
    followers(options, sources)  # What cannot be followed is told before any work.
    answer(partial(refuse_own_folder, sources, out), options.timeout)
    annotator, boxes = with_boxes(annotator, sources)
    total = None if any(isinstance(source, Container) for source in sources) else len(sources)
    with ExitStack() as stack:
        with told_if_unwritable(out):
            out.mkdir(parents=True, exist_ok=True)
            journal = stack.enter_context(Journal(out / "journal.jsonl"))
        engine = stack.enter_context(create_engine(annotator, writers, options, _workers(options, total)))
        settings = engine.facts.settings | {writer.name: writer.settings() for writer in writers}
        if options.shard.count > 1:  # Another one would put its tables in the place of this one's.
            settings["shard"] = str(options.shard)
        with told_if_unwritable(out):
            if resume.fresh:
                journal.clear()
            kept = named.as_dict() if named else None
            run = Manifest.begin(out / "run.json", settings, not journal.empty, kept)
            plan = Plan(journal.index(), options.shard, resume.retry_failed, most_bytes(settings["max_pixels"]))
            for writer in writers:
                remove_scratch(writer.folder)
        order = Order()
        log.info("%s: annotating %d sources with %d workers", out, len(sources), engine.size)
        log.debug("settings: %s", settings)
        finished, outage = 0, Outage()
        rest: Iterable[Source] = sources
        if not settings.get("accept_damaged"):
            rest = with_known_frames(sources, journal, plan.index)
        for done in engine.run(plan, rest, order):
            with clock("write"), told_if_unwritable(out):
                journal.append(done.records, done.stamps)
            clock.add(done.seconds)
            for text in done.warnings:
                warnings.warn(text, stacklevel=2)
            finished += len(done.records)
            log.debug("%d images: %s ...", len(done.records), done.records[0].image if done.records else "none")
            for record in done.records:
                if record.reason:
                    level = logging.WARNING if record.status in FAILED else logging.INFO
                    log.log(level, "%s: %s: %s", record.image, record.status, record.reason)
                report(record)
                outage.see(record)
            progress(order.skipped + finished, total)
        last = ResultsPass(out, options, sources, engine.facts.empty, boxes, settings["max_pixels"])
        with clock("write"):
            totals = last.write(journal, order, Totals.earlier(run.earlier), writing)
        seconds = time.perf_counter() - started
        work = sum(clock.seconds.values()) or 1.0
        shares = {stage: spent / work for stage, spent in clock.seconds.items()}
        backend = ", ".join(settings[name] for name in ("backend", "precision") if name in settings)
        summary = Summary(
            totals.statuses, totals.faces, seconds, finished, order.changed, shares,
            totals.boxes_unused, totals.images_without_boxes, totals.doubtful, totals.upside_down, backend,
        )  # fmt: skip
        this_time = {"images": finished, "seconds": round(seconds, 3), "stages": _rounded(shares)}
        with told_if_unwritable(out):
            run.end(
                {
                    "engine": options.engine,
                    "workers": engine.size,
                    "memory_in_flight": MEMORY_IN_FLIGHT,
                    **this_time,
                },
                totals.as_dict(),
            )
        log.info("%s: %d images, %d failed, %d faces", out, totals.images, totals.failed, totals.faces)
    return summary


def annotate_folder(
    sources: str | Path | Iterable[str | Path],
    out: str | Path,
    config: AnnotatorConfig | Annotator = AnnotatorConfig(),
    options: RunOptions = RunOptions(),
    resume: Resume = Resume(),
    *,
    recursive: bool = False,
    every: int = 1,
    report: Callable[[Record], None] = lambda record: None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    writing: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Annotate what a user names and write the results to the folder `out`: `landmarks annotate`, from Python.

    sources, recursive, every: see `find`; the rest: see `annotate`. A program that asks for workers needs the usual
    `if __name__ == "__main__":` around its call. Raises the errors of both.
    """
    if not isinstance(sources, (str, Path)):
        sources = list(sources)
    named = Named.here(sources, recursive, every)
    found = find(sources, recursive, every, options.timeout)
    if not Path(out).exists():
        _refuse_nothing(found, options.timeout)
    return annotate(config, found, Path(out), options, resume, report, progress, writing, named)


def _refuse_nothing(sources: Sequence[Source], timeout: float | None) -> None:
    """Raise LandmarksError if none of the sources is there: a mistyped folder is to begin no run."""
    if any(not isinstance(source.path, (str, Path)) or is_url(str(source.path)) for source in sources):
        return
    there = answer(lambda: any(ask(source.path, os.path.lexists, source.path) for source in sources), timeout)
    if sources and not there:
        more = ", nor any of the others" if len(sources) > 1 else ""
        raise LandmarksError(f"{sources[0].path}: there is no such file or folder{more}")


def _writers(out: Path, options: RunOptions, sources: Sequence[Source]) -> list[Drawings | Chips]:
    """What workers write beside the tables."""
    writers: list[Drawings | Chips] = []
    if options.drawings and (options.draw_frames or not all(isinstance(source, Video) for source in sources)):
        writers.append(Drawings(out / Drawings.name, options.style, options.draw_frames or not any_video(sources)))
    if options.chips is not None:
        writers.append(Chips(out / Chips.name, options.chips, f".{options.chip_format}"))
    return writers


def _workers(options: RunOptions, total: int | None) -> int:
    """How many workers a run over `total` images is given: not more than have something to do."""
    workers = options.workers
    if workers is None:
        workers = default_workers() if options.engine == LOCAL else 0
    return workers if total is None else min(workers, max(1, -(-total // TASK_IMAGES)))


def _rounded(shares: dict[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in shares.items()}
