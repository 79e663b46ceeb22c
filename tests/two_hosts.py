"""The Ray engine over two hosts, whose link is cut and one of which is lost in the middle of a run.

    python -m tests.two_hosts [--images N] [--seconds S]      or      pytest tests/two_hosts.py

The hosts are two network namespaces of this machine, joined by a virtual cable; that takes Linux, root and `ip`. The
tables must be those of the local engine, byte for byte. It takes minutes, so the test suite does not run it by itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from landmarks import RunOptions
from landmarks.batch.run import annotate
from landmarks.sources.find import find
from tests.helpers.kill import differing, make_images
from tests.helpers.stub import Stub

HEAD, OTHER = "landmarks-a", "landmarks-b"
ADDRESSES = {HEAD: "10.77.0.1", OTHER: "10.77.0.2"}
PORT = 6379
ATTEMPTS = 5
"""To start a node: it waits for 15 s only for its agents, and does not start if the machine is busy."""
CUT_SECONDS = 10.0
FORMATS = ("csv", "jsonl")
ROOT = Path(__file__).parents[1]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_AUTH_MODE": "disabled",
    "RAY_raylet_start_wait_time_s": "120",
}
DRIVER = """
import sys, time
from landmarks import RunOptions
from landmarks.batch.run import annotate
from landmarks.sources.find import find
from tests.helpers.stub import StubFactory

folder, out, seconds, address = sys.argv[1:]
started, seen = time.perf_counter(), []

def report(record):
    if not seen:
        print(f"first result after {time.perf_counter() - started:.1f} s", flush=True)
    seen.append(record)

options = RunOptions(("csv", "jsonl"), engine="ray", address=address, workers=4)
summary = annotate(StubFactory(seconds=float(seconds)), find([folder], recursive=True), out, options, report=report)
print(f"{summary.images} images in {summary.seconds:.1f} s", flush=True)
"""


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why this cannot run here; empty if it can."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip"):
        return "needs Linux, root and the command `ip`"
    try:
        ip("netns", "add", "landmarks-try")
        ip("netns", "del", "landmarks-try")
        import ray  # noqa: F401
    except subprocess.CalledProcessError as error:
        return f"network namespaces cannot be made here ({error.stderr.strip()})"
    except ImportError:
        return "needs the extra `ray`"
    return ""


@contextmanager
def hosts() -> Iterator[None]:
    """Two namespaces, joined by a cable; all that runs in them ends with the block."""
    try:
        for name in ADDRESSES:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", HEAD, "type", "veth", "peer", "name", "cable", "netns", OTHER)
        for name, address in ADDRESSES.items():
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
            # Ray learns a host's own address by its way to the world.
            (peer,) = (other for key, other in ADDRESSES.items() if key != name)
            ip("-n", name, "route", "add", "default", "via", peer)
        yield
    finally:
        for name in ADDRESSES:
            with suppress(subprocess.CalledProcessError):
                kill_all(name)
            with suppress(subprocess.CalledProcessError):
                ip("netns", "del", name)


def kill_all(host: str) -> int:
    """Kill all that runs on a host, as a power cut would; the number of processes."""
    listed = subprocess.run(["ip", "netns", "pids", host], check=True, capture_output=True, text=True)
    pids = [int(pid) for pid in listed.stdout.split()]
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(pids)


def command(host: str, *arguments: str) -> list[str]:
    return ["ip", "netns", "exec", host, sys.executable, *arguments]


def start_ray(host: str, folder: Path) -> None:
    """A node of two cores."""
    where = ["--address", f"{ADDRESSES[HEAD]}:{PORT}"]
    if host == HEAD:
        where = ["--head", "--port", str(PORT), "--include-dashboard", "false", "--temp-dir", str(folder)]
    options = ["--node-ip-address", ADDRESSES[host], "--num-cpus", "2", "--object-store-memory", str(100 << 20)]
    start = command(host, "-m", "ray.scripts.scripts", "start", *where, *options)
    for _ in range(ATTEMPTS):
        done = subprocess.run(start, env=ENVIRONMENT, capture_output=True, text=True)
        if done.returncode == 0:
            return
        kill_all(host)
    raise RuntimeError(f"{host}: Ray does not start; it said: {done.stderr[-500:]}")


def run(folder: Path, images: int, seconds: float) -> list[str]:
    """Run it and say what happens; what differs from the local engine's tables."""
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {text}", flush=True)

    make_images(folder / "in", images)
    annotate(Stub(), find([folder / "in"], recursive=True), folder / "local", RunOptions(FORMATS))
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp") as short, hosts():  # Names of sockets must be short.
        for host in ADDRESSES:
            start_ray(host, Path(short))
        say("both hosts are up")
        arguments = [str(folder / "in"), str(folder / "ray"), str(seconds), f"{ADDRESSES[HEAD]}:{PORT}"]
        driver = subprocess.Popen(command(HEAD, "-c", DRIVER, *arguments), env=ENVIRONMENT, cwd=ROOT)
        try:
            wait_for(driver, folder / "ray" / "journal.jsonl", 0.1 * images)
            ip("-n", HEAD, "link", "set", "cable", "down")
            say("the link is cut")
            time.sleep(CUT_SECONDS)
            ip("-n", HEAD, "link", "set", "cable", "up")
            ip("-n", HEAD, "route", "replace", "default", "via", ADDRESSES[OTHER])
            say("the link is there again")
            wait_for(driver, folder / "ray" / "journal.jsonl", 0.3 * images)
            say(f"the other host is lost with its {kill_all(OTHER)} processes")
            if driver.wait() != 0:
                return [f"the run ended with exit code {driver.returncode}"]
            say("done")
        finally:
            driver.kill()
    return differing(folder / "local", folder / "ray")


def wait_for(driver: subprocess.Popen[bytes], journal: Path, images: float) -> None:
    """Wait until so many images are in the journal, or the run ends."""
    while driver.poll() is None:
        with suppress(OSError):
            if journal.read_bytes().count(b'"image":') > images:
                return
        time.sleep(0.2)


def test_two_hosts(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    assert run(tmp_path, images=400, seconds=0.1) == []


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.1, help="that an image takes")
    arguments = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    with tempfile.TemporaryDirectory() as folder:
        differ = run(Path(folder), arguments.images, arguments.seconds)
    if differ:
        sys.exit(f"not as the local engine's: {differ}")
    print("the tables are those of the local engine")


if __name__ == "__main__":
    main()
