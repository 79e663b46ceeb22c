"""Images inside zip and tar files and WebDataset shards, member by member; nothing is unpacked to disk.

What a header says is never trusted: sizes are checked before and while a member is read, and names are made harmless.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO

from landmarks.bounded import open_file
from landmarks.record import UNREACHABLE, UNREADABLE
from landmarks.sources.member import MAX_EXPANSION, MIN_BOMB, SMALL, SPARSE, Member, Passing, expanding
from landmarks.sources.names import harmless, is_image, natural
from landmarks.sources.remote.trouble import behind
from landmarks.sources.source import UNKNOWN, Container, Source, failure

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")

MAX_HEADER = 1 << 24
"""Bytes that a header inside a tar file may have; long names are read into memory as a whole."""
BLOCK = 512
"""Bytes of a tar file's header, and of each of the two empty blocks that end it."""


@dataclass(frozen=True)
class Archive(Container):
    """A zip or tar file. Zip members come in natural order of their names, tar members as they are stored."""

    def open(self, ahead: int = 1 << 22) -> IO[bytes]:
        """The file, to be read from any place in it; `ahead`: bytes that are asked for at once if it is far away.

        Raises OSError, ValueError.
        """
        return open_file(self.path)

    def __iter__(self) -> Iterator[Source]:
        mark = self.stamp()
        if not mark:
            yield failure(self, mark, "there is no such file", "missing")
            return
        names: set[str] = set()
        list_members = _zip_members if str(self.path).lower().endswith(".zip") else _tar_members
        try:
            with self.open() as file:
                for inside, size, place, stream in list_members(file):
                    if not is_image(inside):
                        continue
                    name = f"{self.name}/{_distinct(harmless(inside), names)}"
                    if stream and isinstance(place, int) and place != SPARSE and size <= SMALL:
                        read = partial(_read_at, stream, place, size)
                        yield Passing(self.path, name, size=size, mark=mark, read=read)
                    else:
                        yield Member(
                            self.path, name, size=size, mark=mark,
                            whole=self, place=place, from_start=stream is not None,
                        )  # fmt: skip
            if not names:
                yield failure(self, mark, "this archive holds no image files")
        except Exception as error:  # Python's readers raise anything at all on broken archives.
            where = f"this archive cannot be read any further after {len(names)} images" if names else "not an archive"
            remote = behind(error)
            error, status = (remote, remote.status) if remote else (error, UNREADABLE)
            mark = UNKNOWN if status == UNREACHABLE else mark
            yield failure(
                self, mark, f"{where} ({getattr(error, 'strerror', None) or error or type(error).__name__})", status
            )


Found = tuple[str, int, "zipfile.ZipInfo | int", "IO[bytes] | None"]
"""Name, size and place of a member, and the stream that it is in if it must be read from the start."""


def _zip_members(file: IO[bytes]) -> Iterator[Found]:
    """Each file in a zip file, by the directory at its end."""
    with zipfile.ZipFile(file) as archive:
        for info in sorted(archive.infolist(), key=lambda info: natural(info.filename)):
            if not info.is_dir():
                yield info.filename, info.file_size, info, None


def _tar_members(file: IO[bytes]) -> Iterator[Found]:
    """Each regular file in a tar file, which may be compressed; nothing but the headers is kept."""
    most = MAX_EXPANSION * file.seek(0, os.SEEK_END) + MIN_BOMB
    file.seek(0)
    stream = expanding(file)
    headers = _Headers(stream or file)
    with tarfile.open(fileobj=headers, mode="r:") as archive:  # type: ignore[call-overload]
        while info := archive.next():
            if info.offset_data + info.size > most:
                raise ValueError("it expands to so many times its size that it must be a bomb; unpack it yourself")
            archive.members = []  # type: ignore[attr-defined]  # It would keep every member that it has seen.
            if info.isreg():
                yield info.name, info.size, SPARSE if info.issparse() else info.offset_data, stream
    if isinstance(stream, gzip.GzipFile):
        _read_to_end(stream, most)
    if headers.last.strip(b"\0"):  # tarfile takes a damaged header for the end.
        raise ValueError("a header inside is damaged")
    if len(headers.last) < BLOCK:
        raise ValueError("it has no end mark: it was cut short between two of its files")


def _read_to_end(stream: IO[bytes], most: int) -> None:
    """Read what follows the last member: gzip has one checksum, at its end; others have one a block.

    Raises ValueError.
    """
    try:
        while stream.tell() <= most and stream.read(BLOCK << 7):
            pass
    except gzip.BadGzipFile as error:
        if "Not a gzipped file" in str(error):  # Something else follows, which is nobody's business.
            return
        raise ValueError("its checksum is wrong: something of what was read from it is damaged") from error


def _read_at(stream: IO[bytes], place: int, size: int) -> bytes:
    stream.seek(place)
    return stream.read(size)


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
