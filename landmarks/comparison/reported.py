"""What others report on the same test faces, to be told beside a comparison's own figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from landmarks.config import checked
from landmarks.errors import unknown
from landmarks.schemes import ATTRIBUTES


@checked
@dataclass(frozen=True)
class MeasuredOn:
    """The faces that figures are of."""

    dataset: str
    split: str
    faces: int
    """How many."""

    def __str__(self) -> str:
        return f"{self.faces:,} faces of {self.dataset}, split `{self.split}`"


@checked
@dataclass(frozen=True)
class Reported:
    """A network that somebody else measured. Raises ValueError for values that cannot be."""

    auxiliary: tuple[str, ...] = ()
    """The tasks that it learnt with the landmarks."""
    network: str = ""
    """A network of the grid's if it is another than the reference's, such as `cascade`."""
    label: str = ""
    """What it is and who says so, for the table of mean errors."""
    failures: float | None = None
    """Landmarks off by more than 10 % of the inter-ocular distance, in per cent."""
    mean_error: float | None = None
    """In per cent of the inter-ocular distance."""

    def __post_init__(self) -> None:
        for task in self.auxiliary:
            if task not in ATTRIBUTES:
                raise ValueError(unknown("task", task, ATTRIBUTES))
        if self.failures is None and self.mean_error is None:
            raise ValueError("give failures or mean_error")
        if self.mean_error is not None and not self.label:
            raise ValueError("a mean error needs a label")


def failures_of(reported: Iterable[Reported], auxiliary: frozenset[str]) -> float | None:
    """The failures that are reported of a set of auxiliary tasks, in per cent; None where nobody does."""
    found = (row.failures for row in reported if frozenset(row.auxiliary) == auxiliary and not row.network)
    return next((value for value in found if value is not None), None)
