"""Arms, grids and the runner."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from landmarks.atomic import Lock
from landmarks.comparison.estimate import minutes
from landmarks.comparison.example import EXAMPLE, FULL, draw_face
from landmarks.comparison.grid import CASCADE, MAIN, Arm, Grid
from landmarks.comparison.grid_file import read_grid
from landmarks.comparison.results import read_results
from landmarks.comparison.run import LOCK, compare
from landmarks.comparison.side_by_side import write_side_by_side
from landmarks.comparison.test_faces import make_bench, open_bench
from landmarks.comparison.train import (
    backend_of,
    choose_faces,
    count_arm_parameters,
    kept_samples,
    locate_in,
    make_network,
    multiply_adds_of,
)
from landmarks.datasets.augment import Jitter
from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.datasets.views import make_views, open_views
from landmarks.detection.create import create_detector
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, LandmarksError
from landmarks.models.network import Network
from landmarks.schemes import ATTRIBUTES
from landmarks.training.batches import CachedBatches
from landmarks.training.loop import fit
from tests.helpers.comparisons import hurry
from tests.helpers.faces import write_png

STILL = Jitter(scale=(1, 1), shift=0, angle=0)
ALL = (MAIN, *ATTRIBUTES)


@pytest.mark.parametrize(
    ("network", "parameters", "multiply_adds"),
    [
        # Zhang et al., ECCV 2014: 5x5x16, 3x3x48, 3x3x64, 2x2x64, 256 -> 100, heads of 10, 2, 2, 2, 5
        ("tcdcn", 416 + 6_960 + 27_712 + 16_448 + 25_700 + 2_121, None),
        # arXiv 1408.3967: 5x5x20, 5x5x48, 3x3x64, 3x3x80, 720 -> 256
        ("tcdcn-journal", 520 + 24_048 + 27_712 + 46_160 + 184_576 + 257 * 21, None),
    ],
)
def test_papers_networks_have_the_papers_size(network, parameters, multiply_adds):
    arm = Arm("x", network=network)
    made, _ = make_network(arm, arm.training(0))
    assert count_arm_parameters(made) == parameters
    if network == "tcdcn":
        assert parameters == 79_357
        convolutions = 36**2 * 25 * 16 + 16**2 * 9 * 16 * 48 + 6**2 * 9 * 48 * 64 + 2**2 * 4 * 64 * 64
        # beside the five heads the expected errors', which the paper does not have
        assert multiply_adds_of(made) == convolutions + 256 * 100 + 100 * 21 + 100 * 5


def test_absolute_tanh_is_taken_after_pooling_with_the_same_result():
    arm = Arm("x")
    network, _ = make_network(arm, arm.training(0))
    stage = network.encoder.stages[1]
    x = torch.rand(2, 16, 18, 18)
    expected = torch.nn.functional.max_pool2d(torch.tanh(stage[0](x)).abs(), 2)
    torch.testing.assert_close(stage(x), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"network": "resnet"}, "unknown network"),
        ({"sharing": "firm"}, "unknown sharing"),
        ({"network": CASCADE}, "one task"),
        ({"name": "a/b"}, "without slashes"),
        ({"tasks": ("points_5", "hat")}, "unknown task 'hat'"),
        ({"weighting": "fair"}, "unknown weighting"),
        ({"seeds": 0}, "seeds"),
        ({"epochs": 0}, "epochs"),
    ],
)
def test_arms_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Arm(**{"name": "x", **values})


def test_the_landmarks_are_the_main_task_in_any_order():
    arm = Arm("x", tasks=("smile", MAIN, "pose"), auxiliary_weight=0.1)
    assert arm == Arm("x", tasks=(MAIN, "pose", "smile"), auxiliary_weight=0.1)
    assert arm.network_config().tasks == (MAIN, "pose", "smile")
    assert arm.training(0).task_weights == {"pose": 0.1, "smile": 0.1}


def test_faces_of_a_size_are_the_same_for_every_arm():
    chosen = choose_faces(100, 20, seed=3)
    assert len(set(chosen)) == 20
    assert (chosen == choose_faces(100, 20, seed=3)).all()
    assert (choose_faces(100, 20, seed=4) != chosen).any()
    assert (choose_faces(100, 0, seed=3) == np.arange(100)).all()


@pytest.fixture(scope="module")
def views(prepared, tmp_path_factory):
    """Eight faces, one view each, for 40 and for 64 pixels."""
    crops = load_crops(prepared)
    folder, made = tmp_path_factory.mktemp("views"), {}
    for network in ("tcdcn", "tcdcn-journal", "compact"):
        arm = Arm("any", network=network, crop_scale=1.7)  # closer: so few faces are seen large
        size = arm.network_config().input_size
        make_views(kept_samples(crops, crops.part("train")[:8], arm, STILL), 1, folder / str(size))
        made[size] = open_views(folder / str(size))
    return made


STEPS = 10
"""Of an epoch, after which all is measured and written."""
SLIM = Arm("slim", network="compact", width=0.25, distance="euclidean", distance_weight=150)
"""Learns five tasks in a fraction of the steps that the papers' network takes."""
OVERFITTING = [
    (Arm("single", tasks=(MAIN,)), 6),
    (Arm("all"), 25),  # The papers' small network needs longest for all the attributes beside the landmarks.
    (Arm("journal", tasks=(MAIN, "smile"), network="tcdcn-journal"), 10),
    (Arm("compact", network="compact", distance="euclidean", distance_weight=150, precision="float32"), 5),
    (Arm("l2", tasks=(MAIN, "smile"), sharing="l2", strength=1e-4), 5),
    (Arm("trace", tasks=(MAIN, "smile"), sharing="trace", strength=1e-4), 5),
    (Arm("cross-stitch", tasks=(MAIN, "smile"), sharing="cross_stitch"), 10),
    *(
        (dataclasses.replace(SLIM, name=name, weighting=name), 6)
        for name in ("uncertainty", "dwa", "gradnorm", "pcgrad", "dynamic")
    ),
    (Arm("cascade", tasks=(MAIN,), network=CASCADE), 5),
]
"""Arms of every kind, and the epochs that they take."""


