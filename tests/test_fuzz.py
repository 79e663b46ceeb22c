"""A few damaged files of each kind; `python -m tests.helpers.fuzz` tries as many as there is time for."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.fuzz import MEMORY, TARGETS, Bench, peak

CASES = int(os.environ.get("LANDMARKS_FUZZ", "10"))
# Of what an odd file makes Pillow, OpenCV and pandas say, nothing matters here.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_end_in_a_result_or_in_one_of_our_errors(name, tmp_path_factory):
    for package in {"data-cofw": ["h5py"], "onnx": ["onnx", "onnxruntime", "onnxscript"]}.get(name.split("-h")[0], []):
        pytest.importorskip(package)
    bench, before = Bench(TARGETS[name], tmp_path_factory.mktemp(name)), peak()

    @settings(max_examples=CASES, deadline=None, derandomize=CASES <= 10, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def try_one(dice: random.Random) -> None:
        bench.read(*bench.case(dice))

    try_one()
    assert peak() - before < MEMORY
