"""From a config file and a prepared dataset to a weights file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from landmarks import __version__
from landmarks.config import build, named, override, read_toml
from landmarks.datasets.dataset import load_crops
from landmarks.datasets.facts import about
from landmarks.datasets.labels import label_counts
from landmarks.device import choose_device
from landmarks.errors import DataError, LandmarksError
from landmarks.models.config import NetworkConfig
from landmarks.models.store import CARRIED, STARTED, Model, carried, load_model, save_model
from landmarks.schemes import Declared
from landmarks.training.batches import drawn_counts
from landmarks.training.config import TrainingFile
from landmarks.training.loop import samples_of, train


def read_config(path: str | Path, settings: Sequence[str] = (), declared: Sequence[Declared] = ()) -> TrainingFile:
    """The sections [network] and [training] of a TOML file.

    settings: `KEY=VALUE` in place of what the file says, see `landmarks.config.override`; declared: tasks that the
    data have beside the built-in ones, all of which are tasks where the file names none. Raises LandmarksError naming
    the file, the key, what is wrong and what is meant.
    """
    values = override(TrainingFile, read_toml(path), settings)
    network = values.get("network", {})
    if isinstance(network, dict) and "declared" in network:
        raise LandmarksError(
            f"{named(path, settings)}: network.declared: declare own tasks in a tasks.toml beside the faces.csv of "
            "their labels, and prepare those data"
        )
    if declared and isinstance(network, dict):
        every = [*NetworkConfig.tasks, *(task.name for task in declared)]
        values["network"] = {"tasks": every, **network, "declared": [dataclasses.asdict(one) for one in declared]}
    return build(TrainingFile, values, named(path, settings))


def train_from_config(
    config: str | Path,
    data: Sequence[str | Path],
    out: str | Path,
    device: str = "auto",
    settings: Sequence[str] = (),
    threads: int = 0,
    start: str | Path | None = None,
    report: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Path:
    """Train as a config file says on prepared folders, together; write `weights.safetensors` to `out`, return its path.

    settings: as for `read_config`. start: weights to begin with, a shipped name or a file, instead of random ones;
    heads that they lack begin at random. report: gets the log's row of each epoch.
    """
    try:
        crops = load_crops(*data)
    except DataError:
        read_config(config, settings)  # what is wrong with the file is told first
        raise
    file = read_config(config, settings, crops.declared)
    network_config, training = file.network, file.training
    if threads:
        torch.set_num_threads(threads)
    try:
        training.check(network_config.tasks, crops.sources("train"))
    except ValueError as error:
        raise LandmarksError(f"{named(config, settings)}: training.{error}") from error
    begin = None if start is None else load_model(start)
    network = train(network_config, training, crops, out, str(choose_device(device)), begin, report)
    path = Path(out) / "weights.safetensors"
    trained_on = [
        {"dataset": facts["name"], "terms": facts["terms"], "faces": int((crops.table["cache"][rows] == cache).sum())}
        for rows in [crops.part("train")]
        for cache, facts in enumerate(about(folder) for folder in data)
    ]
    log = [json.loads(line) for line in (Path(out) / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = training.stopping.kept(log, network.config.tasks)
    samples = samples_of(crops, crops.part("train"), network.config, training)
    save_model(
        network,
        path,
        {
            "version": __version__,
            "trained_on": trained_on,
            "training": training.as_dict(),
            "labels": label_counts(
                crops.table.iloc[crops.part("train")], network.config.tasks, network.config.declared
            ),
            "drawn": drawn_counts(samples, training),
            **({} if begin is None else {STARTED: _facts(begin, network.config)}),
            "validation": kept.get("val", {}),
        },
    )
    return path


def _facts(start: Model, config: NetworkConfig) -> dict[str, Any]:
    """What the weights say of those that their training started from."""
    return {"sha256": start.sha256, **start.about, CARRIED: carried(start, config).as_dict()}
