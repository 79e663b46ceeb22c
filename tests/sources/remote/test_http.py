from __future__ import annotations

import socket
import threading
import time
from functools import partial

import pytest

from landmarks.batch import outage
from landmarks.batch.run import annotate
from landmarks.errors import ImageError, LandmarksError
from landmarks.sources.find import expand, find
from landmarks.sources.remote import http, stamps, trouble
from tests.helpers.archives import MEMBERS, make
from tests.helpers.bad_server import bad_server, write_certificate
from tests.helpers.stub import Stub

pytest.importorskip("requests")
pytest.importorskip("tenacity")
LIMIT = 10_000


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(trouble, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(http, "TIMEOUTS", (30, 30))
    monkeypatch.setattr(http, "WHOLE_SECONDS", 30)
    trouble.hosts.clear()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with bad_server() as one:
        yield one
    trouble.hosts.clear()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("plain/a.jpg", b"image"),
        ("length-unknown/a.jpg", b"image" * 20),
        ("chunked/a.jpg", b"imageimage"),
        ("later/a.jpg", b"image"),
        ("plain/a.jpg?size=3#x", b"image"),
        ("plain/no-suffix", b"image"),
    ],
)
def test_what_can_be_had(server, path, content):
    (source,) = find([f"{server.url}/{path}"])
    assert source.load(LIMIT) == content
    assert source.name == path.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize(
    ("path", "status", "words", "asked"),
    [
        ("404", "missing", "no such file", 1),
        ("410", "missing", "no such file", 1),
        ("403", "unreadable", r"not allowed to be read \(HTTP 403\)", 1),
        ("401", "unreadable", "password", 1),
        ("418", "unreadable", r"refuses it \(HTTP 418\)", 1),
        ("loop", "unreadable", "round in a circle", 11),
        ("429", "unreachable", r"fewer requests \(HTTP 429\)", 3),
        ("500", "unreachable", r"in trouble \(HTTP 500\)", 3),
        ("503", "unreachable", r"overloaded \(HTTP 503\)", 3),
        ("much-later", "unreachable", "come back in 3600 s", 1),
        ("silent", "unreachable", "did not answer in time", 3),
        ("drip", "unreachable", "too slowly", 3),
        ("cut", "unreachable", "broke off in the middle", 3),
    ],
)
def test_what_is_wrong_is_told(server, monkeypatch, path, status, words, asked):
    if path in ("silent", "drip"):
        monkeypatch.setattr(http, "TIMEOUTS", (0.5, 0.5))
        monkeypatch.setattr(http, "WHOLE_SECONDS", 0.5)
    (source,) = find([f"{server.url}/{path}/a.jpg"])
    with pytest.raises(ImageError, match=words) as caught:
        source.load(LIMIT)
    assert caught.value.status == status
    assert server.asked[f"/{path}/a.jpg"] == asked


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        ("http://127.0.0.1:{free}/a.jpg", "unreachable", r"127\.0\.0\.1:\d+ refuses the connection"),
        ("http://no-such-host.invalid/a.jpg", "unreachable", r"the host no-such-host\.invalid is not known"),
        ("https://127.0.0.1:{server}/a.jpg", "unreachable", "the connection to .* failed"),
        ("http://127.0.0.1:99999/a.jpg", "unreadable", "not a valid address"),
        ("http:///a.jpg", "unreadable", "not a valid address"),
    ],
)
def test_addresses_that_do_not_answer(server, monkeypatch, url, status, words):
    real = socket.getaddrinfo

    def resolve(host, *arguments, **options):
        if host == "no-such-host.invalid":  # Some resolvers answer for every name, others for none, after a while.
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with socket.socket() as free:  # It is bound and does not listen.
        free.bind(("127.0.0.1", 0))
        (source,) = find([url.format(free=free.getsockname()[1], server=server.server_port)])
        with pytest.raises(ImageError, match=words) as caught:
            source.load(LIMIT)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("host", "days", "trusted", "valid"),
    [
        ("127.0.0.1", 1, False, False),  # signed by itself, like that of a box in the cellar
        ("example.org", 1, True, False),
        ("127.0.0.1", -1, True, False),
        ("127.0.0.1", 1, True, True),
    ],
)
def test_a_certificate_that_is_not_valid_is_no_missing_file(server, tmp_path, monkeypatch, host, days, trusted, valid):
    pytest.importorskip("cryptography")
    write_certificate(tmp_path / "one.pem", host, days)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "one.pem"))
    with bad_server(tmp_path / "one.pem") as safe:
        (source,) = find([f"https://127.0.0.1:{safe.server_port}/plain/a.jpg"])
        if valid:
            assert source.load(LIMIT) == b"image"
            return
        with pytest.raises(ImageError, match=r"the certificate of 127\.0\.0\.1:\d+ is not valid") as caught:
            source.load(LIMIT)
    assert caught.value.status == "unreadable" and not safe.asked, "it is not asked for the file"


