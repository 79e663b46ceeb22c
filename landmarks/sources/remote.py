"""Images behind URLs: s3:// and whatever else fsspec knows; files, folders, globs, archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

from landmarks import images
from landmarks.errors import ImageError, LandmarksError
from landmarks.images import printable
from landmarks.sources.archive import ARCHIVES, Archive
from landmarks.sources.names import is_image
from landmarks.sources.source import Content, Source

_STAMPS = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "md5", "checksum")
"""What the file systems call the facts that differ when a file was changed."""


def is_url(text: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text))


@dataclass(frozen=True)
class RemoteFile(Source):
    """An image file behind a URL."""

    mark: str | None = None
    """Its stamp, if its folder was listed; else it is asked for."""

    def stamp(self) -> str:
        return _stamp(str(self.path)) if self.mark is None else self.mark

    def load(self, limit: int) -> Content:
        url = str(self.path)
        try:
            system, path = _open_system(url)
            with system.open(path, "rb", block_size=1 << 22) as file:
                data = file.read(limit + 1)
        except FileNotFoundError:
            raise ImageError(self.name, "missing", "there is no such file") from None
        except Exception as error:  # Each file system and the network below it raise errors of their own.
            raise ImageError(self.name, "unreadable", f"it cannot be fetched ({_reason(error)})") from error
        if len(data) > limit:
            raise images.too_many_bytes(self.name, len(data), limit)
        return data


@dataclass(frozen=True)
class RemoteArchive(Archive):
    """An archive behind a URL; it is read in blocks as its members are asked for."""

    def stamp(self) -> str:
        return _stamp(str(self.path))

    def open(self, ahead: int = 1 << 22) -> IO[bytes]:
        try:
            system, path = _open_system(str(self.path))
            return system.open(path, "rb", block_size=min(ahead, 1 << 22))
        except OSError:
            raise
        except Exception as error:  # As above.
            raise OSError(_reason(error)) from error


def find(url: str, recursive: bool) -> Iterator[Source]:
    """The images and archives that a URL stands for: a file, a folder or a glob. Raises LandmarksError."""
    system, path = _open_system(url)
    scheme = url.partition("://")[0]
    listed: dict[str, dict[str, Any] | None]
    try:
        if re.search(r"[*?[]", path) and scheme not in ("http", "https"):
            root = re.split(r"[*?[]", path)[0].rpartition("/")[0]
            listed = system.glob(path, detail=True)
            listed = {name: facts for name, facts in listed.items() if is_image(name) or _is_archive(name)}
        elif _is_archive(path) or is_image(path) or not system.isdir(path):
            root, listed = path.rpartition("/")[0], {path: None}
        else:
            root = path.rstrip("/")
            listed = system.find(root, maxdepth=None if recursive else 1, detail=True)
            listed = {name: facts for name, facts in listed.items() if is_image(name)}
    except Exception as error:  # As above.
        raise LandmarksError(f"{url}: cannot be listed ({_reason(error)})") from error
    if not listed:
        raise LandmarksError(f"{url}: holds no image files; check it, or add --recursive (in Python, recursive=True)")
    for path, facts in listed.items():
        full = path if is_url(path) else system.unstrip_protocol(path)
        name = path.removeprefix(root).lstrip("/")
        if scheme in ("http", "https"):
            name = name.partition("?")[0]
        if _is_archive(path):
            yield RemoteArchive(full, printable(name))
        else:
            yield RemoteFile(full, printable(name), mark=None if facts is None else _stamp_of(facts))


def _is_archive(path: str) -> bool:
    return path.lower().endswith(ARCHIVES)


@lru_cache(maxsize=64)
def _system_of(scheme: str, host: str) -> Any:
    extra = "s3" if scheme in ("s3", "s3a") else "remote"
    cure = f"pip install 'landmarks[{extra}]'"
    try:
        import fsspec

        return fsspec.core.url_to_fs(f"{scheme}://{host}")[0]
    except ImportError as error:
        raise LandmarksError(f"{scheme}:// needs another package ({error}); {cure}") from error
    except ValueError as error:
        raise LandmarksError(f"{scheme}:// is no kind of address that is known ({error})") from error


def _open_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    scheme, _, rest = url.partition("://")
    system = _system_of(scheme.lower(), rest.partition("/")[0])
    return system, system._strip_protocol(url)


def _stamp(url: str) -> str:
    try:
        system, path = _open_system(url)
        return _stamp_of(system.info(path))
    except Exception:  # Whatever is wrong, loading it will say so.
        return ""


def _stamp_of(facts: dict[str, Any]) -> str:
    return "-".join(str(facts[key]) for key in ("size", *_STAMPS) if facts.get(key) is not None)


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
