"""Damaged files for everything that reads files: what comes of it is a result or one of our errors, soon and bounded.

    python -m tests.helpers.fuzz --seconds 600 [--target NAME ...]

goes on for so long, each target in turn, and keeps what broke one in `fuzz-failures`. A case that takes longer than
`--hang` seconds ends the program with the place where it hangs. `pytest tests/test_fuzz.py` tries a few of each target;
LANDMARKS_FUZZ=1000 sets their number.
"""

from __future__ import annotations

import argparse
import faulthandler
import inspect
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

from landmarks.errors import LandmarksError
from tests.helpers.damage import damaged
from tests.helpers.fuzz_targets import TARGETS, Target, write

MEMORY = 1 << 30
"""Bytes by which the process may grow over all cases of a target."""


class Bench:
    """A target's files, whole, and a folder in which they are damaged one by one."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.whole, self.work = target, folder / "whole", folder / "work"
        self.whole.mkdir(parents=True)
        target.make(self.whole)
        files = sorted(path for path in self.whole.glob(target.files) if path.is_file() and path.stat().st_size)
        self.names = [path.relative_to(self.whole) for path in files]
        assert self.names, "there is nothing to damage"
        self.read(None, b"")

    def read(self, name: Path | None, data: bytes) -> None:
        """Read the files, one of which has other content. Raises what it should not."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.whole, self.work)
        if name is not None:
            (self.work / name).write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.target.read(self.work)
            except (LandmarksError, *self.target.others) as error:
                if name is None:
                    raise
                assert str(error).strip(), "an error that says nothing"

    def case(self, dice: random.Random) -> tuple[Path, bytes]:
        """One of the files, and damaged content for it."""
        name = dice.choice(self.names)
        return name, (self.target.damage or damaged)(dice, (self.whole / name).read_bytes())


def guided(bench: Bench, folder: Path, seconds: float, hang: float) -> None:
    """Let atheris find inputs that reach new lines of the readers. Does not return."""
    import atheris

    corpus = folder / "corpus"
    corpus.mkdir()
    for i, name in enumerate(bench.names):
        shutil.copy(bench.whole / name, corpus / str(i))
    # Ours alone: torch has more functions than can be instrumented in a minute.
    ours = [vars(module) for name, module in sys.modules.items() if name.startswith("landmarks.")]
    for function in {id(f): f for names in ours for f in names.values() if inspect.isfunction(f)}.values():
        if function.__module__.startswith("landmarks."):
            atheris.instrument_func(function)
    options = [f"-max_total_time={seconds:.0f}", f"-timeout={hang:.0f}", "-rss_limit_mb=4096", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: bench.read(bench.names[0], data))
    atheris.Fuzz()


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("--target", nargs="*", default=list(TARGETS), choices=list(TARGETS), metavar="NAME")
    parser.add_argument("--hang", type=float, default=60, help="seconds that a case may take")
    parser.add_argument("--atheris", action="store_true", help="one target, guided by its coverage; needs atheris")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 2**32)
    arguments = parser.parse_args()
    faulthandler.enable()  # A crash in C ends with the place, too.
    if arguments.atheris:
        (name,) = arguments.target
        with tempfile.TemporaryDirectory() as folder:
            guided(Bench(TARGETS[name], Path(folder)), Path(folder), arguments.seconds, arguments.hang)
    failures = 0
    for name in arguments.target:
        dice, count, found = random.Random(f"{arguments.seed} {name}"), 0, set()
        with tempfile.TemporaryDirectory() as folder:
            bench, before = Bench(TARGETS[name], Path(folder)), peak()
            end = time.monotonic() + arguments.seconds / len(arguments.target)
            while time.monotonic() < end:
                path, data = bench.case(dice)
                keep = Path("fuzz-failures") / f"{name}-{count}" / path
                write(Path(folder) / "last", data)
                faulthandler.dump_traceback_later(arguments.hang, exit=True)
                count += 1
                try:
                    bench.read(path, data)
                except Exception as error:
                    place = traceback.extract_tb(error.__traceback__)[-1]
                    if (mark := (type(error), place.filename, place.lineno)) not in found:
                        found.add(mark)
                        write(keep, data)
                        print(f"{name}: {type(error).__name__} at {place.filename}:{place.lineno}: {error} -> {keep}")
                faulthandler.cancel_dump_traceback_later()
                if peak() - before > MEMORY:
                    write(keep, data)
                    print(f"{name}: {(peak() - before) >> 20} MiB more -> {keep}")
                    found.add("memory")
                    before = peak()
        failures += len(found)
        print(f"{name}: {count} cases, {len(found)} failures", flush=True)
    print(f"seed {arguments.seed}: {failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
