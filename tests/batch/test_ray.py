"""The engine `ray`, on a real local Ray of two workers."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from landmarks import RunOptions
from landmarks.batch.engines import ray_cluster
from landmarks.batch.engines.ray_cluster import connect
from landmarks.batch.run import annotate
from landmarks.errors import LandmarksError
from landmarks.sources.find import find
from landmarks.sources.source import Source
from tests.helpers.archives import make
from tests.helpers.kill import differing, make_images
from tests.helpers.stub import Stub, StubFactory, Stuck
from tests.helpers.videos import make_video

FORMATS = ("csv", "jsonl")
FILES = 60


@pytest.fixture(scope="module")
def cluster():
    """Two cores and little memory."""
    ray = pytest.importorskip("ray", reason="needs the extra `ray`", exc_type=ImportError)
    root = str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, its name. By default its workers wait while other tests run.
    ray.init("local", num_cpus=2, object_store_memory=100 << 20, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Files, an archive with one that is no image, and a video; they end in the middle of tasks."""
    folder = tmp_path_factory.mktemp("cluster")
    make_images(folder / "in", FILES)
    files = sorted((folder / "in").rglob("*.png"))
    make(folder / "a.zip", {path.name: path.read_bytes() for path in files[:21]} | {"x.png": b"none"})
    make_video(folder / "c.mp4", frames=20)
    return find([folder / "in", folder / "a.zip", folder / "c.mp4"], recursive=True)


def actors() -> list[int]:
    """Process ids of the actors below this process."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    ours = []
    for pid in parents:
        above = pid
        while above := parents.get(above, 0):
            if above == os.getpid():
                with suppress(OSError):  # It may have ended meanwhile.
                    if "Actor" in Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                        ours.append(pid)
                break
    return ours


def test_files_are_those_of_the_local_engine_whatever_dies(cluster, sources, tmp_path):
    """A worker is killed, an image kills its process, and one never ends: each costs at most its own row."""
    some = next(source for source in sources if source.name.endswith(".png"))
    given = [*sources, Source(some.path, "segv.png"), Source(some.path, "hang.png")]
    options = {"drawings": True, "workers": 2, "timeout": 1}
    annotate(StubFactory(), given, tmp_path / "local", RunOptions(FORMATS, **options))
    killed, statuses = [], {}

    def kill_one(record) -> None:
        statuses[record.image] = record.status
        if not killed:
            killed.extend(actors()[:1])
            os.kill(killed[0], signal.SIGKILL)

    summary = annotate(
        StubFactory(seconds=0.05), given, tmp_path / "ray", RunOptions(FORMATS, engine="ray", **options),
        report=kill_one,
    )  # fmt: skip
    assert killed and summary.images == summary.done == FILES + 22 + 20 + 2
    assert (statuses["segv.png"], statuses["hang.png"]) == ("error", "timeout")
    assert differing(tmp_path / "local", tmp_path / "ray") == []
    names = [
        {path.relative_to(folder) for path in (folder / "drawings").rglob("*.jpg")}
        for folder in (tmp_path / "local", tmp_path / "ray")
    ]
    pictures = [name for name in statuses if "c.mp4" not in name]  # A video's frames become one video.
    assert names[0] == names[1] and len(names[0]) == sum(statuses[name] in ("ok", "no_face") for name in pictures)
    again = RunOptions(FORMATS, drawings=True)
    assert annotate(Stub(), sources, tmp_path / "ray", again).done == 0  # Either engine goes on for the other.


def test_a_file_system_without_an_answer_ends_the_run(cluster, sources, tmp_path):
    stuck = Stuck(sources[0].path, "far.png")
    with pytest.raises(LandmarksError, match=r"\.png: its file system has given no answer for 1 s"):
        annotate(StubFactory(), [stuck], tmp_path / "out", RunOptions(engine="ray", workers=1, timeout=1))


@pytest.mark.parametrize(
    ("annotator", "options", "error", "words"),
    [
        (StubFactory(salt="refuse"), {}, LandmarksError, "refused: no such weights"),
        (StubFactory(device="cuda:0,cuda:1"), {}, ValueError, "Ray shares out the GPUs"),
        (Stub(), {}, ValueError, "need an AnnotatorConfig"),
        (StubFactory(), {"engine": "spark"}, ValueError, "unknown engine 'spark'; known: local, ray"),
    ],
)
def test_what_cannot_run_is_refused(cluster, tmp_path, annotator, options, error, words):
    with pytest.raises(error, match=words):
        annotate(annotator, [], tmp_path / "out", RunOptions(**({"engine": "ray"} | options)))


def test_without_ray_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LandmarksError, match=r"--engine ray needs Ray .*landmarks\[ray\]"):
        annotate(StubFactory(), [], tmp_path / "out", RunOptions(engine="ray"))


ADDRESSES = {
    "127.0.0.1:1": "refused",
    "ray://127.0.0.1:1": "refused",
    "no-such-host.invalid:6379": "cannot be reached",
    "127.0.0.1:99999999": "cannot be reached",
    "127.0.0.1:{silent}": "no answer of Ray within 2 s",
}
"""Where no cluster is, and what is said of it; `silent`: the port of somebody who takes calls and says nothing."""
TRIES = """
import sys
from landmarks import RunOptions
from landmarks.batch.engines import ray_cluster
from landmarks.batch.run import annotate
from landmarks.errors import LandmarksError
from tests.helpers.stub import StubFactory
ray_cluster.JOIN_SECONDS = 2.0
for address in sys.argv[1:]:
    try:
        annotate(StubFactory(), [], "out", RunOptions(engine="ray", address=address))
    except LandmarksError as error:
        print(error)
"""


def test_addresses_where_no_cluster_is(tmp_path):
    """Told in bounded time; a process of its own, in which Ray goes on to ask the last one."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        listener.listen(16)
        addresses = [address.format(silent=listener.getsockname()[1]) for address in ADDRESSES]
        command = [sys.executable, "-c", TRIES, *addresses]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert len(said) == len(ADDRESSES), done.stdout + done.stderr
    for line, address, words in zip(said, addresses, ADDRESSES.values()):
        assert f"the Ray cluster {address}: cannot be reached" in line and re.search(words, line, re.I)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionError("Failed to connect\nmore"), r"cannot be reached \(Failed to connect\)"),
        (
            RuntimeError("no luck\nRPC error: Unauthenticated: authentication token is missing"),
            "authentication failed: ",
        ),
    ],
)
def test_why_a_cluster_cannot_be_joined(error, words):
    def init(*_, **__):
        raise error

    with pytest.raises(LandmarksError, match=words):
        connect(SimpleNamespace(init=init), "auto", 0)


@pytest.mark.parametrize(
    ("alive", "words"),
    [((True, True), "all 2 machines .* are there"), ((True, False), "lost: host1; .* that are left .1.")],
)
def test_a_silent_cluster_is_told_of(monkeypatch, alive, words):
    monkeypatch.setattr(ray_cluster, "SILENCE_SECONDS", 0.05)
    nodes = [{"NodeManagerHostname": f"host{i}", "Alive": here} for i, here in enumerate(alive)]
    cluster = SimpleNamespace(nodes=lambda: nodes, available_resources=lambda: {"CPU": 1.0})
    told = threading.Event()
    said = []
    monkeypatch.setattr(ray_cluster.warnings, "warn", lambda text, **_: (said.append(text), told.set()))
    with ray_cluster.Herald(cluster).waiting() as herald:
        herald.heard()
        assert told.wait(20)
    assert re.search(f"no result for 0.05 s; {words}", said[0])
