"""One worker: takes groups of sources, gives back what became of them. In this process, or the whole of its own."""

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Protocol

import cv2

from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.images import most_bytes
from landmarks.record import Record
from landmarks.sources.ahead import read_ahead
from landmarks.sources.source import Source

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator

CRASHED = 70
"""Exit code of a worker that failed for a reason nobody thought of."""

Images = list[Source]
"""Neighbours among the sources; their faces go through the network together."""


@dataclass(frozen=True)
class Recipe:
    """How a process makes its Annotator; nothing heavy is imported before it does."""

    options: dict[str, Any] = field(default_factory=dict)
    """The Annotator's arguments; a `device` may name several, with commas, that the workers share out."""
    module: str = "landmarks.inference.annotator"
    name: str = "Annotator"

    def __call__(self, worker: int = 0) -> Annotator:
        devices = str(self.options.get("device", "auto")).split(",")
        options = {**self.options, "device": devices[worker % len(devices)].strip()}
        return getattr(importlib.import_module(self.module), self.name)(**options)


class ImageWriter(Protocol):
    """Writes something beside the tables that needs an image's pixels, such as a drawing. Each worker has a copy."""

    def write(self, record: Record) -> None: ...


@dataclass(frozen=True)
class Facts:
    """What a worker says of itself when it is ready."""

    settings: dict[str, Any]
    """All that results depend on, beside the images."""
    nothing: Faces
    """The result for an image without faces."""


@dataclass(frozen=True)
class Stop:
    """A worker's reason to end the whole run, in a sentence."""

    reason: str


@dataclass(frozen=True)
class Done:
    """What became of a group."""

    records: list[Record]
    """Without pixels."""
    stamps: list[str]
    """Of each source, before it was read: if it is changed meanwhile, the next run sees that."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Time by stage."""
    warnings: list[str] = field(default_factory=list)


class Worker:
    """An Annotator and the writers beside it."""

    def __init__(self, annotator: Annotator, beside: Sequence[ImageWriter] = (), timeout: float | None = None) -> None:
        """timeout: seconds an image may take; then the process, which must have no other work, ends with code 1."""
        self.annotator, self.beside, self.timeout = annotator, beside, timeout
        self.facts = Facts(annotator.settings(), annotator.nothing)
        self._nowhere = open(os.devnull, "w") if timeout else None  # noqa: SIM115

    def __call__(self, group: Images) -> Done:
        """Annotate a group. Raises OSError if a writer cannot write at all."""
        clock = self.annotator.clock
        limit = most_bytes(self.facts.settings["max_pixels"])
        records, stamps = [], []

        def read() -> Iterator[Source]:
            ahead = read_ahead(group, limit)
            while True:
                self._watch()
                with clock("read"):
                    source = next(ahead, None)
                if source is None:
                    return
                stamps.append(source.stamp())
                yield source

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for record in self.annotator.stream(read()):
                self._watch()
                with clock("draw"):
                    for writer in self.beside:
                        writer.write(record)
                records.append(replace(record, pixels=None))
        if self.timeout:
            faulthandler.cancel_dump_traceback_later()
        return Done(records, stamps, clock.take(), [str(one.message) for one in caught])

    def _watch(self) -> None:
        """End the process unless something happens in time; even in the middle of a decoder written in C."""
        if self.timeout and self._nowhere:
            faulthandler.dump_traceback_later(self.timeout, exit=True, file=self._nowhere)


def run(
    connection: Connection,
    environment: dict[str, str],
    recipe: Recipe,
    number: int,
    beside: Sequence[ImageWriter],
    timeout: float | None,
) -> None:
    """A process that is worker `number`: sends Facts, then a Done for every Images it is sent; or Stop."""
    os.environ.update(environment)  # What was set since the process that it comes from was started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the main one says when to end.
    try:
        importlib.import_module(recipe.module)
        use_one_thread()  # Before anything is made: onnxruntime settles its threads as it opens a network.
        worker = Worker(recipe(number), beside, timeout)
        connection.send(worker.facts)
        groups: queue.SimpleQueue[Images | None] = queue.SimpleQueue()
        threading.Thread(target=_receive, args=(connection, groups), daemon=True).start()
        while (group := groups.get()) is not None:
            connection.send(worker(group))
    except (LandmarksError, ValueError) as error:
        connection.send(Stop(str(error)))
    except (BrokenPipeError, ConnectionResetError):
        return  # The main process has gone.
    except OSError as error:
        reason = f"cannot be written ({error.strerror}); cure it and give the same command again"
        connection.send(Stop(f"{error.filename or 'a file'}: {reason}"))
    except Exception:
        traceback.print_exc()
        sys.exit(CRASHED)  # Not 1, which says that an image took too long.


def _receive(connection: Connection, groups: queue.SimpleQueue) -> None:
    """Take groups as they come, so that neither side ever waits for the other while both send; None at the end."""
    try:
        while True:
            groups.put(connection.recv())
    except (EOFError, OSError):
        groups.put(None)


def use_one_thread() -> None:
    """Workers share out the cores among themselves; threads inside each would only get in each other's way."""
    cv2.setNumThreads(1)
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
