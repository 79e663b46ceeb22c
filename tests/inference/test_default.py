"""What runs by default: the shipped eight-bit export on a CPU, without torch; torch elsewhere. Both give the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from landmarks import Annotator, device, images, shipped
from landmarks.batch.run import Summary
from landmarks.cli.annotate import summary_lines
from landmarks.datasets.dataset import read_dataset
from landmarks.detection.centerface import CenterFace
from landmarks.errors import WeightsError
from landmarks.export.file import locator_path, read_onnx
from landmarks.inference.backend import load_backend
from landmarks.inference.choice import exported_file, modules
from landmarks.models.files import shipped_export, shipped_names
from landmarks.shipped import SHIPPED, checksums
from tests.helpers.faces import SAMPLES, draw_face, shared, write_png

HEAVY = ("torch", "torchvision", "albumentations", "pandas", "pyarrow", "av", "matplotlib", "onnx")
EXPORTED = [name for name in shipped_names() if shipped_export(name)]


def without(tmp_path: Path, *names: str) -> dict[str, str]:
    """An environment in which importing these packages is an error, in every process."""
    for name in names:
        package = tmp_path / "refused" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"raise RuntimeError({name!r} + ' was imported')")
    path = os.pathsep.join([str(tmp_path / "refused"), *sys.path])
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_annotate_needs_nothing_heavy(workers, tmp_path):
    for seed in range(9):  # more than a task, so that two workers have something to do
        write_png(tmp_path / "in" / f"{seed}.png", draw_face(seed)[0])
    command = [sys.executable, "-m", "landmarks", "annotate", tmp_path / "in", SAMPLES / "astronaut.png"]
    command += ["--out", tmp_path / "out", "--workers", str(workers), "--device", "cpu"]
    done = subprocess.run(command, env=without(tmp_path, *HEAVY), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "10 images" in done.stderr and "network: onnx, int8" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there workers come from no process that has imported anything")
@pytest.mark.parametrize("detector", ["facegrid", "centerface"])
def test_workers_find_all_imported(detector):
    """What a worker imports by itself, every other one imports, too, while the run waits for its first image."""
    code = """
import sys
from importlib import import_module
from landmarks import AnnotatorConfig, find
from landmarks.batch.engines import processes
config = AnnotatorConfig(detector=sys.argv[1], device="cpu")
for name in (*config.preload, processes.WORKER):
    import_module(name)
