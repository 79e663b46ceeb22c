"""Processes that train together: they share their gradients, the leader goes first, and one training is told."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from landmarks.errors import LandmarksError
from landmarks.training.detector.crops.batches import Batches
from landmarks.training.detector.from_config import WEIGHTS, train_detector
from landmarks.training.detector.loop import LOG
from landmarks.training.detector.team import Team, joined
from tests.training.detector.test_from_config import TOML
from tests.training.detector.test_loop import CONFIG

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="torchrun wants libuv there")

TOGETHER = """
import sys
from pathlib import Path
import torch
from torch import nn
from landmarks.training.detector.team import joined
out = Path(sys.argv[1])
with joined("cpu") as team:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    network[1].bias.requires_grad_(False)
    data = torch.arange(12.0).reshape(4, 3)
    network(data[2 * team.rank : 2 * team.rank + 2]).mean().backward()
    team.share(network)
    own = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    network(data).mean().backward()
    whole = [p.grad for p in network.parameters() if p.grad is not None]
    for shared, true in zip(own, whole, strict=True):
        torch.testing.assert_close(shared, true)
    assert team.any(team.rank == 1) and not team.any(False)
    assert float(team.mean(torch.tensor(1.0 + team.rank))) == 1.5
    def first():
        if team.leads:
            (out / "made").write_text("whole")
        return (out / "made").read_text()
    assert team.in_turn(first) == "whole"
    (out / f"done{team.rank}").touch()
"""
STOPPED = """
import os, signal, sys
from landmarks.training.detector.from_config import train_detector
def report(row):
    os.kill(os.getpid(), signal.SIGTERM)  # the leader alone, which is not to leave the other behind
config, data, out = sys.argv[1:]
train_detector(config, [data], out, "cpu", report=report)
"""
CONFIG_FILE = TOML + "rise_steps = 2\nfall_steps = 2\nvalidate_steps = 4\n"
CONFIG_FILE = CONFIG_FILE.replace("steps = 2\nbatch_size = 2", "steps = 6\nbatch_size = 4", 1)
CONFIG_FILE = CONFIG_FILE.replace("log_steps = 1", "log_steps = 2")


def torchrun(*command):
    """Two processes, which need a free port alone."""
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *map(str, command)]


def run(*command):
    return subprocess.run(torchrun(*command), capture_output=True, text=True, timeout=300)


def test_two_processes_have_the_gradient_of_the_whole(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(TOGETHER)
    done = run(script, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done0").exists() and (tmp_path / "done1").exists()


def test_one_alone_has_its_own():
    team = Team()
    layer = torch.nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad.clone()
    team.share(layer)
    assert torch.equal(layer.weight.grad, before)
    assert team.leads and team.any(True) and not team.any(False) and team.in_turn(lambda: 5) == 5


def test_each_makes_its_own_part_of_a_batch_and_a_single_one_all(pictures):
    whole, *parts = (Batches(pictures, CONFIG, None, Team(rank, count)) for rank, count in ((0, 1), (0, 2), (1, 2)))
    assert len(whole[3].pixels) == 2
    first, second = (part[3].pixels.numpy() for part in parts)
    assert len(first) == len(second) == 1 and not np.array_equal(first, second)
    assert np.array_equal(second, parts[1][3].pixels.numpy()), "the same whenever it is made"
    assert np.array_equal(first, whole[3].pixels.numpy()[:1])


def test_a_training_of_two_is_told_once_and_goes_on_where_it_stopped(drawn, tmp_path):
    config = tmp_path / "detector.toml"
    config.write_text(CONFIG_FILE)
    command = ["-m", "--", "landmarks", "train", config, "--data", drawn, "--device", "cpu", "--out"]
    whole = run(*command, tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.count("weights:") == 1 and whole.stderr.count("step 2:") == 1
    rows = [json.loads(line) for line in (tmp_path / "whole" / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 4, 6, 6]

    script = tmp_path / "script.py"
    script.write_text(STOPPED)
    part = run(script, config, drawn, tmp_path / "part")
    assert part.returncode and not (tmp_path / "part" / WEIGHTS).exists()
    rows = [json.loads(line) for line in (tmp_path / "part" / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [2]
    with pytest.raises(LandmarksError, match="processes"):
        train_detector(config, [drawn], tmp_path / "part", "cpu")
    again = run(*command, tmp_path / "part")
    assert again.returncode == 0, again.stderr
    one, other = (load_file(tmp_path / name / WEIGHTS) for name in ("whole", "part"))
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_processes_that_cannot_share_are_refused(drawn, tmp_path):
    config = tmp_path / "detector.toml"
    config.write_text(CONFIG_FILE.replace("batch_size = 4", "batch_size = 3"))
    done = run("-m", "--", "landmarks", "train", config, "--data", drawn, "--device", "cpu", "--out", tmp_path / "out")
    assert done.returncode and "2 processes cannot share 3 crops alike" in done.stderr
    assert not (tmp_path / "out" / WEIGHTS).exists()


def test_several_processes_on_a_gpu_are_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_torchelastic_launched", lambda: True)
    with pytest.raises(LandmarksError, match="--device cpu"), joined("cuda"):
        pass
