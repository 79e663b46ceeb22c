"""The state of an interrupted training in one safetensors file: network, running average, optimiser, schedule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from landmarks.atomic import replacing
from landmarks.errors import WeightsError

KEY = "training"


def save_state(
    path: Path,
    settings: dict[str, Any],
    epochs_done: int,
    parts: dict[str, nn.Module],
    optimizer: Optimizer,
    schedule: LRScheduler,
) -> None:
    """Write everything that the next epoch needs; whole or not at all. parts: what learns or averages, by name."""
    tensors = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    state = optimizer.state_dict()
    for index, values in state["state"].items():
        tensors |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in values.items()}
    header = {
        "settings": settings,
        "epochs_done": epochs_done,
        "groups": state["param_groups"],
        "schedule": {k: v for k, v in schedule.state_dict().items() if isinstance(v, (int, float, list, bool))},
    }
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    with replacing(path) as partial:
        save_file(tensors, partial, metadata={KEY: json.dumps(header)})


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of the training that a saved state belongs to. Raises WeightsError."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(json.loads((file.metadata() or {})[KEY])["settings"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _unusable(path, error) from error


def load_state(
    path: Path, parts: dict[str, nn.Module], optimizer: Optimizer, schedule: LRScheduler
) -> tuple[dict[str, Any], int]:
    """Put a saved state back; return its settings and the number of epochs done. Raises WeightsError."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        take = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
        for part, module in parts.items():
            module.load_state_dict(take(f"{part}."))
        moments: dict[int, dict[str, Any]] = {}
        for name, value in take("optimizer.").items():
            index, key = name.split(".", 1)
            moments.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": moments, "param_groups": header["groups"]})
        schedule.load_state_dict(header["schedule"])
        return header["settings"], header["epochs_done"]
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise _unusable(path, error) from error


def resume(
    path: Path, settings: dict[str, Any], parts: dict[str, nn.Module], optimizer: Optimizer, schedule: LRScheduler
) -> int:
    """Epochs (or steps) already done, after putting back the state of a training; 0 where there is no such file.

    Raises WeightsError naming the settings that changed, with the old and the new value.
    """
    if not path.is_file():
        return 0
    before, now = _flat(read_settings(path)), _flat(json.loads(json.dumps(settings)))
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if changed:
        told = "; ".join(f"{key} was {before.get(key)!r}, is {now.get(key)!r}" for key in changed)
        raise WeightsError(
            f"{path}: belongs to a training with other settings ({told}); give another output folder or delete it"
        )
    _, done = load_state(path, parts, optimizer, schedule)
    return done


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested dictionary as one, its keys joined by dots: `training.stopping.kind`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _unusable(path: Path, error: Exception) -> WeightsError:
    return WeightsError(f"{path}: not a state to go on from ({str(error).splitlines()[0]}); delete it to start again")
