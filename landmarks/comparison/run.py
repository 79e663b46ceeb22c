"""A whole grid: views and test faces made once, then arm after arm and seed after seed, several at once, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from landmarks.atomic import Lock, write_text
from landmarks.comparison.grid.arms import MAIN, VIEWS, Arm, Grid
from landmarks.comparison.results import SETTINGS, collect, row_path, write_faces, write_grid, write_row
from landmarks.comparison.runs.estimate import minutes, minutes_each
from landmarks.comparison.runs.processes import Runs, outcomes_of
from landmarks.comparison.runs.test_faces import Bench, make_bench, open_bench
from landmarks.comparison.runs.train import kept_samples, make_network, milliseconds, multiply_adds_of, train_arm
from landmarks.datasets.crops.augment import DETECTED
from landmarks.datasets.crops.views import Views, make_views, open_views
from landmarks.datasets.dataset import Crops, Dataset
from landmarks.datasets.digest import digest
from landmarks.datasets.labels import label_gaps, unlabelled
from landmarks.datasets.table import is_known, task_labels
from landmarks.detection.base import Detector
from landmarks.errors import LandmarksError
from landmarks.schemes import Attribute
from landmarks.training.weightings.create import create_weighting, passes_of

BENCH, LOCK = "bench", "compare.lock"


@dataclass(frozen=True)
class Failure:
    """A run that ended with an error."""

    run: str
    reason: str


def compare(
    grid: Grid,
    dataset: Dataset,
    crops: Crops,
    detector: Detector,
    out: Path,
    split: str = "test",
    jobs: int = 1,
    device: str = "cpu",
    names: Sequence[str] = (),
    report: Callable[[str], None] = lambda line: None,
) -> list[Failure]:
    """Train and see every arm and seed of a grid that `out` does not have yet; return those that failed.

    Writes `grid.json`, `results.parquet` and `faces.parquet`, and for each run a folder with its log, state and
    weights. A run that was interrupted goes on where it stopped; finished ones are not repeated. jobs: runs at once;
    names: of the arms to run, all if there are none. report: gets a line a finished run; what it raises comes out as it
    is, after all trainings have ended. Raises LandmarksError if `out` holds runs of other faces or of an arm with other
    settings or another comparison is running there, for an arm of more training faces than there are, and for an
    unknown name.
    """
    grid, names = _to_run(grid, crops, names, report)
    out.mkdir(parents=True, exist_ok=True)
    with Lock(out / LOCK):
        _check_settings(out, dataset, split, detector, crops, grid.landmarks.name)
        if not (out / BENCH).is_dir():
            report(f"finding the faces of the split {split!r}")
            make_bench(dataset, split, detector, out / BENCH, grid.landmarks)
        write_faces(out, _faces(open_bench(out / BENCH), crops))
        write_grid(out, grid)
        missing = [(arm, seed) for arm, seed in grid.runs(names) if not _finished(out, arm, seed)]
        _make_views([arm for arm, _ in missing], crops, out, report)
        if missing:
            about = minutes(missing, len(crops.part("train")), jobs, device)
            report(f"{len(missing)} trainings, {min(jobs, len(missing))} at a time: about {max(about, 0.1):.1f} min")
        failures = _run_all(missing, out, jobs, device, report)
        collect(out, milliseconds(grid.choose(names), device))
    return failures


def plan(
    grid: Grid,
    crops: Crops,
    out: Path,
    device: str = "cpu",
    names: Sequence[str] = (),
    report: Callable[[str], None] = lambda line: None,
) -> list[tuple[str, int, float]]:
    """What `compare` would run, and how long: a row an arm with its name, the trainings that `out` does not have yet,
    and about the minutes of one of them alone. Trains nothing and writes nothing. Raises what `compare` does for a grid
    that does not fit the faces or the folder."""
    grid, names = _to_run(grid, crops, names, report)
    missing = [(arm, seed) for arm, seed in grid.runs(names) if not _finished(out, arm, seed)]
    each = minutes_each(missing, len(crops.part("train")), device)
    return [(name, sum(arm.name == name for arm, _ in missing), each[name]) for name in each]


def _to_run(grid: Grid, crops: Crops, names: Sequence[str], report: Callable[[str], None]) -> tuple[Grid, list[str]]:
    """The grid as far as the faces teach it, and the names of the arms to run. Raises LandmarksError."""
    chosen = [arm.name for arm in grid.choose(names)]
    grid = learnable(grid, crops, report)
    left = [arm.name for arm in grid.arms if arm.name in chosen]
    if not left:
        raise LandmarksError(f"{', '.join(chosen)}: no training face has the labels that these arms learn")
    _check_faces(grid.choose(left), crops)
    return grid, left


def learnable(grid: Grid, crops: Crops, report: Callable[[str], None]) -> Grid:
    """The grid without arms that have a task for which no training face has a label: nothing can be said of it. Reports
    those, and what else the faces do not teach. Raises LandmarksError if no arm or no reference is left."""
    table = crops.table.iloc[crops.part("train")]
    tasks = dict.fromkeys(task for arm in grid.arms for task in arm.tasks)
    for gap in label_gaps(table, tasks, crops.declared):
        report(gap)
    lacking = set(unlabelled(table, tasks, crops.declared))
    left = [arm.name for arm in grid.arms if not lacking & set(arm.tasks)]
    gone = [arm.name for arm in grid.arms if arm.name not in left]
    if grid.reference not in left:
        raise LandmarksError(
            f"{', '.join(map(str, crops.folders))}: no training face has labels for {', '.join(sorted(lacking))}, so "
            f"that the reference {grid.reference!r} cannot be trained; take those tasks out of the grid"
        )
    if gone:
        report(f"left out, no labels for {', '.join(sorted(lacking))}: {', '.join(gone)}")
    return grid.without(gone)


def _check_faces(arms: Sequence[Arm], crops: Crops) -> None:
    """Raise LandmarksError for an arm that wants more training faces or labels than there are: its figures would be of
    fewer."""
    given = len(crops.part("train"))
    table = crops.table.iloc[crops.part("train")]
    labelled = {name: int(is_known(task_labels(table, task)).sum()) for name, task in crops.tasks.items()}
    for arm in arms:
        for task, count in arm.labels.items():
            if count > labelled[task]:
                raise LandmarksError(
                    f"arm {arm.name!r}: labels.{task} = {count}, but {', '.join(map(str, crops.folders))} has "
                    f"{labelled[task]} training faces with that label; give {labelled[task]} or fewer"
                )
        if arm.faces > given:
            raise LandmarksError(
                f"arm {arm.name!r}: faces = {arm.faces}, but {', '.join(map(str, crops.folders))} has {given} training "
                f"faces; give {given} or fewer, or 0 for all"
            )


def _make_views(arms: Sequence[Arm], crops: Crops, out: Path, report: Callable[[str], None]) -> None:
    """Make what the arms' networks see of the faces, where it is not there."""
    for arm in dict.fromkeys(arms):
        for part, folder in views_folders(out, arm).items():
            if not folder.is_dir():
                report(f"keeping views of {arm.network_config().input_size} pixels, {part}")
                learnt = part == "train"
                samples = kept_samples(crops, crops.part(part), arm, DETECTED.times(arm.jitter) if learnt else DETECTED)
                make_views(samples, arm.views if learnt else 1, folder)