before = set(sys.modules)
from landmarks.batch.engines.worker import Worker
done = Worker(config.create())(list(find(sys.argv[2])))
assert len(done.records[0].faces), done
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""
    command = [sys.executable, "-c", code, detector, str(SAMPLES / "astronaut.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= sys.stdlib_module_names


def test_the_refusal_is_noticed(tmp_path):
    """The test above would fail if torch were imported."""
    command = [sys.executable, "-c", "import torch"]
    done = subprocess.run(command, env=without(tmp_path, "torch"), capture_output=True, text=True)
    assert "torch was imported" in done.stderr


def test_help_needs_no_arrays(tmp_path):
    command, environment = [sys.executable, "-m", "landmarks", "--help"], without(tmp_path, *HEAVY, "numpy")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "annotate" in done.stdout, done.stderr


def test_threads_are_those_asked_for_even_if_torch_comes_later():
    code = """
import sys
from landmarks import device
assert device.thread_count() >= 1
device.use_threads(3)
assert device.thread_count() == 3 and "torch" not in sys.modules
device.choose_device("cpu")
assert sys.modules["torch"].get_num_threads() == device.thread_count() == 3
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})


@pytest.mark.parametrize("name", EXPORTED)
@pytest.mark.parametrize(
    ("where", "backend", "exported"),
    [("cpu", None, True), ("cpu", "torch", False), ("cpu", "onnx", True), ("cuda", None, False), ("auto", "onnx", 1)],
)
def test_which_back_end_runs(name, where, backend, exported):
    path = exported_file(name, where, backend)
    assert path == (shipped_export(name) if exported else None)
    assert ("onnxruntime" in modules(name, where, backend)) == exported
    assert exported_file(SHIPPED / f"{name}.safetensors", where, backend) is None, "a file that is named is run itself"


@pytest.mark.parametrize(("driver", "gpu", "exported"), [(False, True, True), (True, True, False), (True, False, True)])
def test_auto_asks_torch_only_where_a_driver_is_in_sight(driver, gpu, exported, monkeypatch, tmp_path):
    monkeypatch.setattr(device, "DRIVERS", (str(tmp_path) if driver else str(tmp_path / "none"),))
    monkeypatch.setattr("torch.cuda.is_available", lambda: gpu)
    assert (exported_file("compact", "auto", None) is not None) == exported
    assert ("onnxruntime" in modules("compact", "auto", None)) == (not driver)


@pytest.mark.parametrize("name", EXPORTED)
def test_shipped_exports_are_of_the_shipped_weights(name):
    path, sums = shipped_export(name), checksums()
    assert path is not None
    for file in (read_onnx(path), read_onnx(locator_path(path))):
        assert (file.precision, file.weights_sha256) == ("int8", sums[f"{name}.safetensors"])
    assert (SHIPPED / f"{name}.md").read_text(encoding="utf-8").count(sums[path.name]) == 1, "the card names the file"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"!"), "does not have the checksum in SHA256SUMS"),
        (lambda path: path.unlink(), "cannot be read"),
        (lambda path: locator_path(path).write_bytes(b""), "does not have the checksum in SHA256SUMS"),
        (lambda path: locator_path(path).unlink(), "is not beside it"),
    ],
)
def test_shipped_exports_that_are_changed_or_gone_are_refused(change, message, monkeypatch, tmp_path):
    for path in SHIPPED.iterdir():
        if path.name == "SHA256SUMS" or path.name.startswith("compact."):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    change(tmp_path / "compact.int8.onnx")
    with pytest.raises(WeightsError, match=message):
        load_backend("compact", "cpu")


def compare(weights, pictures, boxes) -> tuple[np.ndarray, float]:
    """Distances of points between the default and torch, % of the inter-ocular distance, (N,) the mean of a face's;
    share of the labels that differ, %."""
    ours, torchs = (Annotator(weights, CenterFace(), device="cpu", backend=backend) for backend in (None, "torch"))
    assert (ours.settings()["backend"], ours.settings()["precision"]) == ("onnx", "int8")
    assert (torchs.settings()["backend"], torchs.settings()["precision"]) == ("torch", "float32")
    moved, differ = [], []
    for a, b in zip(ours.predict(pictures, boxes), torchs.predict(pictures, boxes)):
        eyes = np.linalg.norm(b.points[:, 0] - b.points[:, 1], axis=-1)
        moved += (100 * np.linalg.norm(a.points - b.points, axis=-1).mean(axis=1) / eyes).tolist()
        differ += [(a.attributes[name].indices != b.attributes[name].indices).mean() for name in a.attributes]
    return np.array(moved), 100 * float(np.mean(differ))


@pytest.mark.parametrize("weights", EXPORTED)
def test_both_back_ends_give_the_same_rows(weights):
    """What docs/annotate.md states."""
    pictures = [images.read(SAMPLES / name).pixels for name in ("astronaut.png", "grace_hopper.jpg")]
    boxes = [np.array([[173, 60, 281, 203]]), np.array([[208, 84, 389, 337]])]
    moved, differ = compare(weights, pictures, boxes)
    assert moved.max() < 1 and differ == 0
    dataset = read_dataset(shared("datasets/MTFL.zip"))
    rows = np.random.default_rng(0).permutation(np.flatnonzero((dataset.table["split"] == "train").to_numpy()))[:200]
    pictures, points = [dataset.image(row) for row in rows], np.stack(dataset.table["points_5"].iloc[rows])
    middle, size = (points.max(axis=1) + points.min(axis=1)) / 2, np.ptp(points, axis=1).max(axis=1, keepdims=True)
    boxes = np.concatenate([middle - 1.15 * size, middle + 1.15 * size], axis=1)  # about what a detector finds
    moved, differ = compare(weights, pictures, list(boxes[:, None]))
    assert moved.mean() < 0.5 and np.percentile(moved, 99) < 2 and differ < 2


def test_the_summary_says_what_computed():
    lines = summary_lines(Summary({"ok": 1}, 1, 1.0, 1, backend="torch, float32"), Path("out"))
    assert lines[-1].endswith("network: torch, float32")
