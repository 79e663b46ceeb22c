"""Whatever hangs, a run ends: a file system, a picture without workers to do it, a named pipe."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from landmarks import RunOptions, annotate_folder
from landmarks.batch.run import annotate
from landmarks.bounded import answers, ask
from landmarks.errors import LandmarksError
from landmarks.sources.find import find
from landmarks.sources.source import Source
from tests.helpers.faces import write_png
from tests.helpers.kill import ROOT, differing
from tests.helpers.stub import Stub, StubFactory

STUCK = "stuck"
"""Names with it get no answer."""


@pytest.fixture
def photos(tmp_path):
    for name in ("a/1.png", "a/2.png", f"b-{STUCK}/3.png", "c/4.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        write_png(tmp_path / "in" / name, np.zeros((20, 20, 3), np.uint8))
    return tmp_path / "in"


@pytest.fixture
def hang(monkeypatch):
    """Have a function of `os` give no answer about names with STUCK in them, until the test is over."""
    over = threading.Event()

    def stick(name: str) -> None:
        real = getattr(os, name)

        def stuck(path, *arguments, **options):
            if isinstance(path, (str, os.PathLike)) and STUCK in os.fspath(path):
                over.wait()
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, name, stuck)

    yield stick
    over.set()


@pytest.mark.parametrize(
    ("function", "named"),
    [
        ("scandir", lambda folder: [folder]),
        ("scandir", lambda folder: [f"{folder}/*/*.png"]),
        ("lstat", lambda folder: [folder / f"b-{STUCK}" / "3.png"]),
        ("stat", lambda folder: [folder / f"b-{STUCK}"]),
    ],
)
def test_a_listing_that_gets_no_answer_ends_the_run(photos, tmp_path, hang, function, named):
    hang(function)
    with pytest.raises(LandmarksError, match=rf"(b-{STUCK}|\*).*: its file system has given no answer for 0.3 s"):
        annotate_folder(named(photos), tmp_path / "out", Stub(), RunOptions(timeout=0.3), recursive=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_whose_stamp_does_not_come_ends_the_run_and_costs_nothing(photos, tmp_path, hang, monkeypatch, workers):
    sources = find([photos], recursive=True)
    both = RunOptions(("csv", "jsonl"))
    annotate(Stub(), sources, tmp_path / "whole", both)
    annotate(Stub(), sources, tmp_path / "out", both)
    hang("stat")
    with pytest.raises(LandmarksError, match=rf"b-{STUCK}/3.png: its file system has given no answer"):
        annotate(StubFactory(), sources, tmp_path / "out", RunOptions(workers=workers, timeout=0.3))
    monkeypatch.undo()
    assert annotate(Stub(), sources, tmp_path / "out", both).done == 0
    assert differing(tmp_path / "whole", tmp_path / "out") == []


def test_an_image_that_hangs_without_workers_ends_the_run_and_has_its_row(photos, tmp_path):
    sources = list(find([photos], recursive=True))
    sources.insert(3, Source(photos / "a" / "1.png", "hang.png"))  # The second image of the third task.
    with pytest.raises(LandmarksError, match=r"hang.png: it took more than 2 s, and without workers"):
        annotate(Stub(), sources, tmp_path / "out", RunOptions(timeout=2))
    seen = []
    summary = annotate(Stub(), sources, tmp_path / "out", report=seen.append)
    assert summary.images == 5 and summary.statuses["timeout"] == 1 and summary.done == 2
    assert "hang.png" not in [record.image for record in seen]
    assert annotate(Stub(), sources, tmp_path / "out").done == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_named_pipes_are_rows(photos, tmp_path, workers):
    """Nobody will ever write to them."""
    for name in ("a/2.zip", "a/3.tar.gz", "a/4.mp4", "a/run.json", "a/journal.jsonl", "0.png"):
        os.mkfifo(photos / name)
    named = [photos, *(photos / "a" / name for name in ("2.zip", "3.tar.gz", "4.mp4"))]
    reasons = {}
    summary = annotate(
        StubFactory(), find(named, recursive=True, timeout=60), tmp_path / "out", RunOptions(workers=workers),
        report=lambda record: reasons.update({record.image: record.reason}),
    )  # fmt: skip
    assert summary.statuses["unreadable"] == 4 and summary.images == 8
    for name in ("0.png", "2.zip", "3.tar.gz", "4.mp4"):
        assert "not a regular file" in reasons[name]


CHILD = """
import sys, threading
from landmarks import RunOptions
from landmarks.batch.run import annotate
from landmarks.errors import LandmarksError
from landmarks.sources import source
from landmarks.sources.find import find
from tests.helpers.stub import Stub
source.images.read_bytes = lambda path, limit: threading.Event().wait()
try:
    annotate(Stub(), find([sys.argv[1]]), sys.argv[2], RunOptions(timeout=0.5))
except LandmarksError as error:
    sys.exit(str(error))
"""


def test_a_process_in_which_a_read_is_stuck_ends(photos, tmp_path):
    """No pool waits for its threads as the process ends."""
    command = [sys.executable, "-c", CHILD, photos / "a", tmp_path / "out"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 1 and "1.png: it took more than 0.5 s" in child.stderr


def test_only_file_systems_are_held_to_the_bound():
    """What else is done between two items, such as waiting for a server with a bound of its own, takes its time."""

    def slow():
        time.sleep(0.5)
        yield ask("a", str.upper, "done")

    assert list(answers(slow(), 0.1)) == ["DONE"]
    assert list(answers(iter(()), None)) == []
    over = threading.Event()
    with pytest.raises(LandmarksError, match="b: its file system"):
        next(answers(map(lambda path: ask(path, over.wait), ["b"]), 0.1))
    over.set()


def test_what_is_raised_between_two_items_is_raised_where_they_are_asked_for():
    def broken():
        yield 1
        raise KeyError("b")

    items = answers(broken(), 1)
    assert next(items) == 1
    with pytest.raises(KeyError):
        next(items)
