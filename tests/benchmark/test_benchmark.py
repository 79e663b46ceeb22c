from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from landmarks import Annotator, AnnotatorConfig
from landmarks.benchmark import peers
from landmarks.benchmark.speed import UNITS, Speed, call_times, repeated, run_speed, stage_times
from landmarks.device import FEW_FACES
from landmarks.errors import LandmarksError
from landmarks.inference import torch_backend as backend_of_torch
from landmarks.inference.backend import load_backend
from landmarks.sources.find import find
from tests.helpers import load
from tests.helpers.commands import run
from tests.helpers.faces import draw_face, write_png


@pytest.fixture
def photographs(tmp_path):
    for i in range(3):
        write_png(tmp_path / "in" / f"{i}.png", draw_face(i)[0])
    return find([tmp_path / "in"])


def test_every_stage_is_timed(photographs, small_weights):
    times = stage_times(Annotator(small_weights, "whole-image"), photographs, rounds=1)
    assert list(times) == list(UNITS) and all(time > 0 for time in times.values())


def test_images_without_faces_cannot_be_timed(photographs, small_weights, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\n")
    with pytest.raises(LandmarksError, match="no face in these images"):
        stage_times(Annotator(small_weights, boxes), photographs, rounds=1)


def test_one_call_is_timed_with_the_default_threads_and_with_one(photographs, small_weights):
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    try:
        calls = call_times(AnnotatorConfig(small_weights, "whole-image"), photographs, rounds=1)
        assert calls.threads == torch.get_num_threads() == 2 and cv2.getNumThreads() == before[1]
    finally:
        torch.set_num_threads(before[0])
    assert min(calls.by_default, calls.with_one, calls.ratio) > 0


def test_few_faces_are_computed_on_one_thread(small_weights, monkeypatch):
    """More would keep the cores from the detector's threads, and those from them."""
    backend, seen = load_backend(small_weights, "cpu"), {}
    monkeypatch.setattr(
        backend_of_torch, "predict", lambda *_: seen.update(now=torch.get_num_threads()) or ({}, {}, {}, {})
    )
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        for faces, threads in ((1, 1), (FEW_FACES, 1), (FEW_FACES + 1, 2), (64, 2)):
            backend.run_network(np.zeros((faces, 48, 48, 3), np.uint8))
            assert seen["now"] == threads and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_whole_run(photographs, small_weights):
    """Images are repeated under other names, so that each is done."""
    speed = run_speed(AnnotatorConfig(small_weights, "whole-image"), photographs, 20, workers=0)
    assert (speed.images, speed.faces) == (20, 20) and speed.rate > 0 and speed.start > 0
    assert 0 < speed.beyond < 1 and sum(speed.stages.values()) == pytest.approx(1)
    assert [source.name for source in repeated(photographs, 4)] == ["0/0.png", "0/1.png", "0/2.png", "1/0.png"]


def test_beyond_detection():
    speed = Speed(1, 1, 1, 0.0, 1.0, {"read": 0.1, "decode": 0.2, "detect": 0.3, "locate": 0.3, "write": 0.1})
    assert speed.beyond == pytest.approx(0.4)


def test_peers_run_beside(monkeypatch, photographs, small_weights, tmp_path, capsys):
    """A peer that is not installed is left out; one that is sees a copy of the size asked for."""
    sizes = set()

    def make():
        return lambda image: sizes.add(image.shape) or 2

    monkeypatch.setattr(peers, "PEERS", {"one": ("json", make), "none": ("no_such_package", make)})
    arguments = ["benchmark", photographs[0].path, "--weights", small_weights, "--detector", "whole-image"]
    arguments += ["--rounds", 0, "--images", 9, "--workers", 0, "--peers", "--side", 40, "--out", tmp_path / "f.json"]
    assert run(monkeypatch, *arguments) == 0
    assert "one" in capsys.readouterr().out
    runs = json.loads((tmp_path / "f.json").read_text())["runs"]
    assert {name: run["faces"] for name, run in runs.items()} == {"landmarks, 0 workers": 9, "one": 18}
    assert sizes == {(40, 40, 3)}


@pytest.mark.parametrize("name", list(peers.PEERS))
def test_each_installed_peer_finds_a_face(name):
    package = peers.PEERS[name][0]
    pytest.importorskip(package, reason=f"needs {package}", exc_type=ImportError)
    from tests.helpers.faces import SAMPLES

    (record,) = peers.Peer(name).stream(find([SAMPLES / "astronaut.png"]))
    assert (record.status, len(record.faces)) == ("ok", 1)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is looked up where Linux tells it")
def test_load(photographs, tmp_path):
    """What `python -m tests.helpers.load` measures: images under other names, none taken for a copy of another. With
    the shipped network: torch would take seconds."""
    load.link_images(tmp_path / "in", tmp_path / "many", 60)  # So many that memory is looked at more than once.
    found = load.run(tmp_path / "many", tmp_path / "out", ["--whole-image", "--device", "cpu"])
    assert found.images == 60 and "60 images (60 ok), 60 faces" in found.summary
    assert 0 < found.first <= found.seconds
    assert found.peak > 50 << 20 or not Path("/proc/self/smaps_rollup").exists()


def test_decoding_is_measured(capsys, monkeypatch, tmp_path):
    from landmarks.benchmark import decoding
    from tests.helpers.pictures import jpeg

    (tmp_path / "a.jpg").write_bytes(jpeg())
    monkeypatch.setattr("sys.argv", ["decoding", str(tmp_path / "a.jpg")])
    decoding.main()
    name, without, ours, ratio = capsys.readouterr().out.splitlines()[1].split(", ")
    assert name.endswith("a.jpg") and float(without) > 0 and float(ours) > 0 and float(ratio) > 0
