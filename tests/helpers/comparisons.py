"""A comparison's folder with made-up results: no network is trained to test what is told about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison import results
from landmarks.comparison.grid.arms import Arm, Grid, Group
from landmarks.comparison.grid.grid_file import GridFile
from landmarks.config import build, read_toml
from landmarks.datasets.crops.views import make_views
from landmarks.schemes import ATTRIBUTES, RECONSTRUCTION
from landmarks.training.stopping import Stopping

POINTS = "points_5"
ALL = (POINTS, *ATTRIBUTES)
PRIORS = {"pose": (0.06, 0.15, 0.61, 0.13, 0.05), "smile": (0.46, 0.54), "glasses": (0.92, 0.08), "gender": (0.6, 0.4)}


DOCS = Path(__file__).parents[2] / "docs"
GROUPS = build(GridFile, read_toml(Path(__file__).with_name("questions.toml")), "questions.toml").groups


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `compare` keep few views of a face and take the time of few."""
    few = lambda samples, count, folder: make_views(samples, min(count, 2), folder)  # noqa: E731
    monkeypatch.setattr("landmarks.comparison.run.make_views", few)
    monkeypatch.setattr("landmarks.comparison.runs.train.TIMED", 2)


def config(tasks=ALL, stopping="none", **settings) -> dict:
    """An arm's settings as they are kept with its results."""
    when = Stopping(stopping, threshold=0.5)
    return Arm("any", tasks=tuple(tasks), stopping=when, **{"epochs": 6} | settings).what_is_run()


def make_run(
    folder: Path,
    arms: dict,
    faces: int = 60,
    seeds: int = 3,
    epochs: int = 6,
    against: Mapping[str, str] = {},
    groups: Mapping[str, Group] = GROUPS,
) -> Path:
    """Write a comparison. arms: by name, (group, config, level of the error, spread over seeds, seeds or None); groups
    are those of questions.toml, but for what they are held against. against: by group or arm, that arm. groups:
    instead of those."""
    generator = np.random.default_rng(0)
    _write_grid(folder, arms, against, groups)
    settings = {"dataset": "mtfl", "faces": 12_990, "split": "test", "detector": {"name": "centerface"}}
    (folder / results.SETTINGS).write_text(json.dumps(settings))
    table = pd.DataFrame({"image": [f"AFLW/{i:04}.jpg" for i in range(faces)], "source": "aflw"})
    for name, shares in PRIORS.items():
        table[name] = pd.array(generator.choice(len(shares), faces, p=shares), dtype="Int8")
    table["interocular"], table["fallback"] = generator.normal(45, 5, faces), generator.random(faces) < 0.01
    results.write_faces(folder, table)
    difficulty = np.exp(generator.normal(0, 0.45, faces)) * np.array([1.5, 1.1, 0.85, 1.1, 1.5])[table["pose"]]
    direction = generator.normal(0, 1, (faces, 5, 2)) * np.array([0.8, 0.8, 1.15, 1.1, 1.1])[:, None]
    for name, (group, settings, level, spread, count) in arms.items():
        for seed in range(count or seeds):
            own = generator.normal(0, 1, (faces, 5, 2))
            size = level * np.exp(generator.normal(0, spread)) / 1.25 * difficulty[:, None, None]
            vectors = size * (0.8 * direction + 0.6 * own) + [0.004, 0.012]
            results.write_row(folder, _row(generator, table, name, group, settings, seed, level, vectors))
            _write_log(generator, folder, name, settings, seed, epochs)
    results.collect(folder, {name: 0.1 for name in arms})
    return folder


def _write_grid(folder: Path, arms: dict, against: Mapping[str, str], groups: Mapping[str, Group]) -> None:
    made = [
        build(Arm, settings | {"name": name, "group": group, "against": against.get(name, "")}, name)
        for name, (group, settings, *_) in arms.items()
    ]
    asked = {name: replace(group, against=against.get(name, "")) for name, group in groups.items()}
    results.write_grid(folder, Grid(tuple(made), "alone" if "alone" in arms else made[0].name, asked))


def _row(generator, table, name, group, settings, seed, level, vectors) -> dict:
    cascade, locates = settings["network"] == "cascade", POINTS in settings["tasks"]
    cost = {"tcdcn": (79_357, 3_400_000), "compact": (1_150_000, 38_000_000), "cascade": (620_000, 27_000_000)}
    parameters, multiply_adds = cost.get(settings["network"], (537_360, 17_000_000))
    row = {
        "arm": name,
        "group": group,
        "seed": seed,
        "config": settings,
        "vectors": vectors if locates else (),
        "vectors_2": 0.95 * vectors if locates and not cascade else (),
        "vectors_level_1": 1.35 * vectors if cascade else (),
        "vectors_level_2": 1.1 * vectors if cascade else (),
        "train_error": level * (0.7 if settings["faces"] == 0 else 0.4 + 0.3 * settings["faces"] / 10_000),
        "val_error": 0.8 * level,
        "train_loss": {task: 0.1 for task in settings["tasks"]},
        "val_loss": {task: 0.2 for task in settings["tasks"]},
        "parameters": parameters if settings["sharing"] == "hard" else 5 * parameters,
        "multiply_adds": multiply_adds if settings["sharing"] == "hard" else 5 * multiply_adds,
        "train_seconds": float(generator.normal(200, 5)),
        "epochs_run": settings["epochs"],
    }
    for task, shares in PRIORS.items():
        right = generator.random(len(table)) < (0.9 if locates else 0.85)
        other = (table[task].to_numpy(int) + 1) % len(shares)
        row[f"guess_{task}"] = np.where(right, table[task].to_numpy(int), other) if task in settings["tasks"] else ()
    return row


def _write_log(generator, folder, name, settings, seed, epochs) -> None:
    path = folder / "runs" / f"{name}-{seed}" / "log.jsonl"
    path.parent.mkdir(parents=True)
    rates = dict(zip((*ALL, RECONSTRUCTION.name), (0.12, 0.1, 0.15, 0.3, 0.2, 0.05)))
    stopped: dict[str, int] = {}
    lines = []
    for epoch in range(epochs):
        falling = {task: np.exp(-rates[task] * epoch) for task in settings["tasks"]}
        train = {task: 0.9 * value + 0.03 + abs(generator.normal(0, 0.005)) for task, value in falling.items()}
        val = {task: value + 0.12 + abs(generator.normal(0, 0.01)) for task, value in train.items()}
        index = {}
        for task in settings["tasks"]:
            if settings["stopping"]["kind"] != "task_wise" or task == POINTS:
                continue
            value = 0.05 * np.exp(rates[task] * epoch * 0.9 + generator.normal(0, 0.3))
            index[task] = None if task in stopped or epoch < 2 else float(value)
            if index[task] is not None and value > settings["stopping"]["threshold"]:
                stopped[task] = epoch
        val["points_5_distance"] = 4 + 4 * np.exp(-0.1 * epoch) + generator.normal(0, 0.05)
        factors = {task: 0.0 if task in stopped else 1.0 for task in settings["tasks"]}
        row = {"epoch": epoch, "lr": 0.01, "train": train, "watched": train, "val": val, "factors": factors}
        lines.append(json.dumps(row | {"stopping_index": index, "stopped": dict(stopped), "seconds": 3.0}))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
