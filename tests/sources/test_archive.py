from __future__ import annotations

import gzip
import os
import pickle
import random
import struct
import sys
import tarfile
import threading
import tracemalloc
import zipfile

import pytest

from landmarks.errors import ImageError
from landmarks.sources import archive, member
from landmarks.sources.ahead import read_ahead
from landmarks.sources.find import expand, find
from landmarks.sources.names import harmless
from landmarks.sources.source import Source
from tests.helpers.archives import MEMBERS, make

LIMIT = 10_000


def contents(sources, limit=LIMIT):
    """Name and bytes, or status, of each image."""
    seen = []
    for source in expand(sources):
        try:
            seen.append((source.name, source.load(limit)))
        except ImageError as error:
            seen.append((source.name, error.status))
    return seen


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"])
def test_members(tmp_path, suffix):
    path = make(tmp_path / f"photos{suffix}", MEMBERS)
    found = find([path])
    assert [source.name for source in found] == [path.name]
    expected = [("b10.jpg", b"ten"), ("b2.jpg", b"two"), ("sub/a.PNG", b"a")]
    if suffix == ".zip":
        expected[:2] = expected[1::-1]
    assert contents(found) == [(f"{path.name}/{name}", data) for name, data in expected]


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_held_members_outlive_their_archive(tmp_path, suffix):
    found = find([make(tmp_path / f"a{suffix}", MEMBERS)])
    held = [source.hold(LIMIT) for source in expand(found)]
    assert {source.load(LIMIT) for source in held} == {b"ten", b"two", b"a"}
    assert {source.stamp() for source in held} == {found[0].stamp()} and found[0].stamp()


@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_names_stay_inside_and_distinct(tmp_path, suffix):
    names = ["../../x.jpg", "/x.jpg", "C:\\x.jpg", "a/../b.jpg", "..", "a\nb.jpg"]
    path = make(tmp_path / f"a{suffix}", [(name, b"1") for name in names])
    found = {name for name, _ in contents(find([path]))}
    assert found == {f"{path.name}/{name}" for name in ("x.jpg", "x (2).jpg", "x (3).jpg", "a/b.jpg", "a\\x0ab.jpg")}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("../../x", "x"),
        ("/etc/x", "etc/x"),
        ("\\\\host\\share\\x", "host/share/x"),
        ("..\\x", "x"),
        ("C:/x", "x"),
        ("./", "unnamed"),
        ("", "unnamed"),
        ("a\0b", "a\\x00b"),
    ],
)
def test_harmless(name, expected):
    assert harmless(name) == expected


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_a_member_above_the_limit_is_a_row(tmp_path, suffix):
    path = make(tmp_path / f"a{suffix}", {"big.jpg": b"0" * (LIMIT + 1), "small.jpg": b"1"})
    assert contents(find([path])) == [(f"{path.name}/big.jpg", "too_large"), (f"{path.name}/small.jpg", b"1")]


def test_a_zip_member_larger_than_its_header_says(tmp_path):
    path = make(tmp_path / "a.zip", {"a.jpg": b"0" * (LIMIT + 1)})
    data = path.read_bytes().replace(struct.pack("<L", LIMIT + 1), struct.pack("<L", 5))
    path.write_bytes(data)
    assert contents(find([path]))[0][1] in ("unreadable", "too_large")


def test_a_tar_bomb_is_refused(tmp_path, monkeypatch):
    """A small compressed file that stands for gigabytes; most of it is never expanded."""
    monkeypatch.setattr(archive, "MIN_BOMB", 1 << 20)
    path = make(tmp_path / "a.tgz", [("a.jpg", b"1"), ("pad.bin", b"0" * (8 << 20)), ("b.jpg", b"2")])
    rows = contents(find([path]))
    assert rows == [("a.tgz/a.jpg", b"1"), ("a.tgz", "unreadable")]


