"""An engine turns sources into records: in this process, in processes beside it, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from landmarks.batch.engines.local import InProcessEngine, LocalEngine
from landmarks.batch.plan import Order, Plan
from landmarks.batch.worker import Done, Facts, ImageWriter, Recipe, Worker
from landmarks.sources.source import Source

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator

LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)


class Engine(Protocol):
    """Works inside a `with` block."""

    size: int
    """How many processes annotate; 0: this one alone."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...

    @property
    def facts(self) -> Facts:
        """What its workers say of themselves. Raises LandmarksError if they refuse."""

    def run(self, plan: Plan, sources: Sequence[Source], order: Order) -> Iterator[Done]:
        """What becomes of the groups of images that are to be done, in any order; `order` sees every task of the plan.

        Raises LandmarksError if the workers cannot work at all.
        """


def create_engine(
    name: str,
    annotator: Annotator | Recipe,
    beside: Sequence[ImageWriter],
    workers: int,
    timeout: float | None,
    address: str = "",
) -> Engine:
    """The engine of that name; see `annotate` for the rest. Raises ValueError for what does not fit together."""
    if name not in ENGINES:
        raise ValueError(f"unknown engine {name!r}; known: {', '.join(ENGINES)}")
    if (workers or name == RAY) and not isinstance(annotator, Recipe):
        raise ValueError("worker processes need a Recipe, by which each makes an Annotator of its own")
    if name == RAY and isinstance(annotator, Recipe):
        from landmarks.batch.engines.ray import RayEngine

        return RayEngine(annotator, beside, workers, timeout, address)
    if workers and isinstance(annotator, Recipe):
        return LocalEngine(annotator, beside, workers, timeout)
    return InProcessEngine(Worker(annotator() if isinstance(annotator, Recipe) else annotator, beside))
