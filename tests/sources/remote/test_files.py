from __future__ import annotations

import sys

import pytest

from landmarks.errors import ImageError, LandmarksError
from landmarks.sources.find import expand, find

fsspec = pytest.importorskip("fsspec")
LIMIT = 10_000


@pytest.fixture(scope="module")
def server():
    """A local server that speaks S3."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(server, monkeypatch, tmp_path):
    """A bucket with images, a folder and an archive; credentials and address as users give them."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "all_proxy", "aws_profile", "aws_session_token"):
        for spelt in (name, name.upper()):
            monkeypatch.delenv(spelt, raising=False)
    monkeypatch.delenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", raising=False)
    from tests.helpers.archives import make

    system = fsspec.filesystem("s3", skip_instance_cache=True)
    if not system.exists("photos"):
        system.mkdir("photos")
        for name in ("a10.jpg", "a2.jpg", "notes.txt", "sub/b.png"):
            system.pipe(f"photos/set/{name}", name.encode())
        archive = make(tmp_path / "x.tar", {"in/c.jpg": b"c", "d.jpg": b"d"})
        system.pipe("photos/shards/x.tar", archive.read_bytes())
        system.pipe("photos/shards/y.zip", make(tmp_path / "y.zip", {"e.jpg": b"e"}).read_bytes())
    return "s3://photos"


@pytest.mark.parametrize(
    ("spec", "recursive", "expected"),
    [
        ("/set", False, {"a2.jpg": b"a2.jpg", "a10.jpg": b"a10.jpg"}),
        ("/set/", True, {"a2.jpg": b"a2.jpg", "a10.jpg": b"a10.jpg", "sub/b.png": b"sub/b.png"}),
        ("/set/*.jpg", False, {"a2.jpg": b"a2.jpg", "a10.jpg": b"a10.jpg"}),
        ("/set/a2.jpg", False, {"a2.jpg": b"a2.jpg"}),
        ("/shards/x.tar", False, {"x.tar/in/c.jpg": b"c", "x.tar/d.jpg": b"d"}),
        ("/shards/*", False, {"x.tar/in/c.jpg": b"c", "x.tar/d.jpg": b"d", "y.zip/e.jpg": b"e"}),
    ],
)
def test_s3(bucket, spec, recursive, expected):
    found = [(source.name, source.load(LIMIT), source.stamp()) for source in expand(find([bucket + spec], recursive))]
    assert [(name, data) for name, data, _ in found] == list(expected.items())
    assert all(stamp for *_, stamp in found)


def test_s3_failures(bucket, tmp_path):
    (source,) = find([f"{bucket}/set/gone.jpg"])
    with pytest.raises(ImageError, match="no such file"):
        source.load(LIMIT)
    assert source.stamp() == ""
    (source,) = find([f"{bucket}/set/a2.jpg"])
    with pytest.raises(ImageError, match="cap"):
        source.load(2)
    with pytest.raises(LandmarksError, match="holds no image files"):
        find([f"{bucket}/nothing/*"])
    for rest in ("/*", "", "/", "/set", "/set/a2.jpg", "/x.tar"):
        with pytest.raises(LandmarksError, match="there-is-no-such-bucket"):
            find([f"s3://there-is-no-such-bucket{rest}"], recursive=True)
    for rest in ("/sett", "/set/subb/"):
        with pytest.raises(LandmarksError, match=f"{rest}: cannot be listed .*no such bucket, folder or file"):
            find([bucket + rest])


def test_a_list_may_hold_urls(tmp_path):
    system = fsspec.filesystem("memory")
    system.pipe("/box/1.jpg", b"one")
    (tmp_path / "list.txt").write_text("memory://box/1.jpg\nlocal.jpg\n")
    found = find([f"@{tmp_path / 'list.txt'}"])
    assert [source.name for source in found] == ["1.jpg", "local.jpg"]
    assert found[0].load(LIMIT) == b"one"


def test_a_changed_file_has_another_stamp():
    system = fsspec.filesystem("memory")
    system.pipe("/box/2.jpg", b"one")
    (source,) = find(["memory://box/2.jpg"])
    before = source.stamp()
    system.pipe("/box/2.jpg", b"other")
    assert before and source.stamp() != before


def test_missing_packages_are_named(monkeypatch):
    from landmarks.sources.remote import files as remote

    remote._system_of.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(LandmarksError, match=r"landmarks\[s3\]"):
        find(["s3://bucket/x"])
    with pytest.raises(LandmarksError, match=r"landmarks\[remote\]"):
        find(["gs://bucket/x"])


def test_unknown_scheme():
    with pytest.raises(LandmarksError, match="nonsense://"):
        find(["nonsense://bucket/x"])
