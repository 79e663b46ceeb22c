"""Files and folders written whole or not at all, and a lock. The only place in the package that renames.

A file is written under another name beside its own, and takes its own name when it is whole. So a reader finds the
earlier file or the new one, never a part of one, whatever stops the program.
"""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from landmarks.errors import LandmarksError

SUFFIX = ".partial"
"""What the names of unfinished files and folders end in."""
NO_LOCKS = {getattr(errno, name) for name in ("ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK") if hasattr(errno, name)}
"""Errors by which a file system says that it has no locks."""


def partial_path(path: Path) -> Path:
    """The name under which a file or folder is written until it is whole."""
    return path.with_name(path.name + SUFFIX)


def scratch_path(folder: Path) -> Path:
    """A name in a folder for one unfinished file of this process: for files whose own names may be too long already."""
    return folder / f".{os.getpid()}{SUFFIX}"


def remove_scratch(folder: Path) -> None:
    """Remove what killed processes have left of their files under `scratch_path`."""
    for left in folder.glob(f".*{SUFFIX}"):
        left.unlink(missing_ok=True)


def commit(partial: Path, path: Path, durable: bool = True) -> None:
    """Give a whole file or folder its own name. A file that has the name already is replaced; a folder must be empty.

    durable: have it survive a power cut. Raises OSError.
    """
    if durable:
        sync(partial)
    os.replace(partial, path)
    if durable:
        sync(path.parent)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError of the block names a file if it names none: writing to an open file does not say to which."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@contextmanager
def replacing(path: Path, durable: bool = True, partial: Path | None = None) -> Iterator[Path]:
    """Where to write the file `path`: it takes this name when the block ends, and is removed if the block raises.

    The folder is made. durable: have the file survive a power cut; partial: another name to write it under. Raises
    OSError. The block only writes: its OSErrors are those of the file; see `replacing_amid` for one that does more.
    """
    with naming(path), replacing_amid(path, durable, partial) as place:
        yield place


@contextmanager
def replacing_amid(path: Path, durable: bool = True, partial: Path | None = None) -> Iterator[Path]:
    """The same around a block that also does other things, such as calling a caller's function: an OSError of theirs
    is none of the file's and stays as it is, so the block names its own by `naming`."""
    partial = partial or partial_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        with naming(path):
            commit(partial, path, durable)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def write_bytes(path: Path, data: bytes, durable: bool = True, partial: Path | None = None) -> None:
    """Write a file; see `replacing`. Raises OSError."""
    with replacing(path, durable, partial) as place:
        place.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; half of a surrogate pair is written as \\udc.. . Raises OSError."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


class PartialFile:
    """A UTF-8 text file that ends in `.partial` until it is closed. Half of a surrogate pair is written as \\udc.. ."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, partial_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.partial, "w+", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115

    def write(self, text: str) -> int:
        """Add to it. Raises OSError, which names it."""
        try:
            return self.file.write(text)
        except OSError as error:
            error.filename = str(self.path)
            raise

    def close(self) -> None:
        """Let it appear. Raises OSError, which names it."""
        with naming(self.path):
            self.file.close()
            commit(self.partial, self.path)

    def discard(self) -> None:
        """Remove it. Raises OSError."""
        self.file.close()
        self.partial.unlink()


class PartialFolder:
    """A folder that ends in `.partial` until it is closed; then it takes the place of an earlier one of its name."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, partial_path(path)
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        self._made: set[Path] = set()

    def file(self, relative: str) -> Path:
        """Where to write a file of the folder; its own folder is made."""
        path = self.partial / relative
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(self._made) < 10_000:
                self._made.add(path.parent)
        return path

    def add(self, relative: str, text: str) -> None:
        """Write an ASCII file of the folder, in the least time: a run may have millions. Raises OSError."""
        path = self.file(relative)
        with naming(path), open(path, "wb", buffering=0) as file:
            file.write(text.encode("ascii"))

    def close(self) -> None:
        """Let it appear. Raises OSError."""
        earlier = self.path.with_name(self.path.name + ".old")
        shutil.rmtree(earlier, ignore_errors=True)
        if self.path.exists():
            os.replace(self.path, earlier)
        commit(self.partial, self.path)
        shutil.rmtree(earlier, ignore_errors=True)


class Lock:
    """A file that one process has to itself. The lock dies with the process; the file stays, and means nothing then."""

    def __init__(self, path: Path) -> None:
        """Raises LandmarksError if another process has it, OSError if the file cannot be made.

        A file system without locks costs a warning.
        """
        from filelock import FileLock, Timeout  # Here: it imports asyncio.

        # The library's own substitute for such file systems would outlive a process that is killed.
        self._lock = FileLock(path, timeout=0, thread_local=False, fallback_to_soft=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise LandmarksError(f"{path.parent}: another run is writing here; wait, or choose another --out") from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            warnings.warn(f"{path}: cannot be locked ({error.strerror}); start no second run here", stacklevel=2)

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a power cut, where the system can. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folders.
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # Nor can every file system sync a folder.
            raise
    finally:
        os.close(descriptor)
