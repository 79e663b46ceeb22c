"""A whole grid: run after run, killed, failed, and gone on with."""

from __future__ import annotations

import dataclasses
import multiprocessing
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
from landmarks.comparison.example import EXAMPLE, FULL, draw_face
from landmarks.comparison.grid.arms import MAIN, Arm, Grid
from landmarks.comparison.grid.grid_file import read_grid
from landmarks.comparison.results import read_results
from landmarks.comparison.run import LOCK, compare
from landmarks.comparison.runs.estimate import minutes
from landmarks.comparison.runs.test_faces import make_bench, open_bench
from landmarks.comparison.runs.train import (
    backend_of,
    locate_in,
    make_network,
)
from landmarks.comparison.side_by_side import write_side_by_side
from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.detection.create import create_detector
from landmarks.detection.whole_image import WholeImage
from landmarks.errors import DataError, LandmarksError
from landmarks.models.network import Network
from landmarks.schemes import ATTRIBUTES
from tests.helpers.comparisons import hurry
from tests.helpers.faces import write_png


@pytest.fixture(scope="module")
def small(prepared):
    with pytest.MonkeyPatch.context() as monkeypatch:
        hurry(monkeypatch)
        yield read_dataset(prepared), load_crops(prepared)


QUICK = {"epochs": 2, "batch_size": 8, "seeds": 1, "precision": "float32"}
GRID = Grid((Arm("one", tasks=(MAIN,), **QUICK), Arm("two", tasks=("smile",), **QUICK)), "one")


@pytest.fixture(scope="module")
def compared(small, tmp_path_factory) -> Path:
    """Where the grid was run; not to be changed."""
    out = tmp_path_factory.mktemp("compared")
    assert compare(GRID, *small, WholeImage(), out) == []
    return out


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


def test_photographs_are_seen_side_by_side(compared, tmp_path):
    picture, _, _ = draw_face(0)
    photograph, page = write_png(tmp_path / "photo.png", picture), tmp_path / "page.png"
    write_side_by_side(compared, GRID.arms, [photograph], WholeImage(), page)  # the arm without landmarks has no column
    assert cv2.imread(str(page)) is not None
    with pytest.raises(LandmarksError, match="no face found"):
        write_side_by_side(compared, GRID.arms, [], WholeImage(), page)
    unknown = dataclasses.replace(GRID.arms[0], name="not run")
    with pytest.raises(LandmarksError, match="not run"):
        write_side_by_side(compared, [unknown], [photograph], WholeImage(), page)


def test_one_seed_gives_one_result(compared, small, tmp_path):
    compare(GRID, *small, WholeImage(), tmp_path)
    first, again = (pd.read_parquet(folder / "results.parquet") for folder in (compared, tmp_path))
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
from landmarks.comparison.grid.grid_file import read_grid
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
    from landmarks.comparison.runs.processes import begin  # here: the parent needs none of it
    begin(1, multiprocessing.Event())
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
        assert started.poll() is None
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    os.kill(child, 0)
    started.kill()
    started.wait()
    while _is_running(child):
        time.sleep(0.05)


def test_what_report_raises_ends_the_trainings_and_comes_out(small, tmp_path):
    """One arm is done; the other would train for hours, and its process must not outlive the lock on the folder."""
    own = OSError(28, "the caller's own")
    long = dataclasses.replace(GRID.arms[1], name="long", epochs=100_000)

    def fails(line):
        if line.startswith("one-0"):
            raise own

    with pytest.raises(OSError) as told:
        compare(Grid((GRID.arms[0], long), "one"), *small, WholeImage(), tmp_path, jobs=2, report=fails)
    assert told.value is own and own.filename is None
    assert not multiprocessing.active_children()
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["one-0.parquet"]
    with Lock(tmp_path / LOCK):
        pass


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
