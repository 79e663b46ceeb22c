from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from landmarks import Annotator, Resume, RunOptions, Style
from landmarks.batch.journal import Journal
from landmarks.batch.plan import task_images
from landmarks.batch.run import annotate
from landmarks.errors import LandmarksError
from landmarks.formats import FORMATS as REGISTRY
from landmarks.formats import Results
from landmarks.formats.own.tables import read_images_csv
from landmarks.inference.annotator import RESULTS_VERSION
from landmarks.sources.find import find
from tests.helpers.faces import write_png
from tests.helpers.kill import differing, make_images, run_until_done
from tests.helpers.stub import Stub, StubFactory

COUNT = 60


def images_of(tasks):
    """How many images the first tasks of a run have."""
    return min(sum(map(task_images, range(tasks))), COUNT)


TASKS = next(tasks for tasks in range(COUNT) if images_of(tasks) == COUNT)
LAST = COUNT - images_of(TASKS - 1)
FORMATS = ("csv", "jsonl")
STUB = (sys.executable, "-m", "tests.helpers.stub")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of images, and the results of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("resume")
    make_images(folder / "in", COUNT)
    run(folder / "in", folder / "whole")
    return folder


def run(images, out, stub=Stub(), resume=Resume(), report=lambda record: None, **options):
    return annotate(stub, find([images], recursive=True), out, RunOptions(FORMATS, **options), resume, report)


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_random_instants(images, tmp_path, workers):
    """Eight kills in all; `python -m tests.helpers.kill` does any number of them."""
    command = [
        sys.executable,
        "-m",
        "tests.helpers.stub",
        tmp_path / "out",
        images / "in",
        "--seconds",
        "0.02",
        "--workers",
        workers,
    ]
    killed = run_until_done([str(part) for part in command], tmp_path / "out", kills=4, longest=0.4, seed=workers)
    assert killed and differing(images / "whole", tmp_path / "out") == []


@pytest.mark.parametrize("stop_after", [1, 9, 30, COUNT])
def test_interrupted(images, tmp_path, stop_after):
    """Ctrl-C loses nothing of what is done, and nothing is done twice."""
    seen = []

    def report(record):
        seen.append(record.image)
        if len(seen) == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(images / "in", tmp_path / "out", report=report)
    assert not (tmp_path / "out" / "faces.csv").exists()
    summary = run(images / "in", tmp_path / "out")
    assert summary.done == COUNT - min(done for done in map(images_of, range(TASKS + 1)) if done >= stop_after)
    assert summary.images == COUNT and differing(images / "whole", tmp_path / "out") == []


def lines_of(out):
    return (out / "journal.jsonl").read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("damage", "images_lost"),
    [
        (lambda lines: b"".join(lines), 0),
        (lambda lines: b"".join(lines)[:-1], LAST),
        (lambda lines: b"".join(lines)[:-200], LAST),
        (lambda lines: b"".join(lines[:3]) + lines[3][:1], COUNT - images_of(3)),
        (lambda lines: b"".join(lines) + b"\0" * 5000, 0),
        (lambda lines: b"".join(lines) + b"\n\n[1]\n", 0),
        (
            lambda lines: b"".join(lines[:2]) + lines[2].replace(b"ok", b"k0", 1) + b"".join(lines[3:]),
            images_of(3) - images_of(2),
        ),
        (lambda lines: b"".join(reversed(lines)), 0),
        (lambda lines: b"".join(lines * 2), 0),
    ],
)
def test_a_damaged_journal_costs_only_the_damaged_lines(images, tmp_path, damage, images_lost):
    out = tmp_path / "out"
    run(images / "in", out)
    (out / "journal.jsonl").write_bytes(damage(lines_of(out)))
    summary = run(images / "in", out)
    assert summary.done == images_lost
    assert differing(images / "whole", out) == []


def test_torn_at_every_byte(images, tmp_path):
    """Wherever the end of the file was when the power went."""
    out = tmp_path / "out"
    run(images / "in", out)
    *before, last = lines_of(out)
    for cut in random.Random(0).sample(range(len(last)), 40):
        (out / "journal.jsonl").write_bytes(b"".join(before) + last[:cut])
        with Journal(out / "journal.jsonl") as journal:
            assert len(journal.index().names) == images_of(len(before))
        assert (out / "journal.jsonl").read_bytes() == b"".join(before)


