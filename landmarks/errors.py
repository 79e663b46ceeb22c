"""The errors a user can cause and cure. Each message names the file and says what to do."""

from __future__ import annotations


class LandmarksError(Exception):
    """Base of all errors that are about the user's input; its text is one sentence for him."""


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


class DetectorError(LandmarksError):
    """A face detector that cannot be set up: its model file or package is missing or not the right one."""
