"""Damaged files and odd commands for hours: what comes of each is a result or a sentence, soon and in bounded memory.

    nice -n 15 python -m tests.fuzz --cases 200000 --seed 1 --log fuzz/log.jsonl

takes the targets of `tests/helpers/fuzz_targets.py` in turn until so many cases were tried. The log has a line for
each turn. Given again with the same log and seed it goes on behind the last line; `--show` tells what the log has.
`kill` ends it and costs the turn in progress. Case N of a target is the same in every run with the seed: `--target NAME
--case N` tries it alone. Files that broke something are kept beside the log.

The cases run in a process of their own. If that dies, or if a case takes longer than `--hang` seconds, this is a
failure of that case, and a new process goes on behind it. `pytest tests/test_fuzz.py` tries a few of each target;
LANDMARKS_FUZZ=1000 sets their number.
"""

from __future__ import annotations

import argparse
import faulthandler
import inspect
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The parent waits, and loads no torch for that.
    from tests.helpers.fuzz import Bench

TURN, SECONDS = 3000, 10.0
"""A turn of a target: at most so many cases, and about so many seconds, so that slow ones hold up no other."""
LAST = "last.json"
"""Names the case in progress, for the parent of a process that dies of it."""


def main() -> None:
    arguments = _arguments()
    if arguments.show:
        print("\n".join(summary(_lines(arguments.log))))
    elif arguments.atheris or arguments.case is not None:
        with tempfile.TemporaryDirectory() as folder:
            one_target(arguments, Path(folder))
    elif arguments.work:
        faulthandler.enable()  # A crash in C ends with the place, too.
        work(arguments)
    else:
        supervise(arguments)


def one_target(arguments: argparse.Namespace, folder: Path) -> None:
    """One case alone, or one target guided by its coverage."""
    from tests.helpers.fuzz import Bench
    from tests.helpers.fuzz_targets import TARGETS

    (name,) = arguments.target
    bench = Bench(TARGETS[name], folder)
    if arguments.atheris:
        guided(bench, folder, arguments.hang)
    path, data = bench.case(dice_of(arguments.seed, name, arguments.case))
    print(path, data[:2000])
    bench.read(path, data)