@pytest.mark.parametrize(("arm", "epochs"), OVERFITTING, ids=[arm.name for arm, _ in OVERFITTING])
def test_every_arm_overfits_eight_faces(arm, epochs, views, tmp_path):
    arm = dataclasses.replace(
        arm,
        epochs=epochs,
        batch_size=8,
        weight_decay=0.0,
        learning_rate=5e-3,
        precision="float32",
        auxiliary_weight=1.0,
    )
    training = dataclasses.replace(arm.training(0), average_decay=0.8)
    torch.manual_seed(0)
    network, objective = make_network(arm, training)
    faces = views[arm.network_config().input_size]
    learnt = CachedBatches(faces.of(np.tile(np.arange(8), STEPS)), 8, 0, shuffle=False)
    watched = CachedBatches(faces, 8, 0, shuffle=False)
    trained = fit(network, objective, learnt, watched, watched, training, tmp_path, {})
    seen = objective.figures(trained, next(iter(watched.batches(0))))
    assert seen[f"{MAIN}_distance"][0] < 2.5  # % of the crop's side
    for task in objective.tasks[1:]:
        assert seen[task][0] < 0.5


@pytest.fixture
def small(prepared, monkeypatch):
    hurry(monkeypatch)
    return read_dataset(prepared), load_crops(prepared)


QUICK = {"epochs": 2, "batch_size": 8, "seeds": 1, "precision": "float32"}
GRID = Grid((Arm("one", tasks=(MAIN,), **QUICK), Arm("two", tasks=("smile",), **QUICK)), "one")


def test_a_grid_leaves_a_row_a_run_and_repeats_nothing(small, tmp_path):
    told: list[str] = []
    assert compare(GRID, *small, WholeImage(), tmp_path, report=told.append) == []
    assert any(re.fullmatch(r"2 trainings, 1 at a time: about \d+\.\d min", line) for line in told)
    results = pd.read_parquet(tmp_path / "results.parquet")
    assert sorted(results["arm"]) == ["one", "two"]
    row = results.set_index("arm").loc["one"]
    assert len(row["vectors"]) == len(row["vectors_2"]) == 8 * 5 * 2
    assert np.isfinite(row["vectors"]).all()
    other = results.set_index("arm").loc["two"]
    assert len(other["vectors"]) == 0
    assert len(other["guess_smile"]) == 8
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    lines: list[str] = []
    assert compare(GRID, *small, WholeImage(), tmp_path, report=lines.append) == []
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    changed = Grid((dataclasses.replace(GRID.arms[0], learning_rate=1e-3), GRID.arms[1]), "one")
    with pytest.raises(LandmarksError, match="another learning_rate"):
        compare(changed, *small, WholeImage(), tmp_path)
    with pytest.raises(LandmarksError, match="holds a comparison with split = test, not val"):
        compare(GRID, *small, WholeImage(), tmp_path, split="val")
    with pytest.raises(LandmarksError, match=r"with detector = \{'name': 'whole-image'\}, not \{.*'max_side': 320"):
        compare(GRID, *small, create_detector("centerface:320"), tmp_path)
    (tmp_path / "compare.json").write_text('{"dataset": ')
    with pytest.raises(LandmarksError, match=r"compare\.json: cannot be read .* it was damaged"):
        compare(GRID, *small, WholeImage(), tmp_path)


