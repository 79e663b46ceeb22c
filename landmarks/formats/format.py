"""What a format is: where it lies in a run's folder, who writes it, who reads it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from landmarks.formats.layout import Layout

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record


class Sink(Protocol):
    """Takes records one by one; its files appear under their names when it is closed."""

    def write(self, record: Record) -> None: ...

    def close(self) -> None: ...


Reader = Callable[[Path, "Layout | None"], "pd.DataFrame"]
"""Gives back the table of faces of a place; the layout is that of `schema.json`, None without one."""


@dataclass(frozen=True)
class Format:
    """One of the formats of a run's results."""

    place: str
    """The file or folder of it in a run's folder."""
    write: Callable[[Path, Layout], Sink]
    """Makes its sink in a run's folder."""
    read: Reader
    about: str
    """For `schema.json`: its files, the standard that it follows, decimals, and what it does not hold."""
    beside: tuple[str, ...] = ()
    """Further files and folders that it writes there."""
