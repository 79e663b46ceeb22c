"""A source: anything that can give the bytes of an image file, or a video frame, and has a name."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from landmarks import images
from landmarks.bounded import ask
from landmarks.errors import ImageError
from landmarks.record import UNREACHABLE

UNKNOWN = "?"
"""Stamp of a file whose server did not answer: it differs from every real one."""

Content = bytes | np.ndarray | images.Image
"""The bytes of an image file, or a frame: (H, W, 3) uint8 RGB, as an Image if it is damaged."""


@dataclass(frozen=True, slots=True)  # Of millions of images, the process that deals them out holds these alone.
class Source:
    """An image file."""

    path: str | Path
    """Where it lies: the image file itself, an archive, a video; or a URL."""
    name: str
    """How results name it: relative to the folder it was found in, with forward slashes; unique among the sources."""
    frame: int | None = None
    """Number of a video frame, from 0."""
    time: float | None = None
    """Its seconds from the start of the video."""

    @property
    def weight(self) -> int:
        """Bytes of its content that a run must have room for, as far as they are known beforehand."""
        return 0

    def size_now(self) -> int:
        """Bytes of its content as far as that can be told at once; 0 if it cannot."""
        try:
            return self.weight or os.stat(self.path).st_size
        except (OSError, ValueError):
            return 0

    def stamp(self) -> str:
        """What differs when the file was changed; empty if it is not there."""
        return file_stamp(self.path)

    def load(self, limit: int) -> Content:
        """Its content, of at most `limit` bytes. Raises ImageError."""
        return images.read_bytes(self.path, limit)

    def take(self, limit: int) -> tuple[str, Content]:
        """Its stamp, from before it was read, and its content. Raises ImageError."""
        return self.stamp(), self.load(limit)

    def hold(self, limit: int) -> Source:
        """The same in a form that another process can load, whatever is read here meanwhile."""
        return self


class Container(Source, ABC):
    """A file that holds many images and is read from its start to its end: an archive or a video."""

    @abstractmethod
    def __iter__(self) -> Iterator[Source]:
        """Its images. Some must be loaded or held before the next one is asked for; `hold` knows which.

        What is wrong with the file itself is a source, too, under the file's own name: one that cannot be loaded.
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class Part(Source):
    """An image inside a container; some can be loaded only until the next one is asked for."""

    size: int
    """Bytes of its content, as far as the file says so."""
    mark: str
    """Its stamp."""

    @property
    def weight(self) -> int:
        return self.size

    def stamp(self) -> str:
        return self.mark

    def hold(self, limit: int) -> Source:
        return held(self, limit)


@dataclass(frozen=True, kw_only=True, eq=False)
class Held(Part):
    """An image that was read already, or could not be."""

    content: Content | ImageError

    def load(self, limit: int) -> Content:
        if isinstance(self.content, ImageError):
            raise self.content
        return self.content

    def hold(self, limit: int) -> Source:
        return self


def held(source: Source, limit: int) -> Held:
    """A source with its content, of at most `limit` bytes, or the reason why there is none."""
    if isinstance(source, Held):
        return source
    content: Content | ImageError
    try:
        mark, content = source.take(limit)
    except ImageError as error:
        mark, content = UNKNOWN if error.status == UNREACHABLE else source.stamp(), error
    except MemoryError:
        mark = source.stamp()
        content = ImageError(source.name, "too_large", "there is not enough memory to read it")
    return Held(source.path, source.name, source.frame, source.time, size=source.weight, mark=mark, content=content)


def failure(whole: Source, mark: str, reason: str, status: str = "unreadable") -> Source:
    """A source that stands for what is wrong with a whole archive or video, or a part of it."""
    return Held(whole.path, whole.name, size=0, mark=mark, content=ImageError(whole.name, status, reason))


def file_stamp(path: str | os.PathLike[str]) -> str:
    """Size and time of change of a file; empty if it is not there."""
    try:
        status = ask(path, os.stat, path)
    except (OSError, ValueError):
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}"
