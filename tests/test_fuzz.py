"""A few damaged files of each kind and odd calls of the commands; `python -m tests.fuzz` goes on for hours."""

from __future__ import annotations

import json
import math
import os
import random
from argparse import Namespace
from pathlib import Path

import pytest

from tests import fuzz
from tests.fuzz import summary, turn
from tests.helpers.fuzz import MEMORY, Bench, peak
from tests.helpers.fuzz_commands import ARGUMENTS
from tests.helpers.fuzz_targets import TARGETS, Target, write
from tests.helpers.packages import needs_export

CASES = int(os.environ.get("LANDMARKS_FUZZ", "0"))
"""Of each target; 0: a few, the same ones every time."""
# Of what an odd file makes Pillow, OpenCV and pandas say, nothing matters here.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_end_in_a_result_or_in_one_of_our_errors(name, tmp_path_factory):
    from hypothesis import HealthCheck, given, settings  # here: every process that shares the tests would import it
    from hypothesis import strategies as st

    for package in TARGETS[name].packages:
        pytest.importorskip(package)
    if name.startswith("onnx"):
        needs_export()
    bench, before = Bench(TARGETS[name], tmp_path_factory.mktemp(name)), peak()

    cases = CASES or TARGETS[name].quick

    @settings(max_examples=cases, deadline=None, derandomize=not CASES, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def try_one(dice: random.Random) -> None:
        bench.read(*bench.case(dice))

    try_one()
    assert peak() - before < MEMORY


def test_a_long_run_notes_each_failure_with_its_case(tmp_path, monkeypatch):
    """Which is the same when it is tried again."""
    monkeypatch.setattr(fuzz, "TURN", 60)
    monkeypatch.setattr(fuzz, "SECONDS", math.inf)

    def read(folder: Path) -> None:
        if len((folder / "a").read_bytes()) % 3 == 0:
            raise KeyError("the number of bytes")

    bench = Bench(Target(lambda folder: write(folder / "a", b"abcd"), read), tmp_path / "bench")
    arguments = Namespace(seed=1, hang=60, work=tmp_path, log=tmp_path / "log.jsonl")
    seen: set[str] = set()
    line, again = (turn(bench, "small", 0, arguments, seen) for _ in range(2))
    assert line["failures"] == again["failures"] and 0 < len(line["failures"]) < line["cases"]
    first, mark = line["failures"][0]["case"], line["failures"][0]["mark"]
    assert seen == {mark} and "KeyError" in mark and len((tmp_path / f"small-{first}" / "a").read_bytes()) % 3 == 0
    told = summary([line, again])
    assert told[0].startswith(f"{2 * line['cases']} cases") and told[0].endswith("1 failures")
    assert told[-1] == f"{mark}, {2 * len(line['failures'])} times, first case {first}"


WRONG_CALLS = [
    "train train.toml --data prepared --out junk.bin --device cpu",
    "train train.toml --data prepared --out junk.bin/x --device cpu",
    "train train.toml --data prepared --out out --device meta",
    "train train.toml --data prepared --out out --device cpu --set learning_rate=1e300",
    "train train.toml --data prepared --out out --device cpu --seed 99999999999999999999",
    "train train.toml --data prepared --out out --device cpu --threads 99999999999999999999",
    "evaluate --data MTFL --weights w.safetensors --detector whole-image --device cpu --plots junk.bin",
]
"""Each once ended in a traceback."""


def test_wrong_calls_end_in_a_sentence(tmp_path):
    bench = Bench(TARGETS["commands"], tmp_path)
    for call in WRONG_CALLS:
        bench.read(Path(ARGUMENTS), json.dumps(call.split()).encode())