def test_a_giant_header_is_refused(tmp_path):
    """A long name is read into memory as a whole, so it must be bounded, whatever its header says."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 30
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 5000)
    assert contents(find([tmp_path / "a.tar"])) == [("a.tar", "unreadable")]


def damaged(data: bytes, how: str) -> bytes:
    return {
        "cut": data[: len(data) // 2],
        "text": b"this is no archive" * 100,
        "empty": b"",
        "noise": data[:600] + bytes(255 - b for b in data[600:2000]) + data[2000:],
    }[how]


@pytest.mark.parametrize("how", ["cut", "text", "empty", "noise"])
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_damage_is_a_row(tmp_path, suffix, how):
    members = {f"{i}.jpg": random.Random(i).randbytes(900) for i in range(8)}
    path = make(tmp_path / f"a{suffix}", members)
    path.write_bytes(damaged(path.read_bytes(), how))
    rows = contents(find([path]))
    assert any(status == "unreadable" for _, status in rows)
    if suffix == ".zip":  # Tar files have no checksums of their members.
        assert all(members[name.partition("/")[2]] == data for name, data in rows if isinstance(data, bytes))


def test_what_holds_no_image_is_a_row(tmp_path):
    for name in ("a.zip", "b.tar"):
        make(tmp_path / name, {"x.txt": b""})
    found = find([tmp_path / "a.zip", tmp_path / "b.tar", tmp_path / "gone.tgz"])
    assert contents(found) == [("a.zip", "unreadable"), ("b.tar", "unreadable"), ("gone.tgz", "missing")]


def test_encrypted_members_are_rows(tmp_path):
    path = make(tmp_path / "a.zip", {"a.jpg": b"123"})
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)
    assert contents(find([path])) == [("a.zip/a.jpg", "unreadable")]


def test_shards_by_number(tmp_path, monkeypatch):
    """A WebDataset: members of one key and several suffixes, in shards with numbers."""
    monkeypatch.chdir(tmp_path)
    for i in (8, 9, 10):
        make(tmp_path / f"s-{i:02}.tar", {f"{i}.jpg": b"image", f"{i}.json": b"{}", f"{i}.cls": b"1"})
    names = [f"s-{i:02}.tar/{i}.jpg" for i in (8, 9, 10)]
    for spec in ("s-{08..10}.tar", "*.tar"):
        assert [name for name, _ in contents(find([spec]))] == names


def test_memory_does_not_keep_members(tmp_path):
    path = make(tmp_path / "a.tar", {f"{i}.jpg": b"1" for i in range(50)})
    with open(path, "rb") as file:
        members = archive._tar_members(file)
        next(members)
        assert sum(1 for _ in members) == 49


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_any_damage_ends_in_rows(tmp_path, suffix):
    """Bytes changed, cut out and doubled at random: never an exception, never more than a moment."""
    members = {f"{'long' * (i % 60)}{i}.jpg": random.Random(i).randbytes(300) * (i % 4) for i in range(6)}
    whole = make(tmp_path / f"a{suffix}", members).read_bytes()
    for seed in range(150):
        generator, data = random.Random(seed), bytearray(whole)
        for _ in range(generator.randint(1, 8)):
            at, length = generator.randrange(len(data)), generator.randint(1, 40)
            piece = generator.choice(
                [b"", generator.randbytes(length), b"\xff" * length, bytes(data[at : at + length])]
            )
            data[at : at + generator.randint(0, length)] = piece
        path = tmp_path / f"{seed}{suffix}"
        path.write_bytes(data)
        rows = contents(find([path]))
        assert rows and len({name for name, _ in rows}) == len(rows)


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_large_members_are_sent_by_their_place(tmp_path, monkeypatch, suffix):
    """What the main process sends to a worker names the archive and the place in it, whatever the member holds."""
    monkeypatch.setattr(archive, "SMALL", 10_000)
    members = {f"{i}.jpg": random.Random(i).randbytes(50_000) for i in range(4)}
    path = make(tmp_path / f"a{suffix}", members)
    sent = [pickle.dumps(source.hold(10**6)) for source in expand(find([path]))]
    assert max(map(len, sent)) < 2_000
    for data in (sent, sent[::-1]):  # In any order, too.
        got = {source.name.partition("/")[2]: source.load(10**6) for source in map(pickle.loads, data)}
        assert got == members


def test_small_members_of_a_stream_travel_along(tmp_path):
    """A compressed tar file is read once for all its photographs."""
    path = make(tmp_path / "a.tgz", MEMBERS)
    held = [source.hold(LIMIT) for source in expand(find([path]))]
    path.unlink()
    assert {source.load(LIMIT) for source in held} == {b"ten", b"two", b"a"}


def test_a_zip_bomb_is_not_expanded(tmp_path, monkeypatch):
    monkeypatch.setattr(member, "MIN_MEMBER_BOMB", 1 << 16)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.bmp", bytes(32 << 20))
        file.writestr("black.bmp", bytes(1 << 14))
    black, bomb = expand(find([tmp_path / "a.zip"]))
    assert black.load(1 << 30) == bytes(1 << 14)
    monkeypatch.setattr(member, "_read_zip", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ImageError, match="as only a bomb does"):
        bomb.load(1 << 30)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_member_that_lies_about_its_size_takes_no_memory(tmp_path, method):
    """Its header says 1,000 bytes; it would expand to 64 MB."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as file:
        file.writestr("a.bmp", bytes(64 << 20))
    data = (tmp_path / "a.zip").read_bytes().replace(struct.pack("<L", 64 << 20), struct.pack("<L", 1000))
    (tmp_path / "a.zip").write_bytes(data)
    tracemalloc.start()
    try:
        ((_, status),) = contents(find([tmp_path / "a.zip"]), 1 << 30)
        assert status == "unreadable"
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("suffix", [".tar", ".tgz"])
def test_a_tar_that_was_cut_between_members_says_so(tmp_path, suffix):
    """Tar files end in two empty blocks; without them nobody knows what else there was."""
    whole = make(tmp_path / "whole.tar", {f"{i}.jpg": b"x" * 512 for i in range(3)}).read_bytes()
    cut = whole[: 2 * 1024]
    (tmp_path / f"a{suffix}").write_bytes(cut if suffix == ".tar" else gzip.compress(cut))
    sources = list(expand(find([tmp_path / f"a{suffix}"])))
    assert [source.name for source in sources] == [f"a{suffix}/0.jpg", f"a{suffix}/1.jpg", f"a{suffix}"]
    with pytest.raises(ImageError, match=r"after 2 images .*no end mark"):
        sources[-1].load(LIMIT)


