"""The same pipeline on Ray Data: streaming over the machines of a cluster, or over the cores of this one.

    chunks of the sources -> Ray tasks that open them -> tasks of images -> an actor a device -> records

Tasks open archives and videos and leave out what is done; what they read, the bytes of image files and uint8 frames,
streams to the actors. An actor is a LocalEngine of its own, so that what an image can do to a process costs a row here
as it does elsewhere; an actor or a machine that is lost costs time alone, since Ray gives its work to another one. The
records come back here, into the one journal: a run can be begun with one engine and ended with another.

All machines must see the files under the same paths, and have the same version of the package.

What travels between the processes of a run is pickled, here as by Ray itself, and made by this module a moment before;
no file is unpickled. Whoever can reach a Ray cluster can run code on it, with this package or without: keep it closed.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from landmarks.batch.engines.local import LocalEngine
from landmarks.batch.engines.ray_cluster import Herald, connect
from landmarks.batch.engines.worker import AnnotatorFactory, Done, Facts, ImageWriter, Stop
from landmarks.batch.plan import Chunk, Order, Plan, Task
from landmarks.bounded import answers
from landmarks.errors import LandmarksError
from landmarks.sources.source import Container, Source

READ_CPUS = 0.25
"""Share of a core for a task that opens sources; the rest is for the process that annotates. Ray would make one stage
of both, in the actors alone, if the shares were equal."""
CHUNKS = 4
"""Chunks of image files that a process is given at once: some seconds of work."""
BLOCK_BYTES = 8 << 20
"""Of an archive or video so much at once, if a task is not larger."""


@dataclass(frozen=True)
class Answer:
    """What became of some tasks."""

    tasks: list[Task]
    """Without their images."""
    done: list[Done] = field(default_factory=list)
    stop: Stop | None = None
    """Why the whole run must end."""


class RayEngine:
    """A Ray cluster, or one that is started here and ends with the `with` block. An Engine.

    Raises LandmarksError if Ray is not installed or the cluster cannot be reached, ValueError for several devices.
    """

    def __init__(
        self,
        factory: AnnotatorFactory,
        writers: Sequence[ImageWriter],
        size: int,
        timeout: float | None = None,
        address: str = "",
    ) -> None:
        """size: processes that annotate, 0: one a core; address: empty to start a cluster here."""
        device = factory.device
        if "," in device:
            raise ValueError(f"device {device!r}: Ray shares out the GPUs itself; give auto, cpu or cuda")
        try:
            import ray.data
        except ImportError as error:
            raise LandmarksError(f"--engine ray needs Ray ({error}); pip install 'landmarks[ray]'") from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # The progress and the summary are ours.
        self._ray, self._factory, self._writers, self._timeout = ray, factory, tuple(writers), timeout
        self._folder = os.getcwd()
        self._ours = not ray.is_initialized()
        if self._ours:
            connect(ray, address, size)
        cores, gpus = (int(ray.cluster_resources().get(kind, 0)) for kind in ("CPU", "GPU"))
        self.size = size or max(cores, 1)
        self._gpus = gpus if device != "cpu" else 0
        self._actors = min(self._gpus or self.size, self.size)
        self._facts: Facts | None = None

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours:
            self._ray.shutdown()

    @property
    def facts(self) -> Facts:
        if self._facts is None:
            ask = self._ray.remote(num_cpus=1 - READ_CPUS, num_gpus=1 if self._gpus else 0)(_ask)
            with Herald(self._ray).waiting():
                answer = self._ray.get(ask.remote(self._factory, self._folder))
            if isinstance(answer, Stop):
                raise LandmarksError(answer.reason)
            self._facts = answer
        return self._facts

    def run(self, plan: Plan, sources: Iterable[Source], order: Order) -> Iterator[Done]:
        processes = max(1, self.size // self._actors)
        portions = [{"chunks": pickle.dumps(p)} for p in _portions(plan.chunks(sources), CHUNKS * processes)]
        if not portions:
            return
        shared, folder, timeout = self._ray.put(plan), self._folder, self._timeout

        def tasks_of(portion: dict[str, Any]) -> Iterator[dict[str, Any]]:
            _enter(folder)
            found = (task for chunk in pickle.loads(portion["chunks"]) for task in ray_get(shared).tasks(chunk))
            try:
                for task in answers(found, timeout):
                    yield {"task": pickle.dumps(task)}
            except LandmarksError as error:  # Ray would try it again, and tell of it in its own words.
                yield {"task": pickle.dumps(Stop(str(error)))}

        ray_get = self._ray.get
        inputs = self._ray.data.from_items(portions, override_num_blocks=len(portions))
        inputs.context.enable_progress_bars = False
        inputs.context.target_max_block_size = BLOCK_BYTES
        results = inputs.flat_map(tasks_of, num_cpus=READ_CPUS).map_batches(
            Actor,
            fn_constructor_args=(self._factory, self._writers, processes, self._timeout, self.facts, folder),
            batch_size=None,
            batch_format="pyarrow",
            compute=self._ray.data.ActorPoolStrategy(size=self._actors),
            num_cpus=(1 - READ_CPUS) * processes,
            num_gpus=1 if self._gpus else 0,
        )
        with Herald(self._ray).waiting() as herald:
            for row in results.iter_rows():
                herald.heard()
                answer: Answer = pickle.loads(row["answer"])
                if answer.stop:
                    raise LandmarksError(answer.stop.reason)
                for task in answer.tasks:
                    order.add(task)
                yield from answer.done


class Actor:
    """Processes of one device; they end with the actor's own."""

    def __init__(
        self,
        factory: AnnotatorFactory,
        writers: Sequence[ImageWriter],
        size: int,
        timeout: float | None,
        facts: Facts,
        folder: str,
    ) -> None:
        """facts: what the workers must say of themselves, like all others."""
        _enter(folder)
        self._facts = facts
        self._engine = LocalEngine(factory, writers, size, timeout).__enter__()

    def __call__(self, batch: pa.Table) -> pa.Table:
        """A column `task` -> a column `answer`, one for all."""
        found = [pickle.loads(value.as_py()) for value in batch.column("task")]
        return pa.table({"answer": pa.array([pickle.dumps(self._annotate(found))], pa.large_binary())})

    def _annotate(self, found: list[Task | Stop]) -> Answer:
        tasks = [one for one in found if not isinstance(one, Stop)]
        for one in found:
            if isinstance(one, Stop):
                return Answer([], stop=one)
        try:
            if self._engine.facts.settings != self._facts.settings:
                reason = f"{os.uname().nodename}: has other weights or another version than the rest of the cluster"
                return Answer([], stop=Stop(reason))
            done = list(self._engine.map(task.images for task in tasks if task.images))
        except LandmarksError as error:
            return Answer([], stop=Stop(str(error)))
        return Answer([replace(task, images=[]) for task in tasks], done)


def _portions(chunks: Iterable[Chunk], most: int) -> Iterator[list[Chunk]]:
    """What tasks are given: so many chunks of image files, or one archive or video."""
    few: list[Chunk] = []
    for number, sources in chunks:
        if any(isinstance(source, Container) for source in sources):
            yield [(number, sources)]
            continue
        few.append((number, sources))
        if len(few) == most:
            yield few
            few = []
    if few:
        yield few


def _ask(factory: AnnotatorFactory, folder: str) -> Facts | Stop:
    """What a worker says of itself, on whatever machine of the cluster."""
    _enter(folder)
    try:
        with LocalEngine(factory, (), 1) as engine:
            return engine.facts
    except LandmarksError as error:
        return Stop(str(error))


def _enter(folder: str) -> None:
    """Relative paths mean on every machine what they mean where the command was given, where there is such a folder."""
    with suppress(OSError):
        os.chdir(folder)
