"""Images inside zip and tar files and WebDataset shards, member by member; nothing is unpacked to disk.

What a header says is never trusted: sizes are checked before and while a member is read, and names are made harmless.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.names import harmless, is_image, natural
from landmarks.sources.source import Container, Content, Part, Source, failure

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")

MAX_EXPANSION = 100
"""A compressed tar file that expands to more than so many times its size, plus MIN_BOMB bytes, is a bomb."""
MIN_BOMB = 1 << 30
MAX_HEADER = 1 << 24
"""Bytes that a header inside a tar file may have; long names are read into memory as a whole."""

Read = Callable[[int], bytes]
"""Gives so many bytes of a member from its start, fewer if it has no more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Member(Part):
    """An image file inside an archive."""

    read: Read

    def load(self, limit: int) -> Content:
        if self.size > limit:
            raise images.too_many_bytes(self.name, self.size, limit)
        try:
            data = self.read(limit + 1)  # Never all of it: the size that the header states may be a lie.
        except Exception as error:  # Python's readers raise anything at all on broken or encrypted archives.
            reason = f"it cannot be read from its archive ({error or type(error).__name__})"
            raise ImageError(self.name, "unreadable", reason) from error
        if len(data) > limit:
            raise images.too_many_bytes(self.name, len(data), limit)
        if len(data) < self.size:
            raise ImageError(self.name, "unreadable", "its archive ends before it does")
        return data


@dataclass(frozen=True)
class Archive(Container):
    """A zip or tar file. Zip members come in natural order of their names, tar members as they are stored."""

    def open(self) -> IO[bytes]:
        """The file, to be read from any place in it. Raises OSError."""
        return open(self.path, "rb")

    def __iter__(self) -> Iterator[Source]:
        mark = self.stamp()
        if not mark:
            yield failure(self, mark, "there is no such file", "missing")
            return
        names: set[str] = set()
        list_members = _zip_members if str(self.path).lower().endswith(".zip") else _tar_members
        try:
            with self.open() as file:
                for inside, size, read in list_members(file):
                    if is_image(inside):
                        name = f"{self.name}/{_distinct(harmless(inside), names)}"
                        yield Member(self.path, name, size=size, mark=mark, read=read)
            if not names:
                yield failure(self, mark, "this archive holds no image files")
        except Exception as error:  # As above.
            where = f"this archive cannot be read any further after {len(names)} images" if names else "not an archive"
            yield failure(self, mark, f"{where} ({getattr(error, 'strerror', None) or error or type(error).__name__})")


def _zip_members(file: IO[bytes]) -> Iterator[tuple[str, int, Read]]:
    """Name and size of each file in a zip file, and what reads it."""

    def reader(info: zipfile.ZipInfo) -> Read:
        def read(count: int) -> bytes:
            with archive.open(info) as member:
                return member.read(count)

        return read

    with zipfile.ZipFile(file) as archive:
        for info in sorted(archive.infolist(), key=lambda info: natural(info.filename)):
            if not info.is_dir():
                yield info.filename, info.file_size, reader(info)


def _tar_members(file: IO[bytes]) -> Iterator[tuple[str, int, Read]]:
    """Name and size of each regular file in a tar file, and what reads it; the file may be compressed."""

    def reader(info: tarfile.TarInfo) -> Read:
        def read(count: int) -> bytes:
            if info.issparse():
                raise ValueError("it is stored as a sparse file")
            stream.seek(info.offset_data)
            return stream.read(min(count, info.size))

        return read

    most = MAX_EXPANSION * file.seek(0, os.SEEK_END) + MIN_BOMB
    file.seek(0)
    compressed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    stream: IO[bytes] = gzip.GzipFile(fileobj=file) if compressed else file  # type: ignore[assignment]
    headers = _Headers(stream)
    with tarfile.open(fileobj=headers, mode="r:") as archive:  # type: ignore[call-overload]
        while info := archive.next():
            if info.offset_data + info.size > most:
                raise ValueError("it expands to so many times its size that it must be a bomb; unpack it yourself")
            archive.members = []  # type: ignore[attr-defined]  # It would keep every member that it has seen.
            if info.isreg():
                yield info.name, info.size, reader(info)
    if headers.last.strip(b"\0"):  # tarfile takes a damaged header for the end.
        raise ValueError("a header inside is damaged")


class _Headers(io.RawIOBase):
    """A file as tarfile sees it, which reads headers only: they are bounded."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.last = b""
        """What was read last."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= MAX_HEADER:
            raise ValueError("a header inside is too large")
        self.last = self._file.read(size)
        return self.last

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _distinct(name: str, taken: set[str]) -> str:
    """The name, with a number if the archive has it twice."""
    stem, suffix = os.path.splitext(name)
    number, distinct = 1, name
    while distinct in taken:
        number += 1
        distinct = f"{stem} ({number}){suffix}"
    taken.add(distinct)
    return distinct
