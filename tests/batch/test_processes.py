"""The process that workers come from: a fork of the one that starts it, or a new one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux alone")
SCRIPT = """
import multiprocessing, os, sys, threading
from contextlib import suppress
from multiprocessing import forkserver
from pathlib import Path

{before}

from landmarks.batch.engines.processes import prepare

def inner():
    assert "landmarks.faces" in sys.modules
    os._exit(7)

def outer():
    # What was forked while a fork server was being started can start one of its own.
    process = prepare(["landmarks.faces"]).Process(target=inner)
    process.start()
    process.join(60)
    os._exit(process.exitcode)

if __name__ == "__main__":
    open_here = open(__file__)
    context = prepare(["landmarks.schemes"])
    process = context.Process(target=outer)
    process.start()
    process.join(60)
    server = forkserver._forkserver._forkserver_pid
    names = []
    for file in Path(f"/proc/{{server}}/fd").iterdir():
        with suppress(OSError):  # It closes the line to the process that has ended.
            names.append(os.readlink(file))
    words = Path(f"/proc/{{server}}/cmdline").read_text()
    print(process.exitcode, server, "forkserver" not in words, __file__ in names)
"""


@pytest.mark.parametrize(
    ("before", "forked"),
    [
        ("", True),
        ("import json, landmarks.errors", True),
        ("threading.Thread(target=threading.Event().wait, daemon=True).start()", False),
    ],
)
def test_workers_come_from_a_fork_where_nothing_else_runs(before: str, forked: bool, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(before=before))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    code, server, was_forked, has_file = done.stdout.split()
    assert (code, was_forked, has_file) == ("7", str(forked), "False")
    for _ in range(600):  # It ends when the process that it works for has.
        try:
            if Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return  # Nobody asks how it ended: in some containers the first process does not.
        except OSError:
            return
        time.sleep(0.1)
    os.kill(int(server), 9)
    pytest.fail("the process that workers come from outlives the one that it works for")