def test_an_arm_of_more_faces_than_there_are_is_refused(small, tmp_path):
    given = len(small[1].part("train"))
    arms = [Arm(str(faces), tasks=(MAIN,), faces=faces, **QUICK) for faces in (0, given, 100_000)]
    message = rf"arm '100000': faces = 100000, but .* has {given} training faces; give {given} or fewer, or 0 for all"
    with pytest.raises(LandmarksError, match=message):
        compare(Grid(tuple(arms), "0"), *small, WholeImage(), tmp_path)
    assert not list(tmp_path.iterdir())
    assert compare(Grid(tuple(arms), "0"), *small, WholeImage(), tmp_path, names=["0", str(given)]) == []


def test_a_second_comparison_in_one_folder_is_refused(small, tmp_path):
    with Lock(tmp_path / LOCK), pytest.raises(LandmarksError, match="another run is writing here"):
        compare(GRID, *small, WholeImage(), tmp_path)
    assert compare(GRID, *small, WholeImage(), tmp_path, names=["two"]) == []


def test_photographs_are_seen_side_by_side(small, tmp_path):
    compare(GRID, *small, WholeImage(), tmp_path)
    picture, _, _ = draw_face(0)
    photograph, page = write_png(tmp_path / "photo.png", picture), tmp_path / "page.png"
    write_side_by_side(tmp_path, GRID.arms, [photograph], WholeImage(), page)  # the arm without landmarks has no column
    assert cv2.imread(str(page)) is not None
    with pytest.raises(LandmarksError, match="no face found"):
        write_side_by_side(tmp_path, GRID.arms, [], WholeImage(), page)
    unknown = dataclasses.replace(GRID.arms[0], name="not run")
    with pytest.raises(LandmarksError, match="not run"):
        write_side_by_side(tmp_path, [unknown], [photograph], WholeImage(), page)


def test_one_seed_gives_one_result(small, tmp_path):
    for name in ("a", "b"):
        compare(GRID, *small, WholeImage(), tmp_path / name)
    first, again = (pd.read_parquet(tmp_path / name / "results.parquet") for name in ("a", "b"))
    for column in ("vectors", "vectors_2", "guess_smile"):
        for one, other in zip(first[column], again[column]):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_arm_that_fails_costs_only_itself(small, tmp_path, jobs):
    broken = tmp_path / "runs" / "two-0" / "state.safetensors"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"?")
    failures = compare(GRID, *small, WholeImage(), tmp_path, jobs=jobs)
    assert [failure.run for failure in failures] == ["two-0"]
    assert "WeightsError" in failures[0].reason
    assert list(pd.read_parquet(tmp_path / "results.parquet")["arm"]) == ["one"]


KILLED = """
import sys
from pathlib import Path
import pytest
from landmarks.comparison.grid_file import read_grid
from landmarks.comparison.run import compare
from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.detection.whole_image import WholeImage
from tests.helpers.comparisons import hurry
if __name__ == "__main__":
    grid, data, out = sys.argv[1:]
    hurry(pytest.MonkeyPatch())
    compare(read_grid(grid), read_dataset(data), load_crops(data), WholeImage(), Path(out))
"""


