"""The last part of a run: the results from the journal in one pass, in the order of the sources.

A run that did nothing, whose tables are as it left them, leaves them alone: then a rerun costs a look at each file.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np

import landmarks
from landmarks.batch.box_report import FILE as UNMATCHED
from landmarks.batch.box_report import BoxReport
from landmarks.batch.journal import Journal
from landmarks.batch.options import RunOptions
from landmarks.batch.plan import TASK_IMAGES, Order
from landmarks.batch.unwritable import told_if_unwritable
from landmarks.batch.writers.drawings import Drawings
from landmarks.batch.writers.videos import VideoDrawings
from landmarks.detection.boxes import BoxFile
from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.formats import Results
from landmarks.formats.writing import places
from landmarks.images import most_bytes
from landmarks.record import FAILED, Record
from landmarks.sources.source import Source
from landmarks.sources.videos.video import Video


@dataclass(frozen=True)
class Totals:
    """What all images of a run have come to, as `run.json` says it."""

    images: int
    statuses: dict[str, int]
    """Number of images by status."""
    failed: int
    faces: int
    doubtful: int
    upside_down: int
    boxes_unused: int
    images_without_boxes: int
    tables: str
    """A digest of what the tables were made of and of their sizes and times: see `tables_digest`."""

    @classmethod
    def earlier(cls, results: dict[str, object]) -> Totals | None:
        """Those of an earlier start of the run, from `run.json`; None if it tells of none, or does not tell all."""
        names = {field.name for field in fields(cls)}
        return cls(**results) if results.keys() == names else None  # type: ignore[arg-type]

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class ResultsPass:
    """How the results of a run are made of its journal."""

    out: Path
    options: RunOptions
    sources: Sequence[Source]
    like: Faces
    """An empty result of the run's annotator."""
    boxes: BoxFile | None
    """The boxes that took the detector's place."""
    max_pixels: int
    """Of an image."""

    def write(
        self, journal: Journal, order: Order, earlier: Totals | None, writing: Callable[[int, int], None]
    ) -> Totals:
        """Write all results, unless they are there as they would be. writing: how many images are in them, of how many.

        earlier: the totals that stood in `run.json` when the run was started. Raises LandmarksError if they cannot be
        written, and whatever `writing` raises, as it is.
        """
        with told_if_unwritable(self.out):
            journal.sync()
        digest = partial(tables_digest, self.out, self.options, journal, order)
        if earlier and not self._videos_drawn() and earlier.tables == digest():
            writing(len(order), len(order))
            return earlier
        following = followers(self.options, self.sources)
        with told_if_unwritable(self.out):
            results = Results(
                self.out,
                replace(self.like, track=np.zeros(0)) if following else self.like,
                self.options.formats,
                self.options.coords,
            )
        statuses: Counter[str] = Counter()
        faces = 0
        whole = self.options.shard.count == 1
        matched = BoxReport(self.boxes, self.sources, all_members=whole) if self.boxes else None
        with self._videos() as videos:
            for number, record in enumerate(journal.records(order.names(), journal.index())):
                if number % TASK_IMAGES == 0:
                    writing(number, len(order))
                for follow in following:
                    record = follow(record)
                with told_if_unwritable(self.out):
                    results.write(record)
                    videos.write(record)
                statuses[record.status] += 1
                faces += len(record.faces)
                if matched:
                    matched.see(record)
            with told_if_unwritable(self.out):
                videos.close()
                results.close()
            writing(len(order), len(order))
            with told_if_unwritable(self.out):
                unused, without = matched.write(self.out) if matched else (0, 0)
        failed = sum(statuses[status] for status in FAILED)
        review = results.review
        return Totals(
            statuses.total(), dict(statuses), failed, faces, review.doubtful, review.upside_down, unused, without,
            digest(),
        )  # fmt: skip

    def _videos_drawn(self) -> bool:
        return self.options.drawings and not self.options.draw_frames and any_video(self.sources)

    @contextmanager
    def _videos(self) -> Iterator[VideoDrawings]:
        """What draws videos; it draws none if that is not asked for."""
        drawn = self.sources if self._videos_drawn() else ()
        folder = self.out / Drawings.name
        videos = VideoDrawings(folder, drawn, self.options.style, most_bytes(self.max_pixels))
        try:
            yield videos
        finally:
            videos.discard()


def tables_digest(out: Path, options: RunOptions, journal: Journal, order: Order) -> str:
    """Of what the tables of a run are made of, beside its settings, and of the size and time of each of their files.

    Another one means that the tables are to be written: other images or another order of them, a journal that has
    grown, other formats, another version, a table that was changed or is not there.
    """
    asked = (landmarks.__version__, options.formats, options.coords, options.track, options.smooth, journal.size)
    state = blake2b(repr(asked).encode(), digest_size=16)
    state.update(np.fromiter(order.names(), np.uint64, len(order)).tobytes())
    for place in (*places(options.formats), UNMATCHED):
        for name, stat in sorted(_files(str(out / place))):
            state.update(repr((os.path.relpath(name, out), stat.st_size, stat.st_mtime_ns)).encode())
    return state.hexdigest()


def _files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """A file, or all files of a folder; nothing if it is not there."""
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir():
                    yield from _files(entry.path)
                else:
                    yield entry.path, entry.stat()
    elif os.path.exists(path):
        yield path, os.stat(path)


def followers(options: RunOptions, sources: Sequence[Source]) -> list[Callable[[Record], Record]]:
    """What is done with all records, one after the other in the order of the images, before they are written.

    Raises LandmarksError for tracks without a video.
    """
    if not (options.track or options.smooth):
        return []
    if not any_video(sources):
        raise LandmarksError("tracks and smoothing are for videos, and none of the sources is one; leave them out")
    from landmarks.motion.smooth import Smoother
    from landmarks.motion.tracks import Tracks

    return [Tracks(), Smoother()] if options.smooth else [Tracks()]


def any_video(sources: Sequence[Source]) -> bool:
    return any(isinstance(source, Video) for source in sources)