def test_a_file_above_the_limit(server):
    server.files["/a.jpg"] = bytes(LIMIT + 1)
    (source,) = find([f"{server.url}/a.jpg"])
    with pytest.raises(ImageError, match="cap"):
        source.load(LIMIT)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_archives(server, tmp_path, suffix):
    server.files[f"/a{suffix}"] = make(tmp_path / f"a{suffix}", MEMBERS).read_bytes()
    found = [source.hold(LIMIT) for source in expand(find([f"{server.url}/a{suffix}"]))]
    assert {source.load(LIMIT) for source in found} == {b"ten", b"two", b"a"}


@pytest.mark.parametrize(
    ("path", "status"), [("503/a.zip", "unreachable"), ("404/a.zip", "missing"), ("plain/a.zip", "unreadable")]
)
def test_archives_that_cannot_be_had(server, path, status):
    (source,) = expand(find([f"{server.url}/{path}"]))
    with pytest.raises(ImageError) as caught:
        source.load(LIMIT)
    assert caught.value.status == status


def test_a_host_that_is_down_is_not_asked_without_end(server):
    sources = find([f"{server.url}/503/{i}.jpg" for i in range(10)])
    for source in sources:
        with pytest.raises(ImageError) as caught:
            source.load(LIMIT)
        assert caught.value.status == "unreachable"
    assert sum(server.asked.values()) == trouble.DOWN_AFTER * trouble.ATTEMPTS


def test_a_later_run_tries_again(server, tmp_path):
    """Also where nothing else failed, and without another option."""
    urls = [f"{server.url}/{path}" for path in ("503/a.jpg", "plain/b.jpg", "404/c.jpg")]
    run = partial(annotate, Stub(), out=tmp_path / "out")
    assert run(find(urls)).statuses["unreachable"] == 1
    trouble.hosts.clear()
    server.files["/503/a.jpg"] = b"image"
    again = run(find(urls))
    assert (again.done, again.changed) == (1, 0) and "unreachable" not in again.statuses
    assert run(find(urls)).done == 0


def test_a_server_that_is_down_costs_no_results(server, tmp_path):
    """What was done before stays: that its file was not asked about does not mean that it was changed."""
    server.files["/a.jpg"] = b"image"
    sources = find([f"{server.url}/a.jpg"])
    annotate(Stub(), sources, tmp_path / "out")
    server.shutdown()
    server.server_close()
    assert annotate(Stub(), sources, tmp_path / "out").done == 0


def test_a_run_stops_early_when_nothing_answers(server, tmp_path):
    sources = find([f"{server.url}/503/{i}.jpg" for i in range(outage.MOST + 40)])
    with pytest.raises(LandmarksError, match=r"25 images in a row could not be reached.*same command.*HTTP 503"):
        annotate(Stub(), sources, tmp_path / "out")


def test_a_server_whose_answer_never_ends_is_not_waited_for(server, tmp_path, monkeypatch):
    """Its head comes byte by byte, so that no time limit of the library's holds."""
    urls = [f"{server.url}/plain/{i}.jpg" for i in range(40)]
    annotate(Stub(), find(urls), tmp_path / "out")
    server.drip_heads = True
    monkeypatch.setattr(stamps, "ANSWER_SECONDS", 0.3)
    started = time.monotonic()
    assert annotate(Stub(), find(urls), tmp_path / "out").done == 0
    assert time.monotonic() - started < 0.05 * 100  # What a single answer takes.


def test_stamps_are_asked_in_parallel(server, tmp_path, monkeypatch):
    """A run with nothing to do asks about many files at once."""
    server.files |= {f"/{i}.jpg": b"image" for i in range(40)}
    sources = find([f"{server.url}{path}" for path in server.files])
    annotate(Stub(), sources, tmp_path / "out")
    barrier, real = threading.Barrier(8), http.stamp

    def together(url):
        barrier.wait(20)  # Raises unless eight are here at the same time.
        return real(url)

    monkeypatch.setattr(http, "stamp", together)
    assert annotate(Stub(), sources, tmp_path / "out").done == 0
