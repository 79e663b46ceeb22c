"""One worker: takes the images of a task, gives back what became of them. In this process, or the whole of its own."""

from __future__ import annotations

import faulthandler
import importlib
import os
import queue
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, Protocol, runtime_checkable

from landmarks.batch.unwritable import told_if_unwritable
from landmarks.bounded import answer
from landmarks.clock import Clock
from landmarks.device import use_threads
from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.images import most_bytes
from landmarks.images.pillow import ignore_oddities
from landmarks.record import Record
from landmarks.sources.ahead import read_ahead
from landmarks.sources.source import UNKNOWN, Source

ORPHAN_SECONDS = 2.0
"""For so long a worker goes on when the process that it works for has gone."""

Images = list[Source]
"""Neighbours among the sources; their faces go through the network together."""


class ImageAnnotator(Protocol):
    """What a run needs of an Annotator."""

    empty: Faces
    """The result for an image without faces."""
    clock: Clock
    """Seconds of `stream` by stage."""

    def settings(self) -> dict[str, Any]:
        """All that its results depend on, beside the images, as JSON takes it; `max_pixels` is among it."""

    def stream(self, sources: Iterator[Source], /) -> Iterator[Record]:
        """One record an image, in order, whatever happens to the image."""


@runtime_checkable
class AnnotatorFactory(Protocol):
    """Makes the annotator of each worker process; it can be pickled. AnnotatorConfig is one."""

    @property
    def preload(self) -> tuple[str, ...]:
        """The modules to import, once for all workers, before one is made."""

    @property
    def device(self) -> str:
        """`auto`, or devices with commas between them that the workers share out."""

    def create(self, worker: int = 0) -> ImageAnnotator:
        """The annotator of the worker of this number, from 0."""


class ImageWriter(Protocol):
    """Writes something beside the tables that needs an image's pixels, such as a drawing. Each worker has a copy."""

    @property
    def name(self) -> str:
        """Its name in the settings of a run."""

    def settings(self) -> dict[str, Any]:
        """What its files depend on, beside the records, as JSON takes it."""

    def write(self, record: Record) -> None:
        """Write what belongs to a record that has pixels. Raises OSError if nothing more can be written."""


@dataclass(frozen=True)
class Facts:
    """What a worker says of itself when it is ready."""

    settings: dict[str, Any]
    """All that results depend on, beside the images."""
    empty: Faces
    """The result for an image without faces."""


@dataclass(frozen=True)
class Stop:
    """A worker's reason to end the whole run, in a sentence."""

    reason: str


@dataclass(frozen=True)
class Done:
    """What became of the images of a task."""

    records: list[Record]
    """Without pixels."""
    stamps: list[str]
    """Of each source, before it was read: if it is changed meanwhile, the next run sees that."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time by stage."""
    warnings: list[str] = field(default_factory=list)


class Worker:
    """An annotator and the writers of images."""

    def __init__(
        self,
        annotator: ImageAnnotator,
        writers: Sequence[ImageWriter] = (),
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """beat: is called whenever it gets on, so that whoever waits for it can tell."""
        self.annotator, self.writers, self.beat = annotator, writers, beat
        self.at: Source | None = None
        """The image that it came to last."""
        self.facts = Facts(annotator.settings(), annotator.empty)

    def __call__(self, images: Images) -> Done:
        """Annotate the images of a task. Raises LandmarksError if a writer cannot write at all."""
        clock = self.annotator.clock
        limit = most_bytes(self.facts.settings["max_pixels"])
        records: list[Record] = []
        stamps: list[str] = []

        def read() -> Iterator[Source]:
            ahead = read_ahead(images, limit)
            while True:
                self.at = images[min(len(stamps), len(images) - 1)]
                self.beat()
                with clock("read"):
                    source = next(ahead, None)
                if source is None:
                    return
                stamps.append(source.stamp())
                yield source

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ignore_oddities()
            for record in self.annotator.stream(read()):
                self.beat()
                with clock("draw"), told_if_unwritable("the files beside the tables"):
                    for writer in self.writers:
                        writer.write(record)
                records.append(replace(record, pixels=None))
        return Done(records, stamps, clock.take(), [str(one.message) for one in caught])


def lost(source: Source, status: str, reason: str, empty: Faces, timeout: float | None) -> Done:
    """The row of an image of which nothing came. timeout: seconds that its file system may take for an answer."""
    try:
        stamp = answer(source.stamp, timeout)
    except LandmarksError:  # The next run tries the image again.
        stamp = UNKNOWN
    return Done([Record(source.name, status, empty, reason, frame=source.frame, time=source.time)], [stamp])


def run(
    connection: Connection,
    environment: dict[str, str],
    factory: AnnotatorFactory,
    number: int,
    writers: Sequence[ImageWriter],
    pulse: Any,
) -> None:
    """A process that is worker `number`: sends Facts, then a Done for every Images it is sent; or Stop.

    pulse: shared memory, whose `value` changes whenever the worker gets on.
    """

    def beat() -> None:
        pulse.value += 1

    os.environ.update(environment)  # What was set since the process that it comes from was started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one says when to end.
    try:
        for module in factory.preload:
            with suppress(ImportError):  # What needs it will say so.
                importlib.import_module(module)
        beat()
        # Workers share out the cores among themselves; threads inside each would only get in each other's way. Before
        # anything is made, since onnxruntime settles its threads as it opens a network.
        use_threads(1)
        worker = Worker(factory.create(number), writers, beat)
        connection.send(worker.facts)
        tasks: queue.SimpleQueue[Images | None] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(connection, tasks), daemon=True).start()
        while (images := tasks.get()) is not None:
            connection.send(worker(images))
    except (LandmarksError, ValueError) as error:
        connection.send(Stop(str(error)))
    except (BrokenPipeError, ConnectionResetError):
        return  # The main process has gone.
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _receive(connection: Connection, tasks: queue.SimpleQueue[Images | None]) -> None:
    """Take tasks as they come, so that neither side ever waits for the other while both send; None at the end."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(None)
        # Nobody waits for this process any more, and it may hang in something written in C.
        nowhere = open(os.devnull, "w")  # noqa: SIM115
        faulthandler.dump_traceback_later(ORPHAN_SECONDS, exit=True, file=nowhere)
