"""The bytes of image files: bounded, and never waited for without end."""

from __future__ import annotations

import os
import stat

from landmarks.errors import ImageError

MAX_PIXELS = 100_000_000
"""Images with more pixels are refused unless the caller raises the cap."""


def most_bytes(max_pixels: int) -> int:
    """The size above which a file is not even opened: 8 bytes a pixel (16-bit RGBA, uncompressed) plus 64 MiB."""
    return 8 * max_pixels + (64 << 20)


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises ImageError: `missing`, `unreadable` or `too_large`."""
    name = printable(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(name, "unreadable", "is a folder, not an image")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(name, "unreadable", "is not a regular file")
        if status.st_size > limit:
            raise too_many_bytes(name, status.st_size, limit)
        with open(path, "rb") as file:
            data = file.read(status.st_size + 1)  # No more: so much is set aside before anything is read.
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(name, "missing", "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = f"the file cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise ImageError(name, "unreadable", reason) from error
    if len(data) > status.st_size:
        raise ImageError(name, "unreadable", "the file grew while it was read")
    return data


def too_many_bytes(name: str, size: int, limit: int) -> ImageError:
    """The error for a file above its limit in bytes."""
    reason = f"the file has {size:,} bytes, above the cap of {limit:,}; raise max_pixels to read it"
    return ImageError(name, "too_large", reason)


def printable(path: str | os.PathLike[str]) -> str:
    """A path as valid Unicode, for tables and messages; bytes that are none are written as \\udc.."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
