"""A web server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class BadServer(ThreadingHTTPServer):
    """The path says what a request meets, such as /503/a.jpg; `files` are given as they are. Counts its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.asked: Counter[str] = Counter()
        self.drip_heads = False
        """Whether the heads of all answers come byte by byte."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: BadServer

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked[self.path] += 1
        how, data = self.path.split("/")[1], self.server.files.get(self.path, b"image")
        first = self.server.asked[self.path] == 1
        if self.path in self.server.files:
            self._give_part(data)
        elif how == "length-unknown":
            self._start(200)
            for _ in range(20):
                self.wfile.write(data)
                self.wfile.flush()
                time.sleep(0.005)
        elif how == "chunked":
            self._start(200, **{"Transfer-Encoding": "chunked"})
            self.wfile.write(b"5\r\nimage\r\n5\r\nimage\r\n0\r\n\r\n")
        elif how == "cut":
            self._start(200, **{"Content-Length": "1000"})
            self.wfile.write(data)
        elif how == "loop":
            self._start(302, Location=self.path)
        elif how == "later" and first:
            self._start(503, **{"Retry-After": "0"})
        elif how == "much-later":
            self._start(429, **{"Retry-After": "3600"})
        elif how == "silent":
            time.sleep(2)
        elif how == "drip":
            self._start(200, **{"Content-Length": "1000"})
            for _ in range(100):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)
        elif self.server.drip_heads:
            for _ in range(100):
                self.wfile.write(b"H")
                self.wfile.flush()
                time.sleep(0.05)
        elif how.isdigit():
            self._start(int(how))
        else:
            self._start(200, **{"Content-Length": str(len(data)), "ETag": '"1"'})
            self.wfile.write(data if self.command == "GET" else b"")

    def _give_part(self, data: bytes) -> None:
        spec = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        if not spec[0]:
            self._start(200, **{"Content-Length": str(len(data))})
            self.wfile.write(data if self.command == "GET" else b"")
        elif int(spec[0]) >= len(data):
            self._start(416, **{"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
        else:
            part = data[int(spec[0]) : int(spec[2]) + 1]
            where = f"bytes {spec[0]}-{int(spec[0]) + len(part) - 1}/{len(data)}"
            self._start(206, **{"Content-Range": where, "Content-Length": str(len(part))})
            self.wfile.write(part)

    def _start(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def bad_server() -> Iterator[BadServer]:
    server = BadServer()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