def views_folders(out: Path, arm: Arm) -> dict[str, Path]:
    """Where the views of an arm's network are kept, by part. Held-out faces are seen as detectors' boxes lie, however
    far the learnt ones stray."""
    folder = out / "views" / f"{arm.network_config().input_size}-{arm.crop_scale:g}"
    usual = (arm.views, arm.jitter) == (VIEWS, 1)
    return {"train": folder / ("train" if usual else f"train-{arm.views}-{arm.jitter:g}"), "val": folder / "val"}


def run_folder(out: Path, arm: Arm, seed: int) -> Path:
    """Where a run keeps its log, state and weights."""
    return out / "runs" / run_name(arm, seed)


def run_name(arm: Arm, seed: int) -> str:
    return f"{arm.name}-{seed}"


def _run_all(missing: Runs, out: Path, jobs: int, device: str, report: Callable[[str], None]) -> list[Failure]:
    failures: list[Failure] = []
    costs = {arm.name: _cost(arm) for arm, _ in missing}
    left, spent, started = sum(costs[arm.name] for arm, _ in missing), 0.0, time.perf_counter()
    # Trainings end before the lock is released, whatever `report` raises.
    with closing(outcomes_of(partial(_run_one, out=out, device=device), missing, jobs)) as outcomes:
        for done, (arm, seed, outcome) in enumerate(outcomes, start=1):
            name, line = run_name(arm, seed), outcome
            if isinstance(outcome, Exception):
                failures.append(Failure(name, f"{type(outcome).__name__}: {outcome}"))
                line = f"failed: {failures[-1].reason}"
            left, spent = left - costs[arm.name], spent + costs[arm.name]
            rest = (time.perf_counter() - started) / spent * left
            report(f"{name}: {line}; {done} of {len(missing)}, about {rest / 60:.0f} min left")
    return failures


