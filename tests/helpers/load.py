"""A run of the command over many images: the time to the first ones, images a second, and memory at its peak.

    python -m tests.helpers.load photos --images 1000 20000 --detector yunet

The images of the folder are given again and again under other names, as hard links. Memory is that of all processes of
the run together, shared pages divided among them (PSS), looked at five times a second; Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from landmarks.sources.names import is_image


@dataclass(frozen=True)
class Load:
    """What a run took."""

    images: int
    first: float
    """Seconds until the first images are in the journal, from before Python starts."""
    seconds: float
    """Until the end."""
    peak: int
    """Bytes of memory."""
    summary: str
    """What the command says at its end."""


def link_images(folder: Path, target: Path, count: int) -> None:
    """So many images in `target`, a thousand a folder: those of `folder`, again and again."""
    images = sorted(path for path in folder.rglob("*") if is_image(path.name))
    for i in range(count):
        path = target / f"{i // 1000}" / f"{i}{images[i % len(images)].suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(images[i % len(images)], path)
        except OSError:  # On another disk, or more links than a file may have.
            shutil.copy(images[i % len(images)], path)


def run(source: Path, out: Path, options: list[str]) -> Load:
    """Annotate a folder with the command. Raises AssertionError if it fails."""
    command = [sys.executable, "-m", "landmarks", "annotate", f"{source}", "--recursive", "--out", f"{out}", *options]
    first, peak, started = 0.0, 0, time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    looked = started
    while process.poll() is None:
        time.sleep(0.01)
        if not first and _size(out / "journal.jsonl"):
            first = time.perf_counter() - started
        if time.perf_counter() - looked > 0.2:
            peak, looked = max(peak, _memory(process.pid)), time.perf_counter()
    seconds = time.perf_counter() - started
    text = process.communicate()[1].strip()
    assert process.returncode in (0, 1), text
    content = json.loads((out / "run.json").read_text())
    return Load(content["results"]["images"], first or seconds, seconds, peak, text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _memory(root: int) -> int:
    """Bytes of memory of a process and all below it."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # It has ended.
            continue
    total = 0
    for pid in parents:
        above = pid
        while above and above != root:
            above = parents.get(above, 0)
        if above == root:
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            except OSError:
                continue
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[1000])
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    arguments, options = parser.parse_known_args()
    loads = []
    for count in arguments.images:
        with tempfile.TemporaryDirectory(dir=arguments.folder.parent) as folder:
            link_images(arguments.folder, Path(folder) / "in", count)
            load = run(Path(folder) / "in", Path(folder) / "out", options)
        loads.append(load)
        print(
            f"{load.images} images: first ones after {load.first:.2f} s, all after {load.seconds:.1f} s "
            f"({load.images / load.seconds:.2f} a second), {load.peak / 2**20:.0f} MiB at the peak\n{load.summary}",
            flush=True,
        )
    if arguments.out:
        arguments.out.write_text(json.dumps([asdict(load) for load in loads], indent=1) + "\n")


if __name__ == "__main__":
    main()
