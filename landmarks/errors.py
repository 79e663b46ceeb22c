"""The errors a user can cause and cure. Each message names the file and says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class LandmarksError(Exception):
    """Base of all errors that are about the user's input; its text is one sentence for the user."""


class ImageError(LandmarksError):
    """An image that cannot be used.

    path: its name; status: the word in the result tables (`missing`, `unreadable`, `too_large`, ...); reason: why.
    """

    def __init__(self, path: str, status: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.status, self.reason = path, status, reason

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str, str]]:
        return ImageError, (self.path, self.status, self.reason)


class DataError(LandmarksError):
    """A dataset file that does not hold what its format says; the text names file and line."""


class WeightsError(LandmarksError):
    """Weights that cannot be loaded or do not fit what is asked of them."""


class ProcessError(LandmarksError):
    """An object that is used in a process in which it cannot work."""


class DetectorError(LandmarksError):
    """A face detector that cannot be set up: its model file or package is missing or not the right one."""


def told(error: Exception) -> str:
    """What an error says, for a sentence that names the file already: the system's words without number and path."""
    words = error.strerror if isinstance(error, OSError) else ""
    return words or str(error).strip() or type(error).__name__


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """The known names that a wrong one may stand for, nearest first: those spelt alike, then those it is a part of."""
    names = list(dict.fromkeys(known))
    alike = get_close_matches(name, names, n=most)
    return [*alike, *(other for other in names if name and name in other and other not in alike)][:most]


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """What is said of a name that is not known: the nearest one that is, and all of them."""
    names = list(known)
    meant = "".join(f" did you mean {other!r}?" for other in nearest(name, names))
    return f"unknown {what} {name!r};{meant} known: {', '.join(names) or 'none'}"
