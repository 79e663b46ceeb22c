"""From a config file and a prepared dataset to a weights file."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from landmarks import __version__
from landmarks.datasets.dataset import about, load_crops
from landmarks.device import choose_device
from landmarks.errors import LandmarksError
from landmarks.models.network import NetworkConfig
from landmarks.models.store import load_model, save_model
from landmarks.training.config import TrainingConfig
from landmarks.training.loop import train

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def read_config(path: str | Path) -> tuple[NetworkConfig, TrainingConfig]:
    """The [network] and [training] sections of a TOML file. Raises LandmarksError naming what is wrong."""
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LandmarksError(f"{path}: cannot be read as TOML ({error})") from error
    unknown = set(content) - {"network", "training"}
    if unknown:
        raise LandmarksError(f"{path}: unknown section {sorted(unknown)[0]!r}; known: network, training")
    try:
        return NetworkConfig(**content.get("network", {})), TrainingConfig(**content.get("training", {}))
    except (TypeError, ValueError) as error:
        raise LandmarksError(f"{path}: {error}") from error


def train_from_config(
    config: str | Path,
    data: Sequence[str | Path],
    out: str | Path,
    device: str = "auto",
    seed: int | None = None,
    encoder: str | None = None,
    threads: int = 0,
    start: str | Path | None = None,
    report: Callable[[dict], None] = lambda row: None,
) -> Path:
    """Train as a config file says on prepared folders, together; write `weights.safetensors` to `out`, return its path.

    seed, encoder: instead of the config's. start: weights to begin with, a shipped name or a file, instead of random
    ones; heads that they lack begin at random.
    """
    network_config, training = read_config(config)
    if encoder is not None:
        network_config = dataclasses.replace(network_config, encoder=encoder)
    if seed is not None:
        training = dataclasses.replace(training, seed=seed)
    if threads:
        torch.set_num_threads(threads)
    crops = load_crops(*data)
    begin = None if start is None else load_model(start)
    network = train(network_config, training, crops, out, str(choose_device(device)), begin, report)
    path = Path(out) / "weights.safetensors"
    trained_on = [
        {"dataset": facts["name"], "terms": facts["terms"], "faces": int((crops.table["cache"][rows] == cache).sum())}
        for rows in [crops.part("train")]
        for cache, facts in enumerate(about(folder) for folder in data)
    ]
    last = json.loads((Path(out) / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    save_model(
        network,
        path,
        {
            "version": __version__,
            "trained_on": trained_on,
            "training": dataclasses.asdict(training),
            **({} if begin is None else {"started_from": {"sha256": begin.sha256, **begin.about}}),
            "validation": last.get("val", {}),
        },
    )
    return path
