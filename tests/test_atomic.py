"""Files are whole or not there, and a lock holds one process off while another lives."""

from __future__ import annotations

import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

import landmarks
from landmarks.atomic import (
    Lock,
    PartialFile,
    PartialFolder,
    commit,
    partial_path,
    remove_scratch,
    replacing,
    scratch_path,
    write_bytes,
    write_text,
)
from landmarks.errors import LandmarksError


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with replacing(path) as partial:
        partial.write_text("new")
        assert not path.exists() and partial.parent == path.parent
    assert path.read_text() == "new" and [p.name for p in path.parent.iterdir()] == ["b.txt"]


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt])
def test_a_write_that_fails_leaves_the_earlier_file(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "earlier")
    with pytest.raises(error), replacing(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "earlier" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("text", ["", "ö\n\r\n", "half of a pair: \udc80", "x" * 100_000])
def test_text_is_written_as_it_is(tmp_path, text):
    write_text(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_bytes() == text.encode("utf-8", "backslashreplace")


def test_files_of_text_and_folders_appear_when_they_are_closed(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old.txt").touch()
    (tmp_path / "folder.partial").mkdir()
    (tmp_path / "folder.partial" / "of a killed run.txt").touch()
    file, other, folder = (
        PartialFile(tmp_path / "a.txt"),
        PartialFile(tmp_path / "b.txt"),
        PartialFolder(tmp_path / "folder"),
    )
    file.write("text")
    folder.file("sub/new.txt").write_text("new")
    assert (tmp_path / "folder" / "old.txt").exists() and not (tmp_path / "a.txt").exists()
    file.close(), other.discard(), folder.close()
    names = sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*"))
    assert names == ["a.txt", "folder", "folder/sub", "folder/sub/new.txt"]


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("x" * 255)
    with pytest.raises(OSError):
        write_bytes(path, b"1")
    write_bytes(path, b"1", partial=scratch_path(tmp_path))
    assert path.read_bytes() == b"1"


def test_what_killed_processes_left_is_removed(tmp_path):
    for name in (".17.partial", "a.txt.partial", "a.txt"):
        (tmp_path / name).touch()
    remove_scratch(tmp_path)
    remove_scratch(tmp_path / "none")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "a.txt.partial"]


def test_commit(tmp_path):
    path = tmp_path / "a.npy"
    partial_path(path).write_bytes(b"1")
    commit(partial_path(path), path)
    assert path.read_bytes() == b"1"


def test_a_lock_is_for_one(tmp_path):
    first = Lock(tmp_path / "a.lock")
    with pytest.raises(LandmarksError, match="another run is writing here"):
        Lock(tmp_path / "a.lock")
    first.release()
    Lock(tmp_path / "a.lock").release()


def test_a_lock_dies_with_its_process(tmp_path):
    code = "import sys, time; from pathlib import Path; from landmarks.atomic import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('locked', flush=True); time.sleep(1000)"
    holder = subprocess.Popen([sys.executable, "-c", code, tmp_path / "a.lock"], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(LandmarksError, match="another run"):
            Lock(tmp_path / "a.lock")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    Lock(tmp_path / "a.lock").release()


def test_without_locks_a_run_goes_on_with_a_warning(tmp_path, monkeypatch):
    def refuse(self, *_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.warns(UserWarning, match=r"a\.lock: cannot be locked \(No locks available\)"):
        Lock(tmp_path / "a.lock").release()


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        Lock(tmp_path / "file" / "a.lock")


def test_nobody_else_renames():
    """One place renames: what is written elsewhere goes through it."""
    package = Path(landmarks.__file__).parent
    renames = re.compile(r"os\.(replace|rename)\(|\.rename\(|Path\.replace|\.tmp\b")
    found = [p.name for p in package.rglob("*.py") if renames.search(p.read_text(encoding="utf-8"))]
    assert found == ["atomic.py"]
