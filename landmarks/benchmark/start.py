"""From the command `landmarks annotate` to the first row of its journal.

    python -m landmarks.benchmark.start PHOTOS [--detector NAME] [--workers N] [--rounds N] [--beside FOLDER]

Each run is a process of its own. With `--beside`, the folder of another version of this package, both take turns, so
that other work on the machine slows both alike. The first round compiles all modules, as a first start after an
installation does; the least of all rounds is told. Seconds of a processor, of all processes of the run until then, are
told by Linux alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from landmarks.inference.choice import DEFAULT_DETECTOR

PAUSE = 0.002
"""Seconds between two looks at the journal."""
OWN = Path(__file__).resolve().parent.parent.parent
"""The folder in which this package is."""


@dataclass(frozen=True)
class Start:
    """One run."""

    row: float
    """Seconds until the first row."""
    worked: float
    """Seconds that processors worked for the run until then; NaN where nobody tells."""
    end: float
    """Seconds until the command ends."""


def measure(words: Sequence[str], compiled: Path, package: Path = OWN) -> Start:
    """One run of `landmarks annotate` with these words and an --out of its own. Raises CalledProcessError if it fails.

    compiled: the folder in which Python keeps what it has compiled; package: the folder in which the package is.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "landmarks", "annotate", *words, "--quiet", "--out", str(Path(folder) / "out")]
        path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = os.environ | {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(compiled)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        journal, started = Path(folder) / "out" / "journal.jsonl", time.perf_counter()
        process = subprocess.Popen(command, env=environment, cwd=folder, start_new_session=True)
        while process.poll() is None and not _size(journal):
            time.sleep(PAUSE)
        row, worked = time.perf_counter() - started, processor_seconds(process.pid)
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, command)
        return Start(row, worked, time.perf_counter() - started)


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def processor_seconds(session: int) -> float:
    """What the processes of a session have used so far, with those that they have seen end; NaN where nobody tells."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = file.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:  # session, then user, system, and those of ended children
                ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK") if ticks else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description="Seconds from `landmarks annotate` to its first row.")
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--detector", default=DEFAULT_DETECTOR)
    parser.add_argument("--workers", default=None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--beside", type=Path, help="folder of another version, to take turns with")
    arguments = parser.parse_args()
    photos = [str(photo.resolve()) for photo in arguments.photos]
    words = [*photos, "--detector", arguments.detector]
    words += ["--workers", arguments.workers] if arguments.workers else []
    packages = [OWN, *filter(None, [arguments.beside and arguments.beside.resolve()])]
    runs: dict[Path, list[Start]] = {package: [] for package in packages}
    with tempfile.TemporaryDirectory() as compiled:
        for _ in range(arguments.rounds):
            for package in packages:
                runs[package].append(measure(words, Path(compiled), package))
    print("package, first row s, a processor's seconds until then, end s: the least of each")
    for package, starts in runs.items():
        least = [min(getattr(start, name) for start in starts) for name in ("row", "worked", "end")]
        print(f"{package}: {', '.join(f'{seconds:.2f}' for seconds in least)}")


if __name__ == "__main__":
    main()