def test_a_killed_grid_goes_on(prepared, small, tmp_path):
    script, grid, out = tmp_path / "killed.py", tmp_path / "grid.toml", tmp_path / "out"
    script.write_text(KILLED)
    grid.write_text("[defaults]\nepochs = 2\nbatch_size = 8\nseeds = 2\n[[arms]]\nname = 'one'\ntasks = ['points_5']")
    command = [sys.executable, str(script), str(grid), str(prepared), str(out)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    started = subprocess.Popen(command, start_new_session=True, env=environment)
    while not list(out.glob("rows/*.parquet")) and started.poll() is None:
        time.sleep(0.05)
    os.killpg(started.pid, signal.SIGKILL)
    started.wait()
    done = {path: path.stat().st_mtime_ns for path in out.glob("rows/*.parquet")}
    assert done
    assert compare(read_grid(grid), *small, WholeImage(), out) == []
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())
    assert sorted(pd.read_parquet(out / "results.parquet")["seed"]) == [0, 1]
    grid.write_text(grid.read_text().replace("seeds = 2", "seeds = 3"))  # more of the same arm
    assert compare(read_grid(grid), *small, WholeImage(), out) == []
    assert read_results(out).arms["one"].seeds == (0, 1, 2)


ORPHAN = """
import multiprocessing, os, sys, time
from pathlib import Path
def work(path):
    from landmarks.comparison.run import _quiet  # here: the parent needs none of it
    _quiet(1)
    Path(path).write_text(str(os.getpid()))
    while True:
        time.sleep(1)
if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=work, args=(sys.argv[1] + "/pid",)).start()
"""


@pytest.mark.skipif(os.name == "nt", reason="asks for a process by its number")
def test_what_trains_ends_with_the_comparison(tmp_path):
    """Else it would go on writing to a folder that another comparison may have by then."""
    (tmp_path / "orphan.py").write_text(ORPHAN)
    started = subprocess.Popen([sys.executable, str(tmp_path / "orphan.py"), str(tmp_path)])
    while not (tmp_path / "pid").is_file() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    os.kill(child, 0)
    started.kill()
    started.wait()
    while _is_running(child):
        time.sleep(0.05)


def _is_running(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{number}/stat")  # One that nobody waits for stays in the list.
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_bench_keeps_faces_where_they_are(prepared, tmp_path):
    dataset = read_dataset(prepared)
    make_bench(dataset, "test", WholeImage(), tmp_path / "bench")
    bench = open_bench(tmp_path / "bench")
    assert len(bench.table) == 8
    assert bench.whole.all() and not bench.fallback.any()
    np.testing.assert_allclose(bench.squares(1.7), bench.boxes)
    np.testing.assert_allclose(bench.boxes, [[95.5, 95.5, 192, 0]] * 8)  # the whole image is the whole picture
    # a network that always says the middle of the crop: its points are the middle of the square
    arm = Arm("x", tasks=(MAIN,))
    network, _ = make_network(arm, arm.training(0))
    assert isinstance(network, Network)
    torch.nn.init.zeros_(network.heads[MAIN].linear.weight)
    torch.nn.init.zeros_(network.heads[MAIN].linear.bias)
    found = locate_in(backend_of(arm, network), bench.pictures, bench.squares(1.7), passes=1)
    np.testing.assert_allclose(found.points[MAIN], np.repeat(bench.boxes[:, None, :2], 5, axis=1), atol=1e-3)


@pytest.mark.parametrize("broken", ["bench.json", "faces.parquet", "pictures.npy"])
def test_a_broken_bench_is_refused(prepared, tmp_path, broken):
    make_bench(read_dataset(prepared), "test", WholeImage(), tmp_path / "bench")
    (tmp_path / "bench" / broken).write_bytes(b"?")
    with pytest.raises(DataError):
        open_bench(tmp_path / "bench")
    with pytest.raises(DataError, match="no faces"):
        make_bench(read_dataset(prepared), "nowhere", WholeImage(), tmp_path / "other")


def test_drawn_faces_show_their_labels():
    picture, points, labels = draw_face(0)
    again, _, _ = draw_face(0)
    assert (picture == again).all()
    assert picture.shape == (112, 112, 3)
    assert ((points > 0) & (points < 112)).all()
    assert set(labels) == set(ATTRIBUTES)
    assert {arm.name for arm in EXAMPLE.arms} < {arm.name for arm in FULL.arms}
    assert max(arm.epochs for arm in EXAMPLE.arms) < max(arm.epochs for arm in FULL.arms)


def test_a_comparison_is_estimated_by_the_work_of_its_runs():
    arms = [dataclasses.replace(EXAMPLE.arms[0], name=str(epochs), epochs=epochs) for epochs in (100, 10_000)]
    short, long = (minutes([(arm, 0)], 400, jobs=4) for arm in arms)
    assert 0 < short < long / 5
    assert minutes([(arms[1], seed) for seed in range(4)], 400, jobs=4) < 2.5 * long, "four at a time"