def supervise(arguments: argparse.Namespace) -> None:
    """Have processes work until enough cases were tried, a new one whenever one dies."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Which ends the process below, too.
    while sum(line["cases"] for line in _lines(arguments.log)) < arguments.cases:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "tests.fuzz", *sys.argv[1:], "--work", folder]
            code = subprocess.run(command, check=False).returncode
            last = Path(folder) / LAST
            if code and not last.is_file():
                sys.exit(f"the process ended with {code} before the first case")
            if code:
                _died(arguments.log, json.loads(last.read_text()), code)
    print("\n".join(summary(_lines(arguments.log))))


def work(arguments: argparse.Namespace) -> None:
    """Turn after turn, until enough cases were tried; first the targets that had fewest turns."""
    import torch  # noqa: F401

    from landmarks.device import use_threads
    from tests.helpers.fuzz import Bench
    from tests.helpers.fuzz_targets import TARGETS

    use_threads(1)
    targets = [
        name for name in arguments.target or TARGETS if all(find_spec(package) for package in TARGETS[name].packages)
    ]
    lines = list(_lines(arguments.log))
    turns = Counter(line["target"] for line in lines)
    tried = Counter[str]()
    for line in lines:
        tried[line["target"]] += line["cases"]
    seen = {failure["mark"] for line in lines for failure in line["failures"]}
    benches: dict[str, Bench] = {}
    while tried.total() < arguments.cases:
        name = min(targets, key=lambda target: turns[target])
        if name not in benches:
            (Path(arguments.work) / LAST).unlink(missing_ok=True)  # What happens now is no case's fault.
            benches[name] = Bench(TARGETS[name], Path(arguments.work) / name)
        line = turn(benches[name], name, tried[name], arguments, seen)
        turns[name] += 1
        tried[name] += line["cases"]
        _append(arguments.log, line)


def turn(bench: Bench, name: str, first: int, arguments: argparse.Namespace, seen: set[str]) -> dict:
    """Some cases of a target, from number `first` on -> the line of the log. seen: marks of failures found before."""
    from tests.helpers.fuzz import MEMORY, peak

    failures: list[dict] = []
    started, before, number = time.monotonic(), peak(), first
    while number < first + TURN and (number == first or time.monotonic() - started < SECONDS):
        path, data = bench.case(dice_of(arguments.seed, name, number))
        last = {"target": name, "first": first, "case": number, "path": str(path)}
        (Path(arguments.work) / LAST).write_text(json.dumps(last))
        faulthandler.dump_traceback_later(arguments.hang, exit=True)
        try:
            bench.read(path, data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            mark = f"{name}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            failures.append({"case": number, "mark": mark, "said": str(error)[-500:]})
        faulthandler.cancel_dump_traceback_later()
        if peak() - before > MEMORY:
            failures.append({"case": number, "mark": f"{name}: memory", "said": f"{peak() - before:,} bytes more"})
            before = peak()
        for failure in failures:
            if failure["case"] == number and failure["mark"] not in seen:
                seen.add(failure["mark"])
                kept = arguments.log.parent / f"{name}-{number}" / path.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(data)
                print(f"{failure['mark']}: {failure['said']} (case {number})", flush=True)
        number += 1
    took = round(time.monotonic() - started, 1)
    return {"target": name, "first": first, "cases": number - first, "seconds": took, "failures": failures}


def dice_of(seed: int, name: str, number: int) -> random.Random:
    """What a case is made with."""
    return random.Random(f"{seed} {name} {number}")


def summary(lines: Iterable[dict]) -> list[str]:
    """The log in a few lines: cases, hours, and each failure once."""
    cases, seconds, failures, first = Counter[str](), 0.0, Counter[str](), {}
    for line in lines:
        cases[line["target"]] += line["cases"]
        seconds += line["seconds"]
        for failure in line["failures"]:
            failures[failure["mark"]] += 1
            first.setdefault(failure["mark"], failure)
    rate = cases.total() / seconds * 3600 if seconds else 0.0
    told = [f"{cases.total():,} cases in {seconds / 3600:.2f} h, {rate:,.0f} an hour; {len(failures)} failures"]
    told += [f"  {name}: {count:,}" for name, count in sorted(cases.items())]
    return told + [f"{mark}, {count} times, first case {first[mark]['case']}" for mark, count in failures.items()]


def guided(bench: Bench, folder: Path, hang: float) -> None:
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
    options = [f"-timeout={hang:.0f}", "-rss_limit_mb=4096", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: bench.read(bench.names[0], data))
    atheris.Fuzz()


def _lines(log: Path) -> Iterator[dict]:
    """The whole lines of the log."""
    if log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n"):
                yield json.loads(line)


def _append(log: Path, line: dict) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _died(log: Path, last: dict, code: int) -> None:
    """Note the turn of a process that died: its last case is a failure."""
    name, number = last["target"], last["case"]
    failure = {"case": number, "mark": f"{name}: died", "said": f"exit code {code}"}
    print(f"{name}: the process ended with {code} (case {number})", flush=True)
    line = {"target": name, "first": last["first"], "cases": number - last["first"] + 1, "seconds": 0.0}
    _append(log, line | {"failures": [failure]})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=200_000, help="of all targets together, those of the log included")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, default=Path("fuzz/log.jsonl"), help="one log has one seed")
    parser.add_argument("--target", nargs="*", default=[], metavar="NAME", help="by default all")
    parser.add_argument("--case", type=int, help="try this case of one target alone")
    parser.add_argument("--hang", type=float, default=300, help="seconds that a case may take")
    parser.add_argument("--show", action="store_true", help="tell what the log has")
    parser.add_argument("--atheris", action="store_true", help="one target, guided by its coverage; needs atheris")
    parser.add_argument("--work", help=argparse.SUPPRESS)  # The folder of a process that works.
    return parser.parse_args()


if __name__ == "__main__":
    main()
