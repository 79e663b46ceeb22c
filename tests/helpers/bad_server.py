"""A web server on loopback that misbehaves in every way that servers do."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path


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


def write_certificate(path: Path, host: str = "127.0.0.1", days: int = 1) -> None:
    """A certificate that nobody has signed but itself, and its key, in one PEM file; host: an IP address, or a name.

    days: how long it is still valid; less than 0 for one that has expired.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    spoken = x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
    builder = builder.add_extension(x509.SubjectAlternativeName([spoken]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + builder.sign(key, hashes.SHA256()).public_bytes(pem))


@contextmanager
def bad_server(certificate: Path | None = None) -> Iterator[BadServer]:
    """certificate: of `write_certificate`; the server then speaks TLS, under https://127.0.0.1."""
    server = BadServer()
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
