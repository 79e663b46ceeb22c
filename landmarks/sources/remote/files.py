"""Images behind URLs: s3:// and whatever else fsspec knows; files, folders, globs, archives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any

from landmarks import images
from landmarks.errors import LandmarksError
from landmarks.images import printable
from landmarks.record import MISSING, UNREACHABLE, UNREADABLE
from landmarks.sources.archive import ARCHIVES, Archive
from landmarks.sources.names import is_image
from landmarks.sources.remote import http
from landmarks.sources.remote.trouble import Trouble, bounded, persist
from landmarks.sources.source import UNKNOWN, Content, Source

_STAMPS = ("ETag", "etag", "LastModified", "last_modified", "updated", "mtime", "md5", "checksum")
"""What the file systems call the facts that differ when a file was changed."""


CALL_SECONDS, FILE_SECONDS, LIST_SECONDS = 30.0, 300.0, 1800.0
"""Time limits of a question about a file, of a whole file, and of a listing."""


def is_http(url: str) -> bool:
    return bool(re.match("https?://", url, re.IGNORECASE))


def host_of(url: str) -> str:
    """Where a file lies: the host, or the bucket."""
    return http.host_of(url) if is_http(url) else url.partition("://")[2].partition("/")[0]


def is_url(text: str) -> bool:
    return bool(re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text))


@dataclass(frozen=True)
class RemoteFile(Source):
    """An image file behind a URL."""

    mark: str | None = None
    """Its stamp, if its folder was listed; else it is asked for."""

    def size_now(self) -> int:
        return 0

    def stamp(self) -> str:
        return stamp_of(str(self.path)) if self.mark is None else self.mark

    def load(self, limit: int) -> Content:
        return self.take(limit)[1]

    def take(self, limit: int) -> tuple[str, Content]:
        url = str(self.path)
        try:
            if is_http(url):
                mark, data = http.fetch(url, limit)
            else:
                mark, data = self.stamp(), persist(host_of(url), lambda: _fetch(url, limit))
        except Trouble as trouble:
            raise trouble.of(self.name) from trouble
        if len(data) > limit:
            raise images.too_many_bytes(self.name, len(data), limit)
        return mark, data


@dataclass(frozen=True)
class RemoteArchive(Archive):
    """An archive behind a URL; it is read in blocks as its members are asked for."""

    def stamp(self) -> str:
        return stamp_of(str(self.path))

    def open(self, ahead: int = 1 << 22) -> IO[bytes]:
        url = str(self.path)
        if is_http(url):
            return http.open_file(url, min(ahead, 1 << 22))
        try:
            system, path = _open_system(url)
            return system.open(path, "rb", block_size=min(ahead, 1 << 22))
        except OSError:
            raise
        except Exception as error:  # Each file system and the network below it raise errors of their own.
            raise OSError(_reason(error)) from error


def stamp_of(url: str) -> str:
    """What differs when the file was changed; UNKNOWN if its server does not say now, empty if it is not there."""

    def ask() -> str:
        system, path = _open_system(url)
        return _stamp_of(system.info(path))

    try:
        return http.stamp(url) if is_http(url) else bounded(ask, CALL_SECONDS, url)
    except Trouble as trouble:
        return UNKNOWN if trouble.status == UNREACHABLE else ""
    except Exception as error:  # As above.
        return UNKNOWN if _trouble(error).status == UNREACHABLE else ""


def _fetch(url: str, limit: int) -> bytes:
    """At most `limit` + 1 bytes of a file. Raises Trouble."""

    def read() -> bytes:
        system, path = _open_system(url)
        with system.open(path, "rb", block_size=1 << 22) as file:
            return file.read(limit + 1)

    try:
        return bounded(read, FILE_SECONDS, url)
    except (Trouble, LandmarksError):
        raise
    except Exception as error:  # As above.
        raise _trouble(error) from error


def _trouble(error: Exception) -> Trouble:
    """What an error of a file system says."""
    if isinstance(error, FileNotFoundError):
        return Trouble(MISSING, "there is no such file")
    if isinstance(error, PermissionError):
        return Trouble(UNREADABLE, f"it is not allowed to be read ({_reason(error)})")
    passing = isinstance(error, (ConnectionError, TimeoutError)) or re.search(
        r"Timeout|Connect|Endpoint|SlowDown|Unavailable|reduce your request rate", _reason(error)
    )
    return Trouble(UNREACHABLE if passing else UNREADABLE, f"it cannot be fetched ({_reason(error)})")


def find(url: str, recursive: bool) -> Iterator[Source]:
    """The images and archives that a URL stands for: a file, a folder or a glob. Raises LandmarksError."""
    scheme = url.partition("://")[0]
    if is_http(url) and not url.partition("?")[0].endswith("/"):
        name = url.partition("?")[0].rpartition("/")[2] or url
        yield RemoteArchive(url, printable(name)) if _is_archive(name) else RemoteFile(url, printable(name))
        return
    system, path = _open_system(url)
    listed: dict[str, dict[str, Any] | None]
    try:
        root, listed = bounded(lambda: _listed(system, path, scheme, recursive), LIST_SECONDS, url)
    except LandmarksError:
        raise
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


def _listed(system: Any, path: str, scheme: str, recursive: bool) -> tuple[str, dict[str, dict[str, Any] | None]]:
    """The folder that names are relative to, and the files with what is known of them. Raises anything."""
    if re.search(r"[*?[]", path) and not is_http(f"{scheme}://"):
        root = re.split(r"[*?[]", path)[0].rpartition("/")[0]
        listed = system.glob(path, detail=True)
        return root, {name: facts for name, facts in listed.items() if is_image(name) or _is_archive(name)}
    if _is_archive(path) or is_image(path):
        if scheme in ("s3", "s3a") and not _has_bucket(system, path.partition("/")[0]):
            raise FileNotFoundError(f"there is no bucket {path.partition('/')[0]}")
        return path.rpartition("/")[0], {path: None}
    if not system.isdir(path):
        if not system.exists(path):
            raise FileNotFoundError("there is no such bucket, folder or file")
        return path.rpartition("/")[0], {path: None}
    root = path.rstrip("/")
    listed = system.find(root, maxdepth=None if recursive else 1, detail=True)
    return root, {name: facts for name, facts in listed.items() if is_image(name)}


@lru_cache(maxsize=64)
def _has_bucket(system: Any, bucket: str) -> bool:
    """False only where that is certain: a bucket may forbid to be asked."""
    try:
        system.info(bucket)
    except FileNotFoundError:
        return False
    except Exception:
        return True
    return True


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


def _stamp_of(facts: dict[str, Any]) -> str:
    return "-".join(str(facts[key]) for key in ("size", *_STAMPS) if facts.get(key) is not None)


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
