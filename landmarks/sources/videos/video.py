"""Frames of a video as a stream, upright, with their number and time; never more than one in memory. Another process
decodes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.source import Container, Content, Part, Source, failure
from landmarks.sources.videos.decoder_process import DecoderLost, decoder_process
from landmarks.sources.videos.known import KnownFrames

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
        except DecoderLost as lost:
            raise ImageError(self.name, lost.status, lost.reason) from lost
        except ValueError as error:
            raise ImageError(self.name, "unreadable", f"this frame cannot be converted ({error})") from error
        return images.Image(pixels, damage=self.damage) if self.damage else pixels


@dataclass(frozen=True)
class Video(Container):
    """A video file; its frame n is named after it: clip.mp4/000012."""

    every: int = 1
    """Take one of so many frames, starting with the first."""
    known: KnownFrames = field(default=KnownFrames(), repr=False, compare=False)
    """Frames that nobody will load: where that changes no other frame, they are not decoded."""

    def frame_name(self, number: int) -> str:
        """How results name a frame."""
        return f"{self.name}/{number:06}"

    def __iter__(self) -> Iterator[Source]:
        mark = self.stamp()
        if not mark:
            yield failure(self, mark, "there is no such file", "missing")
            return
        known = self.known if self.known.mark == mark else KnownFrames()
        seen = 0
        try:
            with decoder_process() as process:
                answer = process.ask("open", os.path.abspath(self.path), self.every, *known.request())
                for i in range(answer["passed"]):
                    seen = i * self.every + 1
                    yield self._frame(i * self.every, known.times[i], known.sizes[i], mark, _passed_over)
                while "frame" in answer:
                    number, (width, height) = answer["frame"], answer["size"]
                    seen = number + 1
                    damage = DAMAGED if answer["damaged"] else ""
                    yield self._frame(number, answer["time"], 3 * width * height, mark, process.pixels, damage)
                    answer = process.ask("next")
        except DecoderLost as lost:
            yield failure(self, mark, f"{lost.reason}, after {seen} frames", lost.status)
            return
        if answer["fault"]:
            yield failure(self, mark, answer["fault"])

    def _frame(
        self, number: int, time: float, size: int, mark: str, read: Callable[[], np.ndarray], damage: str = ""
    ) -> Frame:
        name = self.frame_name(number)
        return Frame(self.path, name, number, time, size=size, mark=mark, read=read, damage=damage)


def _passed_over() -> np.ndarray:
    raise ValueError("it was taken for known")