def _run_one(arm: Arm, seed: int, out: Path, device: str) -> str:
    """Train, see, write the row; one line about it."""
    views: dict[str, Views] = {part: open_views(folder) for part, folder in views_folders(out, arm).items()}
    row = train_arm(arm, seed, views, open_bench(out / BENCH), run_folder(out, arm, seed), device)
    write_row(out, row)
    error = np.linalg.norm(np.reshape(row["vectors"], (-1, 2)), axis=1)
    told = f"mean error {100 * error.mean():.2f} %, " if len(error) else ""
    return f"{told}{row['train_seconds']:.0f} s"


def _cost(arm: Arm) -> float:
    """About how long an arm takes, in any unit."""
    network, _ = make_network(arm, arm.training(0))
    create_weighting(arm.weighting, arm.tasks, {}, arm.weighting_options)  # what cannot be had shows before hours
    return float(multiply_adds_of(network) * arm.epochs * (passes_of(arm.weighting) or len(arm.tasks)))


def _finished(out: Path, arm: Arm, seed: int) -> bool:
    """Whether a run has its row. Raises LandmarksError if the row is of an arm with other settings."""
    path = row_path(out, arm.name, seed)
    if not path.is_file():
        return False
    kept = json.loads(pd.read_parquet(path, columns=["config"])["config"].iloc[0])
    now = json.loads(json.dumps(arm.what_is_run()))
    differing = [key for key in {**kept, **now} if kept.get(key) != now.get(key)]
    if differing:
        raise LandmarksError(
            f"{path}: the arm had another {differing[0]} when it was run; rename the arm, delete the file, "
            "or give another output folder"
        )
    return True


def _check_settings(out: Path, dataset: Dataset, split: str, detector: Detector, crops: Crops, landmarks: str) -> None:
    """Note what a folder's results are of. Raises LandmarksError if they are of something else."""
    path = out / SETTINGS
    settings = {
        "dataset": dataset.name,
        "faces": len(dataset.table),
        "split": split,
        "detector": {"name": detector.name, **detector.settings()},
        "crops": digest(crops),
        "landmarks": landmarks,
    }
    if path.is_file():
        try:
            kept = {"landmarks": MAIN, **json.loads(path.read_text(encoding="utf-8"))}
        except (TypeError, ValueError, RecursionError) as error:
            raise LandmarksError(f"{path}: cannot be read ({error}); it was damaged, so give another folder") from error
        for key, value in settings.items():
            if kept.get(key) != value:
                raise LandmarksError(
                    f"{out}: holds a comparison with {key} = {kept.get(key, 'not noted')}, not {value}; give another "
                    "folder"
                )
        return
    write_text(path, json.dumps(settings))


def _faces(bench: Bench, crops: Crops) -> pd.DataFrame:
    """The table of the test faces that goes with the results, with all tasks that can be learnt."""
    types = {name: "Int8" if isinstance(task, Attribute) else "float64" for name, task in crops.tasks.items()}
    frame = bench.table.reindex(columns=["image", *types, "source"]).astype(types).reset_index(drop=True)
    return frame.assign(interocular=bench.interocular, fallback=bench.fallback)
