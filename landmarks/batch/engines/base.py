"""An engine turns sources into records: in this process, in processes beside it, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from landmarks.batch.engines.in_process import InProcessEngine
from landmarks.batch.engines.local import LocalEngine
from landmarks.batch.engines.worker import AnnotatorFactory, Done, Facts, ImageAnnotator, ImageWriter, Worker
from landmarks.batch.options import RAY, RunOptions
from landmarks.batch.plan import Order, Plan
from landmarks.inference.config import AnnotatorConfig
from landmarks.sources.source import Source


class Engine(Protocol):
    """Works inside a `with` block."""

    size: int
    """How many processes annotate; 0: this one alone."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def facts(self) -> Facts:
        """What its workers say of themselves. Raises LandmarksError if they refuse."""

    def run(self, plan: Plan, sources: Iterable[Source], order: Order) -> Iterator[Done]:
        """What becomes of the images that are to be done, task by task, in any order; `order` is told of every task.

        Raises LandmarksError if the workers cannot work at all.
        """


def create_engine(
    annotator: ImageAnnotator | AnnotatorFactory, writers: Sequence[ImageWriter], options: RunOptions, workers: int
) -> Engine:
    """The engine that a run needs. workers: how many of them, whatever the options say.

    Raises ValueError for what does not fit together, LandmarksError if Ray cannot be used.
    """
    if not isinstance(annotator, AnnotatorFactory):
        if workers or options.engine == RAY:
            raise ValueError("worker processes need an AnnotatorConfig, by which each makes an Annotator of its own")
        return InProcessEngine(Worker(annotator, writers), options.timeout)
    if isinstance(annotator, AnnotatorConfig) and not writers:
        annotator = replace(annotator, keep_pixels=False)  # Nobody looks at them.
    if options.engine == RAY:
        from landmarks.batch.engines.ray import RayEngine

        return RayEngine(annotator, writers, workers, options.timeout, options.address)
    if workers:
        return LocalEngine(annotator, writers, workers, options.timeout)
    return InProcessEngine(Worker(annotator.create(), writers), options.timeout)
