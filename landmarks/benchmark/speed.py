"""How long each stage of annotation takes on this machine, how fast whole runs are, and how fast the peers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from landmarks import images
from landmarks.batch.engines.worker import AnnotatorFactory
from landmarks.batch.journal import Journal
from landmarks.batch.options import RunOptions
from landmarks.batch.plan import TASK_IMAGES, task_images
from landmarks.batch.run import annotate
from landmarks.device import thread_count, threads
from landmarks.drawing.draw import draw
from landmarks.errors import LandmarksError
from landmarks.formats import Results
from landmarks.geometry import crop_matrices, extract_crops
from landmarks.inference.annotator import Annotator
from landmarks.inference.config import AnnotatorConfig
from landmarks.inference.locate import locate
from landmarks.record import OK, Record
from landmarks.sources.source import Source

BATCH = 64
"""Faces per forward pass."""
UNITS = {
    "decode": "an image",
    "detect": "an image",
    "crop": "a face",
    "predict": "a face",
    "locate": "a face",
    "write": "an image",
    "draw": "an image",
}
"""The stages, and what their times are for: `crop` all crops of a face, `predict` the network in all passes, `locate`
both together and what lies between them, `write` journal and CSV."""
SEEN = ("read", "decode", "detect")
"""Stages up to the face boxes; all else is the cost of landmarks, attributes and results."""


@dataclass(frozen=True)
class Speed:
    """A whole run over many images."""

    workers: int
    images: int
    faces: int
    start: float
    """Seconds until the first images were done: the start of the processes, imports, weights."""
    rate: float
    """Images a second after that, up to the end of the run."""
    stages: dict[str, float]
    """Share of the working time of all processes by stage."""

    @property
    def beyond(self) -> float:
        """Share of everything that is neither reading, decoding nor detecting."""
        return 1 - sum(self.stages.get(stage, 0) for stage in SEEN)


@dataclass(frozen=True)
class Calls:
    """One call with one photograph: decoding, detection, landmarks."""

    threads: int
    """As they are by default."""
    by_default: float
    """Milliseconds, the mean over the photographs of each one's median."""
    with_one: float
    """The same with one thread in torch, onnxruntime and OpenCV."""
    ratio: float
    """Median of the ratios of the two in turns that followed each other; above 1 where one thread is faster."""


def stage_times(annotator: Annotator, sources: Sequence[Source], rounds: int = 10) -> dict[str, float]:
    """Median milliseconds of each of UNITS, on the images' own faces, repeated to batches of BATCH.

    Raises LandmarksError if there is no face in the images, ImageError for one that cannot be read.
    """
    loaded = [images.read(source.path) for source in sources]
    pictures = [image.pixels for image in loaded]
    found = [annotator.detector(picture, source.name) for picture, source in zip(pictures, sources)]
    owners = np.repeat(np.arange(len(found)), [len(f) for f in found])
    if not len(owners):
        raise LandmarksError("there is no face in these images; give others")
    take = np.resize(np.arange(len(owners)), BATCH)
    backend, config = annotator.backend, annotator.backend.config
    squares = annotator.detector.rule.squares(np.concatenate([f.boxes for f in found]), config.crop_scale)[take]
    faces = annotator.predict(pictures, [f.boxes for f in found])
    records = [Record(s.name, OK, f, width=100, height=100) for s, f in zip(sources, faces)]

    chosen = [pictures[i] for i in owners[take]]
    sizes = [config.input_size] * annotator.config.passes
    if config.locator_size and annotator.config.passes > 1:
        sizes[0] = config.locator_size
    crops = [extract_crops(chosen, crop_matrices(squares, size), size) for size in sizes]
    networks: list[Callable[[np.ndarray], object]] = [backend.run_network] * len(sizes)
    if config.locator_size and annotator.config.passes > 1:
        networks[0] = backend.run_locator

    stages: dict[str, Callable[[], object]] = {
        "decode": lambda: [images.read(source.path) for source in sources],
        "detect": lambda: [annotator.detector(picture, s.name) for picture, s in zip(pictures, sources)],
        "crop": lambda: [extract_crops(chosen, crop_matrices(squares, size), size) for size in sizes],
        "predict": lambda: [network(seen) for network, seen in zip(networks, crops)],
        "locate": lambda: locate(backend, pictures, owners[take], squares, annotator.config.passes, BATCH),
        "write": lambda: _write(records, annotator),
        "draw": lambda: [draw(picture, f) for picture, f in zip(pictures, faces)],
    }
    share = {"an image": len(sources), "a face": BATCH}
    return {name: _median(work, rounds) / share[UNITS[name]] for name, work in stages.items()}


def call_times(config: AnnotatorConfig, sources: Sequence[Source], rounds: int = 10) -> Calls:
    """How long a call with one photograph takes, with the threads that are there by default and with one.

    The two take turns, so that other work on the machine slows both alike. Raises LandmarksError, ImageError.
    """
    default = thread_count()
    counts = (default, 1)
    annotators = []
    for count in counts:  # onnxruntime settles its threads as it opens a network.
        with threads(count):
            annotators.append(Annotator.from_config(config))
    times = np.zeros((rounds, len(sources), len(counts)))
    for number, place in np.ndindex(rounds, len(sources)):
        for which, (count, annotator) in enumerate(zip(counts, annotators)):
            with nullcontext() if count == default else threads(count):
                annotator(sources[place].path)  # The first call after the other's does not count.
                started = time.perf_counter()
                annotator(sources[place].path)
                times[number, place, which] = 1000 * (time.perf_counter() - started)
    by_default, with_one = np.median(times, axis=0).mean(axis=0)
    ratio = float(np.median(times[..., 0] / times[..., 1]))
    return Calls(default, float(by_default), float(with_one), ratio)


def run_speed(factory: AnnotatorFactory, sources: Sequence[Source], count: int, workers: int) -> Speed:
    """A whole run over `count` images, the sources again and again under other names. Raises LandmarksError."""
    many = repeated(sources, count)
    first: list[float] = []

    def report(record: Record) -> None:
        if not first:
            first.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        summary = annotate(factory, many, folder, RunOptions(workers=workers), report=report)
        ended = time.perf_counter()
    seen = first[0] if first else ended
    rate = max(summary.images - task_images(0), 1) / max(ended - seen, 1e-9)
    return Speed(workers, summary.images, summary.faces, seen - started, rate, summary.stages)


def repeated(sources: Sequence[Source], count: int) -> list[Source]:
    """So many images: the sources again and again, each time under other names."""
    return [
        replace(source, name=f"{i // len(sources)}/{source.name}")
        for i, source in enumerate(islice(cycle(sources), count))
    ]


def _write(records: Sequence[Record], annotator: Annotator) -> None:
    """What becomes of records once they are there: the journal and the tables."""
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "journal.jsonl") as journal:
        for low in range(0, len(records), TASK_IMAGES):
            journal.append(list(records[low : low + TASK_IMAGES]), [""] * len(records[low : low + TASK_IMAGES]))
        results = Results(Path(folder), annotator.empty)
        for record in records:
            results.write(record)
        results.close()


def _median(work: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of some work, after two rounds that do not count."""
    times = []
    for round_number in range(rounds + 2):
        started = time.perf_counter()
        work()
        if round_number >= 2:
            times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))
