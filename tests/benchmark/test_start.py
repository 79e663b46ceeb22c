"""From the command to the first row."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from landmarks.benchmark import start
from tests.helpers.faces import SAMPLES


def test_a_run_is_told_in_seconds(tmp_path, monkeypatch, capsys):
    options = ["--detector", "facegrid", "--workers", "0", "--rounds", "1"]
    monkeypatch.setattr("sys.argv", ["start", str(SAMPLES / "astronaut.png"), *options])
    monkeypatch.setattr(start.tempfile, "tempdir", str(tmp_path))
    start.main()
    package, figures = capsys.readouterr().out.splitlines()[1].rsplit(": ", 1)
    row, worked, end = map(float, figures.split(", "))
    assert package == str(start.OWN) and 0 < row <= end
    assert worked > 0 or (math.isnan(worked) and sys.platform != "linux")


def test_a_command_that_fails(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        start.measure([str(tmp_path / "none.png")], tmp_path / "compiled")
