"""An image inside an archive, and how its bytes are read: the place is kept, never the bytes.

So whichever process wants an image opens the archive itself. Members of zip and tar files are read where they lie. A
compressed tar file can only be read from its start: small members are passed on as they go by, and a large one is
read by whoever wants it from a stream of its own.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import threading
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.remote.trouble import behind
from landmarks.sources.source import Content, Part, Source

MAX_EXPANSION = 100
"""What expands to more than so many times its size, plus MIN_BOMB bytes, is a bomb."""
MIN_BOMB = 1 << 30
"""For a whole compressed tar file."""
MIN_MEMBER_BOMB = 1 << 26
"""For a member of a zip file: black bitmaps of usual sizes are no bombs."""
SMALL = 8 << 20
"""Bytes of a member of a compressed tar file that is passed on as it goes by."""

_LOCAL_HEADER = 30
_PIECE = 1 << 20
"""Bytes that are expanded at once."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How members of zip files may be packed. What a few bytes of the others stand for, Python does not bound."""


class Opener(Protocol):
    """What can open an archive, in any process."""

    @property
    def path(self) -> Any: ...

    def open(self, ahead: int = 1 << 22) -> IO[bytes]: ...


SPARSE = -1
"""Stands for the place of a tar member that is stored with holes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Passing(Part):
    """An image file that a compressed tar file has come to; it is held as it goes by."""

    read: Callable[[], bytes]

    def load(self, limit: int) -> Content:
        return _checked(self, limit, self.read)


@dataclass(frozen=True, kw_only=True, eq=False)
class Member(Part):
    """An image file inside an archive, by its place."""

    whole: Opener
    place: zipfile.ZipInfo | int
    """The entry in a zip file's directory, or where the bytes of a tar file's member start; SPARSE."""
    from_start: bool = False
    """Whether its archive can only be read from the start."""

    def load(self, limit: int) -> Content:
        if isinstance(self.place, zipfile.ZipInfo) and is_bomb(self.size, self.place.compress_size):
            reason = f"it expands from {self.place.compress_size:,} to {self.size:,} bytes, as only a bomb does"
            raise ImageError(self.name, "too_large", reason)
        return _checked(self, limit, self._read)

    def hold(self, limit: int) -> Source:
        return self

    def _read(self) -> bytes:
        """Its bytes, at most `size`, whatever the archive holds in truth."""
        if isinstance(self.place, zipfile.ZipInfo):
            with self.whole.open(self.place.compress_size + (1 << 16)) as file:
                return _read_zip(file, self.place)
        if self.place == SPARSE:
            raise ValueError("it is stored as a sparse file")
        if self.from_start:
            return _streams.read(self, self.place)
        with self.whole.open(self.size) as file:
            file.seek(self.place)
            return file.read(self.size)


def _checked(member: Part, limit: int, read: Callable[[], bytes]) -> bytes:
    """What `read` gives, all of it and at most `limit` bytes. Raises ImageError."""
    if member.size > limit:
        raise images.too_many_bytes(member.name, member.size, limit)
    try:
        data = read()
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Python's readers raise anything at all on broken or encrypted archives.
        reason = f"it cannot be read from its archive ({error or type(error).__name__})"
        remote = behind(error)
        raise ImageError(member.name, remote.status if remote else "unreadable", reason) from error
    if len(data) < member.size:
        raise ImageError(member.name, "unreadable", "its archive ends before it does")
    return data


def is_bomb(size: int, compressed: int) -> bool:
    """Whether no honest member of a zip file has so many bytes, before and after it is expanded."""
    return size > MAX_EXPANSION * compressed + MIN_MEMBER_BOMB


def _read_zip(file: IO[bytes], info: zipfile.ZipInfo) -> bytes:
    """A member's bytes, at most `info.file_size`; their checksum is looked at. Raises anything at all.

    The directory of the archive, which may be long, is not read again.
    """
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER or header[:4] != b"PK\x03\x04":
        raise zipfile.BadZipFile("there is no member where the directory says so")
    if info.flag_bits & 1:
        raise zipfile.BadZipFile("it is encrypted")
    if info.compress_type not in _METHODS:
        raise zipfile.BadZipFile(
            "it is packed by an unusual method; pack the archive again, with the usual one (deflate)"
        )
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), os.SEEK_CUR)
    data = io.BytesIO()
    with zipfile.ZipExtFile(file, "r", info) as member:
        while part := member.read(_PIECE):
            data.write(part)
    return data.getvalue()


def expanding(file: IO[bytes]) -> IO[bytes] | None:
    """A compressed file as the stream that it stands for; None if it is not compressed."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)  # type: ignore[return-value]
    return lzma.LZMAFile(file) if start == b"\xfd7zXZ\0" else None  # type: ignore[return-value]


class _Streams:
    """The compressed archive that this process read last: the next member lies behind the one before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[str, str] | None = None
        self._stream: IO[bytes] = io.BytesIO()

    def read(self, member: Member, offset: int) -> bytes:
        with self._lock:
            key = (str(member.whole.path), member.mark)
            if key != self._key:
                self._key = None
                self._stream = expanding(member.whole.open()) or io.BytesIO()
                self._key = key
            try:
                self._stream.seek(offset)
                return self._stream.read(member.size)
            except BaseException:
                self._key = None  # Nobody knows where it stands.
                raise


_streams = _Streams()
