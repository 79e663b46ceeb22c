"""Frames of a video as a stream, upright, with their number and time; never more than one in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.source import Container, Content, Part, Source, failure

VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".mts", ".3gp", ".ogv")

DAMAGED = "this frame is damaged, or drawn after one that is"


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame(Part):
    """The frame that the video stands at."""

    read: Callable[[], np.ndarray]
    damage: str = ""
    """What is wrong with it; it can be read all the same."""

    def load(self, limit: int) -> Content:
        if self.size > limit:
            raise images.too_many_bytes(self.name, self.size, limit)
        try:
            pixels = self.read()
        except Exception as error:  # FFmpeg's errors are of many kinds.
            raise ImageError(self.name, "unreadable", f"this frame cannot be converted ({error})") from error
        return images.Image(pixels, damage=self.damage) if self.damage else pixels


@dataclass(frozen=True)
class Video(Container):
    """A video file; its frame n is named after it: clip.mp4/000012."""

    every: int = 1
    """Take one of so many frames, starting with the first."""

    def __iter__(self) -> Iterator[Source]:
        from av.error import FFmpegError

        from landmarks.sources.frames import Decoder, upright

        mark = self.stamp()
        if not mark:
            yield failure(self, mark, "there is no such file", "missing")
            return
        try:
            file = open(self.path, "rb")  # noqa: SIM115
        except (OSError, ValueError) as error:
            yield failure(self, mark, f"the file cannot be opened ({getattr(error, 'strerror', None) or error})")
            return
        with file:
            try:
                if _is_text(file.read(16)):
                    raise ValueError("text")
                file.seek(0)
                decoder = Decoder(file)
            except (FFmpegError, OSError, ValueError, IndexError):
                yield failure(self, mark, "this is not a video that can be read")
                return
            try:
                for number, (time, frame, damaged) in enumerate(decoder):
                    if number % self.every == 0:
                        yield Frame(
                            self.path, f"{self.name}/{number:06}", number, time,
                            size=3 * frame.width * frame.height, mark=mark, read=partial(upright, frame),
                            damage=DAMAGED if damaged else "",
                        )  # fmt: skip
                if fault := decoder.fault():
                    yield failure(self, mark, fault)
            finally:
                decoder.close()


def _is_text(start: bytes) -> bool:
    """Whether a file begins like text: perhaps a playlist, with which FFmpeg would fetch whatever it names."""
    return not any(byte < 32 and byte not in b"\t\n\r" for byte in start)