def test_a_format_can_be_added_later(images, tmp_path):
    annotate(Stub(), find([images / "in"], recursive=True), tmp_path / "out", RunOptions(("jsonl",)))
    assert run(images / "in", tmp_path / "out").done == 0
    assert differing(images / "whole", tmp_path / "out") == []


def written(out: Path) -> dict[str, tuple[int, int]]:
    """When each table was written, and its inode."""
    tables = ("faces.csv", "faces.jsonl", "images.csv", "failures.csv", "review.csv")
    return {name: ((stat := (out / name).stat()).st_ino, stat.st_mtime_ns) for name in tables}


def test_tables_that_are_as_they_would_be_are_left_alone(images, tmp_path):
    shutil.copytree(images / "in", tmp_path / "in")
    first = run(tmp_path / "in", tmp_path / "out")
    before = written(tmp_path / "out")
    again = run(tmp_path / "in", tmp_path / "out")
    assert written(tmp_path / "out") == before
    assert (again.done, again.statuses, again.faces) == (0, first.statuses, first.faces)
    assert (again.doubtful, again.upside_down, again.failed) == (first.doubtful, first.upside_down, first.failed)
    shutil.move(tmp_path / "out", tmp_path / "moved")
    run(tmp_path / "in", tmp_path / "moved")
    assert written(tmp_path / "moved") == before