def test_read_ahead_is_bounded(tmp_path):
    """Several small files at once, but large ones one by one; all in order."""
    sizes = {f"{i}.jpg": 1000 if i < 5 else 10 for i in range(10)}
    for i, (name, size) in enumerate(sizes.items()):
        (tmp_path / name).write_bytes(bytes([i]) * size)
    waiting, most_waiting, lock = set(), [], threading.Lock()

    class Watched(Source):
        def load(self, limit):
            with lock:  # the readers are threads
                waiting.add(self.name)
                most_waiting.append((sum(sizes[name] for name in waiting), len(waiting)))
            return super().load(limit)

    watched = [Watched(source.path, source.name) for source in find([tmp_path])]
    for source in read_ahead(watched, LIMIT, readers=4, most=1500):
        with lock:
            waiting.discard(source.name)
        assert source.load(LIMIT)[0] == int(source.name[0])
    assert len(most_waiting) == len(sizes)
    assert all(total <= 1500 and count <= 4 for total, count in most_waiting)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no file names that are not Unicode")
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_any_bytes_in_a_path(tmp_path, suffix):
    path = make(tmp_path / f"a{suffix}", MEMBERS)
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9" + suffix.encode())
    try:
        os.rename(path, odd)
    except OSError:
        pytest.skip("this file system refuses such names")
    held = [pickle.loads(pickle.dumps(source.hold(LIMIT))) for source in expand(find([odd]))]
    assert {source.load(LIMIT) for source in held} == {b"ten", b"two", b"a"}
    assert all(source.name.encode("utf-8") for source in held)


def test_a_wrong_checksum_at_the_end_of_a_stream_is_told(tmp_path):
    """Nothing else tells that a file inside, as it came out, is not the one that went in."""
    path = make(tmp_path / "a.tgz", MEMBERS)
    whole, data = [source.name for source in expand(find(path))], path.read_bytes()
    for behind in (bytes(100), b"signed by somebody"):
        path.write_bytes(data + behind)
        assert [source.name for source in expand(find(path))] == whole
    path.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    *members, last = expand(find(path))
    assert [source.name for source in members] == whole
    with pytest.raises(ImageError, match="its checksum is wrong"):
        last.load(1000)
