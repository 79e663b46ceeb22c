"""Files that are not what a command wants: one sentence with the cure, whatever is in them."""

import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.helpers.commands import run

DEEP = "[" * 200_000
"""JSON that no reader gets to the end of."""


@pytest.fixture
def say(monkeypatch, capfd):
    """Exit code and all that a command says."""

    def run_it(*arguments):
        code = run(monkeypatch, *arguments)
        return code, " ".join("".join(capfd.readouterr()).split())

    return run_it


def header(text):
    return struct.pack("<Q", len(text)) + text


WEIGHTS = {
    "empty": (b"", "not a whole safetensors file"),
    "text": (b"hello", "not a whole safetensors file"),
    "huge": (struct.pack("<Q", 2**62) + b"{}", "not a whole safetensors file"),
    "cut": (struct.pack("<Q", 90_000_000) + b"{" + bytes(100), "not a whole safetensors file"),
    "list": (header(b"[" * 10_000), "not a whole safetensors file"),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_info_of_nonsense(tmp_path, say, name):
    content, message = WEIGHTS[name]
    (tmp_path / "w.safetensors").write_bytes(content)
    code, text = say("weights", "info", str(tmp_path / "w.safetensors"))
    assert code == 2 and message in text and "train weights with" in text


@pytest.mark.parametrize("told", [DEEP, "5", "[1]", '{"format": NaN}', '{"format": 2}', '{"format": 2, "config": 5}'])
def test_weights_whose_own_header_is_nonsense(tmp_path, say, told):
    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "w.safetensors", metadata={"landmarks": told})
    code, text = say("weights", "info", str(tmp_path / "w.safetensors"))
    assert code == 2 and "w.safetensors: " in text and "Traceback" not in text


def test_folders_in_the_place_of_files(tmp_path, say):
    code, text = say("weights", "info", str(tmp_path))
    assert code == 2 and "is a folder; give the weights file itself" in text
    code, text = say("compare", str(tmp_path), "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--dry-run")
    assert code == 2 and "is a folder; give the TOML file itself" in text


@pytest.mark.parametrize("facts", ["", DEEP, "5", "{}", json.dumps({"name": 5})])
def test_prepared_folders_that_are_none(tmp_path, say, facts):
    (tmp_path / "dataset.json").write_text(facts)
    for name in ("table.parquet", "crops.parquet", "crops.npy"):
        (tmp_path / name).write_text("x")
    (tmp_path / "grid.toml").write_text('reference = "a"\n[[arms]]\nname = "a"\ntasks = ["points_5"]\n')
    for command in (
        ("data", "check", str(tmp_path)),
        ("compare", str(tmp_path / "grid.toml"), "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--dry-run"),
    ):
        code, text = say(*command)
        assert code in (1, 2) and "Traceback" not in text and str(tmp_path) in text
        assert "prepare" in text


@pytest.mark.parametrize("asked", [None, "0"])
def test_onnxruntime_tells_nobody_of_its_use(asked):
    """Unless the user wants it to."""
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    env |= {} if asked is None else {"ORT_DISABLE_TELEMETRY": asked}
    code = "import os, landmarks; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == (asked or "1")
