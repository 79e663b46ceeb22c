"""Frames of a video as a stream, upright, with their number and time; never more than one in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from landmarks import images
from landmarks.errors import ImageError
from landmarks.images import printable
from landmarks.sources.source import Container, Content, Part, Source, failure

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".mts", ".3gp", ".ogv")

MISSING_SHARE = 0.02
"""Headers often misstate the number of frames a little; when more than this share is missing, the video broke off."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame(Part):
    """The frame that the video stands at."""

    read: Callable[[], np.ndarray | None]

    def load(self, limit: int) -> Content:
        if self.size > limit:
            raise images.too_many_bytes(self.name, self.size, limit)
        pixels = self.read()
        if pixels is None:
            raise ImageError(self.name, "unreadable", "this frame cannot be decoded")
        return pixels


@dataclass(frozen=True)
class Video(Container):
    """A video file; its frame n is named after it: clip.mp4/000012."""

    every: int = 1
    """Take one of so many frames, starting with the first."""

    def __iter__(self) -> Iterator[Source]:
        mark = self.stamp()
        if not mark:
            yield failure(self, mark, "there is no such file", "missing")
            return
        try:
            capture = self._open()
        except OSError as error:
            yield failure(self, mark, f"its name is no Unicode, and no link to it can be made ({error.strerror})")
            return
        if capture is None:
            yield failure(self, mark, "this is not a video that can be read")
            return
        try:
            count = 0
            for count, time in enumerate(_grab(capture), start=1):
                if (count - 1) % self.every == 0:
                    size = int(3 * capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
                    yield Frame(
                        self.path, f"{self.name}/{count - 1:06}", count - 1, time,
                        size=size, mark=mark, read=lambda: _retrieve(capture),
                    )  # fmt: skip
            expected = capture.get(cv2.CAP_PROP_FRAME_COUNT)
            if count < (1 - MISSING_SHARE) * expected - 1 or not count:
                yield failure(self, mark, f"the video breaks off after {count} of about {expected:.0f} frames")
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture | None:
        """The opened file; None if it is no video."""
        try:
            with open(self.path, "rb") as file:
                start = file.read(16)
        except (OSError, ValueError):
            return None
        if not any(byte < 32 and byte not in b"\t\n\r" for byte in start):
            return None  # Text: perhaps a playlist, with which FFmpeg would fetch whatever it names.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "8")  # Only what is fatal; the rest is told in a row.
        with _safe_path(Path(self.path)) as path:
            # FFmpeg alone, since another reader of OpenCV's takes % in a name for a pattern.
            capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        return capture if capture.isOpened() else None


@contextmanager
def _safe_path(path: Path) -> Iterator[str]:
    """A path to the file that OpenCV can open: it dies of one that is no Unicode.

    The path is absolute, since FFmpeg takes `concat:x` and the like for a protocol. Raises OSError.
    """
    path = path.absolute()
    if printable(path) == str(path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="landmarks-") as folder:
        link = os.path.join(folder, f"video{printable(path.suffix)}")
        os.symlink(path, link)
        yield link  # Not needed any more once the file is open.


def _grab(capture: cv2.VideoCapture) -> Iterator[float]:
    """Go from frame to frame; gives the time of each in seconds."""
    while capture.grab():
        yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000


def _retrieve(capture: cv2.VideoCapture) -> np.ndarray | None:
    """The frame that was grabbed last: (H, W, 3) uint8 RGB."""
    good, pixels = capture.retrieve()
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if good and pixels is not None else None
