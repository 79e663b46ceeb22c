from __future__ import annotations

import csv
import gc
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from landmarks import Annotator, AnnotatorConfig, RunOptions, read_results
from landmarks.batch.engines import local, processes
from landmarks.batch.engines.watchdog import Watchdog
from landmarks.batch.plan import TASK_IMAGES, Shard
from landmarks.batch.run import annotate, annotate_folder
from landmarks.detection.base import Detections
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import LandmarksError
from landmarks.formats.doubts import Review
from landmarks.log import log
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network
from landmarks.models.store import Model
from landmarks.sources.find import find
from landmarks.sources.source import Source
from landmarks.sources.videos import decoder_process
from tests.helpers.archives import make
from tests.helpers.faces import draw_face, write_png
from tests.helpers.kill import differing, make_images
from tests.helpers.stub import Stub, StubFactory
from tests.helpers.videos import make_video


def rows(out):
    """Image and status of each row of images.csv."""
    with open(out / "images.csv", newline="", encoding="utf-8") as file:
        return [(row["image"], row["status"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    make_images(folder / "in", 50)
    annotate(Stub(), find([folder / "in"], recursive=True), folder / "whole", RunOptions(("csv", "jsonl")))
    return folder


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_change_nothing(images, tmp_path, workers):
    sources = find([images / "in"], recursive=True)
    seen, steps = [], []
    summary = annotate(
        StubFactory(), sources, tmp_path / "out", RunOptions(("csv", "jsonl"), workers=workers, timeout=60),
        report=lambda record: seen.append(record.image), progress=lambda *step: steps.append(step),
    )  # fmt: skip
    assert differing(images / "whole", tmp_path / "out") == []
    assert sorted(seen) == sorted(source.name for source in sources) and steps[-1] == (50, 50)
    assert summary.images == summary.done == 50 and sum(summary.stages.values()) == pytest.approx(1)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", ["report", "progress", "writing"])
def test_what_the_callers_own_function_raises_comes_out_as_it_is(images, tmp_path, name, workers):
    """A full disk of the caller's is not the run's: no other words, no other file; and the run can go on."""
    own, sources = OSError(28, "the caller's own"), find([images / "in"], recursive=True)

    def fails(*_):
        raise own

    options = RunOptions(("csv", "jsonl"), workers=workers, timeout=60)
    with pytest.raises(OSError) as told:
        annotate(StubFactory(), sources, tmp_path / "out", options, **{name: fails})
    assert told.value is own and own.filename is None and own.__cause__ is None
    assert not multiprocessing.active_children()
    done = annotate(StubFactory(), sources, tmp_path / "out", options).done
    assert done == 0 if name == "writing" else 0 < done < 50, "what was done is kept"
    assert differing(images / "whole", tmp_path / "out") == []


def test_real_annotators_in_workers(small_weights, tmp_path):
    """Faces and drawings are the same whatever process makes them."""
    for i in range(TASK_IMAGES + 3):
        write_png(tmp_path / "in" / f"{i}.png", draw_face(i)[0])
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    options = {"weights": small_weights, "detector": "whole-image", "device": "cpu"}
    for name, annotator, workers in (("one", Annotator(**options), 0), ("two", AnnotatorConfig(**options), 2)):
        annotate(annotator, find([tmp_path / "in"]), tmp_path / name, RunOptions(drawings=True, workers=workers))
    for path in (tmp_path / "one").rglob("*.[cj][sp][vg]"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    assert len(list((tmp_path / "two" / "drawings").iterdir())) == TASK_IMAGES + 3


@pytest.mark.parametrize("workers", [0, 2])
def test_archives_and_videos(tmp_path, workers):
    """Rows come in the order of the sources, members of archives and frames of videos among them."""
    make_images(tmp_path / "in", 6)
    pictures = {str(path.name): path.read_bytes() for path in sorted((tmp_path / "in").rglob("*.png"))}
    make(tmp_path / "a.zip", pictures)
    make(tmp_path / "b.tgz", [("../../x.png", pictures["1.png"]), ("x.png", pictures["2.png"]), ("y.png", b"text")])
    make_video(tmp_path / "c.mp4", frames=40)
    (tmp_path / "d.zip").write_bytes(b"none")
    names = [tmp_path / name for name in ("c.mp4", "a.zip", "d.zip", "b.tgz")]
    expected = [
        *((f"a.zip/{i}.png", "unreadable" if i == 0 else "") for i in range(6)),
        *(("b.tgz/x.png", ""), ("b.tgz/x (2).png", ""), ("b.tgz/y.png", "unreadable")),
        *((f"c.mp4/{i:06}", "") for i in range(0, 40, 4)),
        ("d.zip", "unreadable"),
    ]
    options = RunOptions(("jsonl",), workers=workers)
    summary = annotate(StubFactory(), find(names, every=4), tmp_path / "out", options)
    found = rows(tmp_path / "out")
    assert [(name, status if status == "unreadable" else "") for name, status in found] == expected
    assert summary.images == len(expected)
    assert annotate(StubFactory(), find(names, every=4), tmp_path / "out", options).done == 0
    text = (tmp_path / "out" / "faces.jsonl").read_text()
    assert '"frame": 8, "time": 0.32' in text


@pytest.mark.parametrize("workers", [0, 2])
def test_a_decoder_of_videos_that_crashes_costs_a_row(tmp_path, monkeypatch, workers):
    """The run goes on; given again it does the frames that are left, and its rows are those of a whole run."""
    make_images(tmp_path / "in", 3)
    sources = find([tmp_path / "in", make_video(tmp_path / "a.mp4"), make_video(tmp_path / "b.mp4", 4)], recursive=True)
    annotate(Stub(), sources, tmp_path / "whole")
    decoder_process.end_idle()
    with monkeypatch.context() as patch:
        program = "from tests.helpers.bad_decoder import serve_badly; serve_badly('segv', 9)"
        patch.setattr(decoder_process, "PROGRAM", program)
        summary = annotate(StubFactory(), sources, tmp_path / "out", RunOptions(("csv", "jsonl"), workers=workers))
    decoder_process.end_idle()
    assert summary.images == 3 + 9 + 1 + 4 and dict(rows(tmp_path / "out"))["a.mp4"] == "error"
    annotate(StubFactory(), sources, tmp_path / "out", RunOptions(workers=workers))
    assert rows(tmp_path / "whole") == rows(tmp_path / "out")


def test_the_main_process_has_no_decoder(tmp_path):
    """None that is written in C, of videos or images, where the journal is kept."""
    make_video(tmp_path / "a.mp4", 4)
    code = (
        "import sys\nfrom tests.helpers import stub\nfrom landmarks.batch.run import annotate\n"
        "from landmarks import RunOptions\nfrom landmarks.sources.find import find\n"
        "if __name__ == '__main__':\n"
        "    out = annotate(stub.StubFactory(), find(['a.mp4']), 'out', RunOptions(workers=1))\n"
        "    print(out.images, 'av' in sys.modules)\n"
    )
    (tmp_path / "main.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "main.py"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["4", "False"]


@pytest.mark.parametrize(
    ("name", "timeout", "status", "words"),
    [
        ("segv", None, "error", r"died \(SIGSEGV\)"),
        ("hang", 0.3, "timeout", "more than 0.3 s"),
        ("stop", 0.3, "timeout", "more than 0.3 s"),
        ("segv-once", None, "ok", ""),
    ],
)
def test_an_image_that_kills_its_worker_costs_only_its_row(images, tmp_path, name, timeout, status, words):
    sources = find([images / "in"], recursive=True)[:12]
    bad = images / "in" / "1" / "3.png"
    sources.insert(3, Source(bad, f"{name}.png"))
    out, options = tmp_path / "out", {"mark": str(tmp_path / "mark")}
    reasons = {}
    summary = annotate(
        StubFactory(**options), sources, out, RunOptions(workers=2, timeout=timeout),
        report=lambda record: reasons.update({record.image: (record.status, record.reason)}),
    )  # fmt: skip
    assert [image for image, _ in rows(out)] == [source.name for source in sources]
    found_status, reason = reasons[f"{name}.png"]
    assert found_status in (status, "no_face" if status == "ok" else status)
    assert summary.failed == sum(s not in ("ok", "no_face") for s, _ in reasons.values())
    assert re.search(words, reason)


@pytest.mark.parametrize("kind", ["files", "video"])
def test_a_worker_that_is_stopped_from_outside_is_replaced(images, tmp_path, monkeypatch, kind):
    """Also while it is sent more than the line between the processes holds: frames of a video. Or while it starts."""
    monkeypatch.setattr(local, "START_SECONDS", 10.0)
    sources = find([images / "in"], recursive=True)
    if kind == "video":
        sources = find([make_video(tmp_path / "a.avi", 60, (640, 480))])
    annotate(Stub(), sources, tmp_path / "whole", RunOptions(("csv", "jsonl")))
    stopped = []

    def stop_one(record) -> None:
        if not stopped:
            stopped.append(multiprocessing.active_children()[0].pid)
            os.kill(stopped[0], signal.SIGSTOP)

    factory, options = StubFactory(seconds=0.02), RunOptions(("csv", "jsonl"), workers=2, timeout=2)
    annotate(factory, sources, tmp_path / "out", options, report=stop_one)
    assert stopped and differing(tmp_path / "whole", tmp_path / "out") == []


def test_a_worker_that_cannot_even_be_killed_is_left(images, tmp_path, monkeypatch):
    """As those that are stuck in the kernel."""
    monkeypatch.setattr(local, "DEATH_SECONDS", 0.1)
    monkeypatch.setattr(multiprocessing.context.ForkServerProcess, "kill", lambda process: None)
    sources = [*find([images / "in"], recursive=True)[:3], Source(images / "in" / "1" / "3.png", "stop.png")]
    try:
        summary = annotate(StubFactory(), sources, tmp_path / "out", RunOptions(workers=1, timeout=0.5))
    finally:
        monkeypatch.undo()
        for process in multiprocessing.active_children():
            process.kill()
    assert summary.images == 4 and summary.statuses["timeout"] == 1


@pytest.mark.parametrize("count", [0, 3])
def test_a_process_that_was_stopped_itself_ends_no_worker(count):
    """The watchdog counts what it has waited for, not the time that has gone by."""
    seconds, worker = 0.05, SimpleNamespace(waited=[])
    worker.tick = worker.waited.append
    watchdog = Watchdog(lambda: [worker], 4 * seconds)
    with watchdog.waiting() if count else nullcontext():
        while count and len(worker.waited) < count:
            time.sleep(seconds)
    watchdog.stop()
    assert set(worker.waited) <= {seconds} and (len(worker.waited) > 0) == (count > 0)


@pytest.mark.parametrize(
    ("salt", "words"), [("refuse", "no such weights"), ("die", "end as they start: .* --workers 0")]
)
def test_workers_that_cannot_work(images, tmp_path, salt, words):
    with pytest.raises(LandmarksError, match=words):
        annotate(StubFactory(salt=salt), find([images / "in"], recursive=True), tmp_path / "out", RunOptions(workers=2))


def test_workers_that_die_as_they_start_end_no_run_that_gets_on(images, tmp_path):
    """Each image that kills its workers has new ones started, of which every second one dies at once."""
    sources = find([images / "in"], recursive=True)[:24]
    for place in (0, 9, 18):
        sources[place] = Source(sources[place].path, f"{place}-segv.png")
    factory = StubFactory(every_second_dies=True)
    summary = annotate(factory, sources, tmp_path / "out", RunOptions(workers=1))
    assert summary.images == 24 and summary.statuses["error"] == 3


def test_workers_see_the_environment_of_now(images, tmp_path, monkeypatch):
    sources = find([images / "in"], recursive=True)[:1]
    annotate(StubFactory(), sources, tmp_path / "before", RunOptions(workers=1))
    monkeypatch.setenv("STUB_SALT", "refuse")
    with pytest.raises(LandmarksError, match="refused"):
        annotate(StubFactory(), sources, tmp_path / "after", RunOptions(workers=1))


def test_workers_need_a_config(tmp_path):
    with pytest.raises(ValueError, match="AnnotatorConfig"):
        annotate(Stub(), find(["gone.png"]), tmp_path / "out", RunOptions(workers=1))


def test_devices_are_shared_out():
    config = AnnotatorConfig(device="cuda:0, cuda:1")
    assert [config.for_worker(worker).device for worker in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_shards_are_a_partition(images, tmp_path, count):
    sources = find([images / "in"], recursive=True)
    parts = []
    for number in range(1, count + 1):
        annotate(Stub(), sources, tmp_path / f"{number}", RunOptions(shard=Shard.parse(f"{number}/{count}")))
        parts += [name for name, _ in rows(tmp_path / f"{number}")]
    assert sorted(parts) == sorted(source.name for source in sources)


def test_another_shard_does_not_replace_the_tables(images, tmp_path):
    sources, out = find([images / "in"], recursive=True), tmp_path / "out"
    annotate(Stub(), sources, out, RunOptions(shard=Shard(1, 3)))
    before = (out / "images.csv").read_bytes()
    for other, words in ((Shard(2, 3), "2/3"), (Shard(), "none")):
        with pytest.raises(LandmarksError, match=f"shard was 1/3 and is now {words}.*another --out"):
            annotate(Stub(), sources, out, RunOptions(shard=other))
    assert (out / "images.csv").read_bytes() == before
    assert annotate(Stub(), sources, out, RunOptions(shard=Shard(1, 3))).done == 0


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "a/b", "1/2/3", "-1/3", "1/²"])
def test_no_shard(text):
    with pytest.raises(ValueError, match="shard"):
        Shard.parse(text)


def test_files_that_vanish_or_change_while_the_run_goes_on(tmp_path):
    make_images(tmp_path / "in", 3 * TASK_IMAGES)
    sources = find([tmp_path / "in"], recursive=True)

    def meddle(record):
        if record.image == sources[0].name:
            os.remove(sources[-1].path)
            with open(sources[-2].path, "wb") as file:
                file.write(b"half")

    assert annotate(Stub(), sources, tmp_path / "out", report=meddle).images == 3 * TASK_IMAGES
    assert [status for _, status in rows(tmp_path / "out")][-2:] == ["unreadable", "missing"]


class Many:
    """A detector that finds faces everywhere."""

    name, rule, count = "many", WholeImage.rule, 10_000

    def __call__(self, image, name=""):
        corners = np.random.default_rng(0).uniform(0, 100, (self.count, 2))
        return Detections(np.concatenate([corners, corners + 20], axis=1), np.ones(self.count))

    def settings(self):
        return {}


class Nan(Many):
    """A detector that has lost its mind."""

    def __call__(self, image, name=""):
        boxes = [[np.nan] * 4, [0, 0, np.inf, np.inf], [5, 5, 5, 5], [0, 0, 50, 50], [1e30, 0, 2e30, 9], [9, 9, 2, 2]]
        return Detections(np.array(boxes), np.array([np.nan, 1, 1, 1, 1, np.inf]))


class Breaks(Many):
    """A detector that fails on some images."""

    def __call__(self, image, name=""):
        if name == "1.png":
            raise RuntimeError("out of luck\nat line 5")
        return WholeImage()(image)


@pytest.fixture
def three(tmp_path):
    for i in range(3):
        write_png(tmp_path / "in" / f"{i}.png", draw_face(i)[0])
    return find([tmp_path / "in"])


def test_ten_thousand_faces_in_an_image(three, tmp_path):
    network = Network(NetworkConfig(input_size=16, features=8)).eval()
    annotator = Annotator(Model(network), detector=Many(), device="cpu", passes=1)
    assert annotate(annotator, three[:1], tmp_path / "out").faces == Many.count
    assert len(read_results(tmp_path / "out")) == Many.count


def test_boxes_that_are_not_numbers_are_rows(small_weights, three, tmp_path):
    annotator = Annotator(small_weights, detector=Nan(), device="cpu")
    summary = annotate(annotator, three, tmp_path / "out", RunOptions(("csv", "jsonl")))
    assert summary.statuses == {"ok": 3} and summary.faces >= 3
    assert len(read_results(tmp_path / "out")) == summary.faces


def test_a_detector_that_fails_costs_one_row(small_weights, three, tmp_path):
    reasons = []
    annotator = Annotator(small_weights, detector=Breaks(), device="cpu")
    annotate(annotator, three, tmp_path / "out", report=lambda record: reasons.append(record.reason))
    assert rows(tmp_path / "out") == [("0.png", "ok"), ("1.png", "error"), ("2.png", "ok")]
    assert reasons[1] == "failed unexpectedly (RuntimeError: at line 5)"


def test_a_network_that_fails_costs_one_row(small_weights, three, tmp_path, monkeypatch):
    annotator = Annotator(small_weights, detector="whole-image", device="cpu")
    locate = annotator._faces

    def fail(pictures, *rest):
        if any(picture.height == 99 for picture in pictures):
            raise MemoryError("too much")
        return locate(pictures, *rest)

    monkeypatch.setattr(annotator, "_faces", fail)
    write_png(tmp_path / "in" / "1.png", draw_face(1, 99)[0])
    assert annotate(annotator, three, tmp_path / "out").statuses == {"ok": 2, "error": 1}


def test_memory_does_not_grow(tmp_path, monkeypatch):
    """An image takes a few hundred bytes. What waits for the collector of cycles is no growth: it is called at once."""
    monkeypatch.setattr(log, "disabled", True)  # pytest keeps all that is logged.
    monkeypatch.setattr(Review.__init__, "__defaults__", (10,))  # It keeps the worst thousand otherwise.
    make_images(tmp_path / "in", 12)
    files = find([tmp_path / "in"], recursive=True)
    peaks = []
    for count in (100, 500):
        sources = [Source(files[i % 12].path, f"{i}.png") for i in range(count)]
        tracemalloc.start()
        annotate(Stub(), sources, tmp_path / f"{count}", RunOptions(("jsonl",)), progress=lambda *_: gc.collect(1))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 400 * 500


def test_the_main_process_needs_no_torch():
    """It starts at once and stays small; each worker imports torch itself."""
    code = "import sys, landmarks.batch.run, landmarks.formats; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("busy", [False, True])
def test_workers_end_with_the_main_process(images, tmp_path, busy):
    code = (
        "import os, signal\nfrom tests.helpers import stub\n"
        "from landmarks.batch.engines.local import LocalEngine\n"
        "from landmarks.sources.source import Source\n"
        "if __name__ == '__main__':\n"
        "    engine = LocalEngine(stub.StubFactory(seconds=0.1), [], 2).__enter__(); engine.facts\n"
        f"    if {busy}: [one.connection.send([Source('x', 'hang')]) for one in engine._processes]\n"
        "    print(*(one.process.pid for one in engine._processes), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    (tmp_path / "main.py").write_text(code)
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        [sys.executable, tmp_path / "main.py"], cwd=root, env=environment, capture_output=True, text=True
    )
    deadline = time.monotonic() + 10
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2
    while time.monotonic() < deadline and any(_alive(pid) for pid in pids):
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in pids)


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not yet waited for does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_default_workers(monkeypatch):
    assert 1 <= processes.default_workers() <= (os.cpu_count() or 1)
    monkeypatch.setattr(processes, "WORKER_MEMORY", 1 << 60)
    assert processes.default_workers() == 1


def test_no_sources(tmp_path):
    assert annotate(Stub(), [], tmp_path / "out").images == 0
    assert rows(tmp_path / "out") == []


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tgz"])
def test_memory_in_flight_has_a_budget(images, tmp_path, monkeypatch, suffix):
    """With room for one member at a time the results are the same; run.json names the room."""
    make(tmp_path / f"a{suffix}", {path.name: path.read_bytes() for path in (images / "in").rglob("*.png")})
    sources = find([tmp_path / f"a{suffix}"])
    annotate(Stub(), sources, tmp_path / "one", RunOptions(("csv", "jsonl")))
    monkeypatch.setattr(local, "MEMORY_IN_FLIGHT", 1)
    annotate(StubFactory(), sources, tmp_path / "two", RunOptions(("csv", "jsonl"), workers=2))
    assert differing(tmp_path / "one", tmp_path / "two") == []
    assert json.loads((tmp_path / "two" / "run.json").read_text())["starts"][-1]["memory_in_flight"] == 256 << 20


def test_a_mistyped_folder_begins_no_run(tmp_path):
    for sources in (str(tmp_path / "nosuch"), [str(tmp_path / "a.png"), str(tmp_path / "b")]):
        with pytest.raises(LandmarksError, match="there is no such file or folder"):
            annotate_folder(sources, tmp_path / "out", Stub())
        assert not (tmp_path / "out").exists()
    write_png(tmp_path / "a.png", draw_face(0)[0])
    summary = annotate_folder([str(tmp_path / "a.png"), str(tmp_path / "b")], tmp_path / "out", Stub())
    assert summary.statuses == {"ok": 1, "missing": 1}, "one that is not there among others is a row"
