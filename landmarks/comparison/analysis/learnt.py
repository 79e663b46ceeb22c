"""Whether arms did what their names say: tasks that were learnt, rules that fired, choices that have neighbours."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from landmarks.comparison.analysis.summary import ERROR
from landmarks.comparison.analysis.task_measures import measure_of
from landmarks.comparison.results import ArmResults, Results
from landmarks.comparison.runs.logs import read_log
from landmarks.config import build
from landmarks.training.stopping import Stopping

CHOICES = (
    *("auxiliary_weight", "strength", "learning_rate", "weight_decay", "average_decay", "crop_scale", "jitter"),
    *("stopping.threshold", "stopping.strip", "stopping.patience"),
)
"""Numbers of an arm that are chosen for their result; beside them those of `weighting_options` and `task_weights`."""
_TABLES = ("weighting_options.", "task_weights.")
_TOLD_APART_BY = ("name",)


def at_chance(results: Results, described: pd.DataFrame) -> dict[str, list[str]]:
    """By task, the arms that learnt it and tell it no better than a guess. described: of `describe`."""
    found: dict[str, list[str]] = {}
    for task in results.tasks:
        measure = measure_of(results, task)
        column = f"{task}_{measure.column}"
        if column in described:
            found[task] = [str(name) for name, figure in described[column].items() if measure.not_learnt(figure)]
    return {task: arms for task, arms in found.items() if arms}


def stops(results: Results, arm: ArmResults) -> list[dict[str, int]] | None:
    """What stopped in each seed and after which epoch, from 0: tasks, or `training` where what is kept is of an earlier
    epoch than the last one. None where no log tells."""
    found = []
    for seed in arm.seeds:
        log = read_log(results.folder, arm.name, seed)
        if not log:
            return None
        stopped = dict(log[-1]["stopped"])
        if arm.stopping == "global":
            best = build(Stopping, arm.config["stopping"], arm.name).best_epoch(log, tuple(arm.config["tasks"]))
            stopped |= {"training": best} if best < log[-1]["epoch"] else {}
        found.append(stopped)
    return found


def never_fired(results: Results) -> list[str]:
    """The arms whose stopping rule stopped nothing in any seed: they are arms without one."""
    ruled = {
        name: arm
        for name, arm in results.arms.items()
        if (arm.stopping == "task_wise" and arm.auxiliary) or arm.stopping == "global"
    }
    seen = {name: stops(results, arm) for name, arm in ruled.items()}
    return [name for name, found in seen.items() if found is not None and not any(found)]


@dataclass(frozen=True)
class Edge:
    """Arms that differ in one number alone, of which the best one has the least or the largest."""

    key: str
    arm: str
    """The best one."""
    value: float
    smallest: bool
    """Whether its number is the least that was tried."""
    tried: int
    """How many were."""


def edges(results: Results, described: pd.DataFrame) -> list[Edge]:
    """Every series of three or more arms that differ in one of the numbers that are chosen, and whose best arm, by its
    mean error, lies at an end of it."""
    series: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    for name, arm in results.arms.items():
        flat = _flat({key: value for key, value in arm.config.items() if key not in _TOLD_APART_BY})
        for key in [key for key in flat if key in CHOICES or key.startswith(_TABLES)]:
            rest = {other: value for other, value in flat.items() if other != key}
            series[key, json.dumps(rest, sort_keys=True, default=str)].append((float(flat[key]), name))
    found = []
    for (key, _), members in series.items():
        members = sorted(member for member in members if np.isfinite(described.loc[member[1], ERROR]))
        values = sorted({value for value, _ in members})
        if len(values) < 3:
            continue
        value, best = min(members, key=lambda member: described.loc[member[1], ERROR])
        if value in (values[0], values[-1]):
            found.append(Edge(key, best, value, value == values[0], len(values)))
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