def _killed_before_its_tables(images: Path, out: Path) -> None:
    """A run that did more, and was stopped then."""
    write_png(images / "new.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(Results, "close", lambda self: (_ for _ in ()).throw(RuntimeError("stopped")))
        run(images, out)


CHANGES = {
    "a table is gone": lambda images, out: (out / "faces.csv").unlink(),
    "a table was changed": lambda images, out: (out / "faces.csv").write_text("image,face\n"),
    "a table is older": lambda images, out: os.utime(out / "images.csv", (0, 0)),
    "a table without faces is gone": lambda images, out: (out / "failures.csv").unlink(),
    "an image is gone": lambda images, out: next(images.rglob("*.png")).unlink(),
    "an image is elsewhere": lambda images, out: (images / "0").rename(images / "z"),
    "its totals are gone": lambda images, out: _forget_totals(out / "run.json"),
    "a run in between was stopped": _killed_before_its_tables,
}


def _forget_totals(path: Path) -> None:
    content = json.loads(path.read_text())
    del content["results"]["tables"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_tables_that_would_be_others_are_written_anew(images, tmp_path, change):
    shutil.copytree(images / "in", tmp_path / "in")
    run(tmp_path / "in", tmp_path / "out")
    before = written(tmp_path / "out")
    change(tmp_path / "in", tmp_path / "out")
    run(tmp_path / "in", tmp_path / "out")
    after = written(tmp_path / "out")
    assert all(after[name] != before[name] for name in before)
    run(tmp_path / "in", tmp_path / "fresh")
    names = [read_images_csv(tmp_path / out / "images.csv")["image"].tolist() for out in ("fresh", "out")]
    assert names[0] == names[1]


def test_other_settings_are_refused(images, tmp_path):
    out = tmp_path / "out"
    run(images / "in", out)
    before = (out / "journal.jsonl").read_bytes()
    with pytest.raises(LandmarksError, match=r"begun with other settings \(salt was x and is now y\).*--fresh"):
        run(images / "in", out, stub=Stub(salt="x"), resume=Resume(fresh=True))
        run(images / "in", out, stub=Stub(salt="y"))
    with pytest.raises(LandmarksError, match=r"drawings was none and is now yes"):
        run(images / "in", out, stub=Stub(salt="x"), drawings=True)
    assert len((out / "journal.jsonl").read_bytes()) == len(before)
    assert run(images / "in", out, resume=Resume(fresh=True)).done == COUNT
    assert differing(images / "whole", out) == []


def test_other_chips_are_refused(images, tmp_path):
    """A run that goes on would leave some of one size and some of the other."""
    out = tmp_path / "out"
    run(images / "in", out, chips=112)
    for options, words in (
        ({"chips": 64}, r"chips size was 112 and is now 64"),
        ({"chips": 112, "chip_format": "jpg"}, r"chips suffix was \.png and is now \.jpg"),
        ({}, r"chips was yes and is now none"),
    ):
        with pytest.raises(LandmarksError, match=words):
            run(images / "in", out, **options)
    assert run(images / "in", out, chips=112).done == 0


def test_another_style_is_refused(images, tmp_path):
    run(images / "in", tmp_path / "out", drawings=True)
    with pytest.raises(LandmarksError, match=r"drawings box was true and is now false"):
        run(images / "in", tmp_path / "out", drawings=True, style=Style(box=False))


@pytest.mark.parametrize(
    ("old", "words"),
    [
        ({"version": "0.1.0"}, r"begun by version 0\.1\.0 of landmarks, .*other numbers; .*--fresh"),
        ({"results_version": 0}, f"results have the number 0, where this one's have {RESULTS_VERSION}"),
        ({}, r"begun by an older version of landmarks"),
    ],
)
def test_a_run_of_a_version_with_other_numbers_is_refused(small_weights, images, tmp_path, old, words):
    """A run goes on with every version of the package that gives the same numbers."""
    annotator, sources = Annotator(small_weights, "whole-image", device="cpu"), find([images / "in" / "1" / "1.png"])
    annotate(annotator, sources, tmp_path / "out")
    path = tmp_path / "out" / "run.json"
    content = json.loads(path.read_text())
    assert content["settings"].pop("results_version") == RESULTS_VERSION and "version" not in content["settings"]
    content["settings"] |= old
    path.write_text(json.dumps(content))
    with pytest.raises(LandmarksError, match=words):
        annotate(annotator, sources, tmp_path / "out")
    assert annotate(annotator, sources, tmp_path / "out", resume=Resume(fresh=True)).done == 1


def test_a_wrong_call_forgets_nothing(images, tmp_path):
    run(images / "in", tmp_path / "out")
    with pytest.raises(LandmarksError, match="refused"):
        annotate(StubFactory(salt="refuse"), [], tmp_path / "out", resume=Resume(fresh=True))
    with pytest.raises(ValueError, match="doc"):
        annotate(Stub(), [], tmp_path / "out", RunOptions(("doc",)), Resume(fresh=True))
    assert run(images / "in", tmp_path / "out").done == 0


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"settings": 1, "starts": []}'])
def test_a_lost_run_file_is_told(images, tmp_path, content):
    run(images / "in", tmp_path / "out")
    path = tmp_path / "out" / "run.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(LandmarksError, match=r"run\.json: does not tell .* --fresh"):
        run(images / "in", tmp_path / "out")


def test_retry_failed(tmp_path):
    make_images(tmp_path / "in", 12)
    broken = tmp_path / "in" / "0" / "0.png"
    stamp = os.stat(broken)
    assert run(tmp_path / "in", tmp_path / "out").failed == 2
    good = (tmp_path / "in" / "0" / "2.png").read_bytes()
    broken.write_bytes(good[: stamp.st_size].ljust(stamp.st_size, b"\0"))
    os.utime(broken, ns=(stamp.st_mtime_ns, stamp.st_mtime_ns))
    assert run(tmp_path / "in", tmp_path / "out").done == 0
    assert run(tmp_path / "in", tmp_path / "out", resume=Resume(retry_failed=True)).done == 2


def test_changed_new_and_vanished_files(tmp_path):
    make_images(tmp_path / "in", 20)
    run(tmp_path / "in", tmp_path / "out")
    files = sorted((tmp_path / "in").rglob("*.png"))
    files[1].write_bytes(files[2].read_bytes() + b"more")
    files[3].unlink()
    (tmp_path / "in" / "a.png").write_bytes(files[2].read_bytes())
    summary = run(tmp_path / "in", tmp_path / "out")
    assert (summary.done, summary.changed, summary.images) == (2, 1, 20)
    gone = annotate(Stub(), find([files[3]]), tmp_path / "out")
    assert gone.statuses == {"missing": 1}


@pytest.mark.parametrize("workers", [0, 2])
def test_files_change_and_vanish_while_the_run_goes_on(tmp_path, workers):
    """What is gone when its turn comes is missing; what is changed after its turn is done again by the next run."""
    make_images(tmp_path / "in", 60)
    sources = find([tmp_path / "in"], recursive=True)
    gone, done = Path(sources[-1].path), []

    def report(record):
        if not done:
            gone.unlink()
        done.append(record.image)
        if len(done) == 60:
            (tmp_path / "in" / done[0]).write_bytes((tmp_path / "in" / "0" / "2.png").read_bytes() + b"more")

    options = RunOptions(FORMATS, workers=workers)
    first = annotate(StubFactory(seconds=0.01), sources, tmp_path / "out", options, report=report)
    assert first.statuses["missing"] == 1 and first.images == 60
    again = annotate(StubFactory(), sources, tmp_path / "out", RunOptions(FORMATS))
    assert (again.done, again.changed) == (1, 1)


def test_two_runs_in_one_folder(images, tmp_path):
    """The second is refused; when the first is killed, its lock is gone."""
    command = [
        sys.executable,
        "-m",
        "tests.helpers.stub",
        tmp_path / "out",
        images / "in",
        "--seconds",
        "1",
        "--workers",
        "1",
    ]
    first = subprocess.Popen([str(part) for part in command], start_new_session=True)
    try:
        while not (tmp_path / "out" / "run.json").exists():
            assert first.poll() is None
            time.sleep(0.05)
        with pytest.raises(LandmarksError, match="another run is writing here"):
            run(images / "in", tmp_path / "out")
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    run(images / "in", tmp_path / "out")
    assert differing(images / "whole", tmp_path / "out") == []


@pytest.mark.parametrize("limit", [0, 100, 1000, 20_000, 40_000, 55_000])
def test_full_disk(images, tmp_path, monkeypatch, limit):
    """No file may grow beyond `limit` bytes: an error in a sentence, and afterwards the run goes on."""
    monkeypatch.setattr(sys, "argv", ["pytest"])  # `run.json` holds the command.
    out = tmp_path / "out"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(LandmarksError, match=r"out/\w+\.\w+: cannot be written .* what is done is kept"):
            run(images / "in", out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    kept = len(lines_of(out)) if (out / "journal.jsonl").exists() else 0
    assert all(line.endswith(b"\n") for line in lines_of(out)) and (kept > 0) == (limit >= 1000)
    assert run(images / "in", out).done == COUNT - images_of(kept)
    assert differing(images / "whole", out) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system needs Linux and more rights")
    if os.sysconf("SC_PAGE_SIZE") > 4096:
        subprocess.run(["umount", str(disk)], check=True)
        pytest.skip("a file takes a whole page of memory there")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("drawings", [False, True])
def test_full_file_system(images, small_disk, drawings):
    options = RunOptions(FORMATS, drawings=drawings, workers=1)
    sources = find([images / "in"], recursive=True)
    with pytest.raises(LandmarksError, match=r"disk/out/[\w./]+: cannot be written \(No space.*same command again"):
        annotate(StubFactory(), sources, small_disk / "out", options)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    summary = annotate(StubFactory(), sources, small_disk / "out", options)
    assert summary.images == COUNT and differing(images / "whole", small_disk / "out") == []


def test_run_file(images, tmp_path):
    run(images / "in", tmp_path / "out")
    run(images / "in", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "run.json").read_text())
    assert content["results"]["images"] == COUNT and content["settings"]["detector"]["threshold"] == 0.5
    assert [start["images"] for start in content["starts"]] == [COUNT, 0]
    assert all({"command", "started", "ended", "versions", "seconds"} <= start.keys() for start in content["starts"])


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_a_full_disk_names_the_file_of_every_format(images, small_disk, name):
    sources, out = find([images / "in"], recursive=True), small_disk.parent / "out"
    annotate(Stub(), sources, out, RunOptions(()))
    small = small_disk / "out"
    shutil.copytree(out, small, ignore=shutil.ignore_patterns("journal.jsonl"))
    os.symlink(out / "journal.jsonl", small / "journal.jsonl")  # Room is short for the tables alone.
    filler = small_disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))
    with pytest.raises(LandmarksError, match=r"disk/out/[\w./]+: cannot be written \(No space"):
        annotate(Stub(), sources, small, RunOptions((name,)))
