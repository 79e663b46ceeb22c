"""What stands before the page's server: no request passes without the token, from another host or of any size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from hmac import compare_digest
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

CONTENT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
METHODS = ("GET", "POST")


class Guard:
    """An ASGI application around another, which sees the paths behind `/TOKEN`.

    hosts: what the header Host may be; most: bytes that a request's body may have.
    """

    def __init__(self, app: App, token: str, hosts: Collection[str], most: int) -> None:
        self.app, self.token, self.hosts, self.most = app, token, {host.lower() for host in hosts}, most

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # The server closes what nobody answers.
        refused = self._refusal(scope)
        if refused:
            await _answer(send, *refused)
            return
        _, token, *rest = scope["path"].split("/", 2)
        if not rest:
            await _answer(send, 307, "", {"location": f"/{token}/"})
            return
        path = "/" + rest[0]
        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.decode().lower() not in HEADERS]
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                if all(name.lower() != b"cache-control" for name, _ in kept):
                    added.append((b"cache-control", b"no-store"))
                message = {**message, "headers": [*kept, *added]}
            await send(message)

        await self.app(inner, receive, guarded)

    def _refusal(self, scope: Message) -> tuple[int, str] | None:
        """Status and reason, if a request is to go no further."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host = [one.lower() for one in headers.get("host", [])]
        if len(host) != 1 or host[0] not in self.hosts:
            return 421, "this is not the address that `landmarks review` printed"
        if any(origin.lower() not in {f"http://{one}" for one in self.hosts} for origin in headers.get("origin", [])):
            return 403, "requests from other pages are not answered"
        given = scope["path"].split("/", 2)[1] if scope["path"].startswith("/") else ""
        if not compare_digest(given.encode(), self.token.encode()):
            return 403, "open the address that `landmarks review` printed, with all that is behind the last slash"
        if scope["method"] not in METHODS:
            return 405, "only GET and POST are answered"
        if "transfer-encoding" in headers:  # Servers hold clients to the length that they tell, and to no other.
            return 411, "a request must tell its length"
        length = headers.get("content-length", ["0"])[-1]
        if not length.isdecimal() or len(length) > 15 or int(length) > self.most:
            return 413, "the request is too large"
        return None


async def _answer(send: Send, status: int, text: str, extra: dict[str, str] | None = None) -> None:
    headers = HEADERS | {"content-type": "text/plain; charset=utf-8", "cache-control": "no-store"} | (extra or {})
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": text.encode()})
