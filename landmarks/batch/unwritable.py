"""How it is told that a run cannot write what is its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from landmarks.errors import LandmarksError


@contextmanager
def told_if_unwritable(out: str | Path) -> Iterator[None]:
    """An OSError of the block becomes a LandmarksError that names the file, or `out` where it names none, and the cure.

    The block writes and does nothing else: what a caller's own function raises is not about the run's files.
    """
    try:
        yield
    except OSError as error:
        raise LandmarksError(
            f"{error.filename or out}: cannot be written ({error.strerror or error}); choose another --out, or cure it "
            "and give the same command again: what is done is kept"
        ) from error
