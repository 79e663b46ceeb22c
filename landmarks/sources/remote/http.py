"""Files behind http:// and https://, with a time limit on every call; what is wrong is told as what it is."""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from landmarks.errors import LandmarksError
from landmarks.record import MISSING, UNREACHABLE, UNREADABLE
from landmarks.sources.remote.trouble import RemoteError, Trouble, persist

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUTS = (10.0, 20.0)
"""Seconds to connect, and without a byte."""
WHOLE_SECONDS = 300.0
"""For a whole file, however slowly its bytes come."""
MOST_REDIRECTS = 10
PIECE = 1 << 16

_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""Status codes that may be gone soon."""
_WORDS = {
    401: "it wants a name and a password", 403: "it is not allowed to be read", 407: "a proxy wants a password",
    451: "it is withheld for legal reasons", 429: "the server wants fewer requests", 503: "the server is overloaded",
}  # fmt: skip

_local = threading.local()


def host_of(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def fetch(url: str, limit: int) -> tuple[str, bytes]:
    """Stamp and content of a file, at most `limit` + 1 bytes of it. Raises Trouble."""

    def once() -> tuple[str, bytes]:
        started, data = time.monotonic(), io.BytesIO()
        with _open("GET", url) as response:
            while data.tell() <= limit and (piece := response.raw.read1(PIECE, decode_content=True)):
                data.write(piece)
                if time.monotonic() - started > WHOLE_SECONDS:
                    raise Trouble(UNREACHABLE, f"its bytes come too slowly ({data.tell():,} in {WHOLE_SECONDS:g} s)")
            return _stamp_of(response), data.getvalue()[: limit + 1]

    return persist(host_of(url), once)


def stamp(url: str) -> str:
    """What differs when the file was changed, as its server tells. Raises Trouble; it is not asked twice."""

    def once() -> str:
        for method in ("HEAD", "GET"):
            with _open(method, url, allowed=(405, 501) if method == "HEAD" else ()) as response:
                if response.status_code < 400:
                    return _stamp_of(response)
        return ""

    return persist(host_of(url), once, attempts=1)


class HttpFile(io.RawIOBase):
    """A file that is read in parts as they are asked for. Raises OSError."""

    def __init__(self, url: str, ahead: int) -> None:
        """ahead: bytes that are fetched at once at least."""
        self._url, self._ahead = url, max(ahead, 1)
        self._at = self._start = 0
        self._part = b""
        self._size: int | None = None
        self._stamp: str | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = (0, self._at, self._length() if whence == os.SEEK_END else 0)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._size is not None and self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._part):
            self._start, self._part = self._at, self._fetch(self._at, max(len(buffer), self._ahead))
        found = self._part[self._at - self._start :][: len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _length(self) -> int:
        if self._size is None:
            self._fetch(0, 1)
        return self._size or 0

    def _fetch(self, start: int, count: int) -> bytes:
        def once() -> bytes:
            headers = {"Range": f"bytes={start}-{start + count - 1}"}
            with _open("GET", self._url, allowed=(416,), headers=headers) as response:
                whole = response.headers.get("Content-Range", "").rpartition("/")[2]
                self._size = int(whole) if whole.isdigit() else self._size
                if response.status_code == 416:
                    self._size = self._size or 0
                    return b""
                if response.status_code != 206 or self._size is None:
                    raise Trouble(UNREADABLE, "its server gives no parts of files; download it first")
                now = response.headers.get("ETag", "") + response.headers.get("Last-Modified", "")
                if self._stamp not in (None, now):
                    raise Trouble(UNREADABLE, "it was changed while it was read")
                self._stamp = now
                data = io.BytesIO()
                started = time.monotonic()
                while data.tell() < count and (piece := response.raw.read1(PIECE)):
                    data.write(piece)
                    if time.monotonic() - started > WHOLE_SECONDS:
                        raise Trouble(UNREACHABLE, "its bytes come too slowly")
                return data.getvalue()[:count]

        try:
            return persist(host_of(self._url), once)
        except Trouble as trouble:
            raise RemoteError(trouble) from trouble


def open_file(url: str, ahead: int) -> IO[bytes]:
    """A file to be read from any place in it. Raises OSError."""
    return io.BufferedReader(HttpFile(url, ahead), PIECE)


@contextmanager
def _open(
    method: str, url: str, allowed: tuple[int, ...] = (), headers: dict[str, str] | None = None
) -> Iterator[Response]:
    """A reply, its body not read yet. Raises Trouble for what goes wrong, also while it is read."""
    import requests
    import urllib3

    try:
        with _session().request(
            method, url, stream=True, timeout=TIMEOUTS, headers=headers, allow_redirects=True
        ) as response:  # fmt: skip
            if response.status_code >= 400 and response.status_code not in allowed:
                raise _refusal(response)
            yield response
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise _trouble(error, url) from error


def _session() -> Session:
    """One for each thread: they are not safe to share."""
    if not hasattr(_local, "session"):
        try:
            import requests
            import tenacity  # noqa: F401
        except ImportError as error:
            raise LandmarksError(f"http:// needs another package ({error}); pip install 'landmarks[remote]'") from error
        _local.session = requests.Session()
        _local.session.max_redirects = MOST_REDIRECTS
        _local.session.headers["Accept-Encoding"] = "identity"
    return _local.session


def _refusal(response: Response) -> Trouble:
    """What a status code says."""
    from urllib3.util import Retry

    code = response.status_code
    if code in (404, 410):
        return Trouble(MISSING, "there is no such file")
    words = _WORDS.get(code, "the server is in trouble" if code >= 500 else "the server refuses it")
    after = None
    if code in _PASSING and (text := response.headers.get("Retry-After")):
        try:
            after = Retry().parse_retry_after(text)
        except Exception:  # Nonsense in a header.
            after = None
    wait = f"; it asks to come back in {after:.0f} s" if after else ""
    return Trouble(UNREACHABLE if code in _PASSING else UNREADABLE, f"{words} (HTTP {code}){wait}", after)


def _trouble(error: Exception, url: str) -> Trouble:
    """What an error of the libraries says, in words; its chain of causes tells more than its type."""
    import requests

    text, host = _chain(error), host_of(url)
    if isinstance(error, requests.TooManyRedirects):
        return Trouble(UNREADABLE, "its address leads round in a circle (too many redirects)")
    if "CERTIFICATE_VERIFY_FAILED" in text or "doesn't match" in text:
        return Trouble(UNREADABLE, f"the certificate of {host} is not valid")
    if isinstance(error, ValueError):
        return Trouble(UNREADABLE, f"{url} is not a valid address")
    if "NameResolutionError" in text or "gaierror" in text:
        reason = f"the host {host} is not known"
    elif "refused" in text:
        reason = f"{host} refuses the connection"
    elif "timed out" in text.lower() or "timeout" in text.lower():
        reason = f"{host} did not answer in time"
    elif "IncompleteRead" in text or "Connection broken" in text:
        reason = f"{host} broke off in the middle of the file"
    else:
        reason = f"the connection to {host} failed ({type(error).__name__})"
    return Trouble(UNREACHABLE, reason)


def _chain(error: BaseException | None) -> str:
    """Type and text of an error and its causes."""
    texts: list[str] = []
    while error is not None and len(texts) < 10:
        texts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def _stamp_of(response: Response) -> str:
    facts = (response.headers.get(name) for name in ("Content-Length", "ETag", "Last-Modified"))
    return "-".join(fact for fact in facts if fact)
