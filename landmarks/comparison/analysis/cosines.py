"""How an arm's tasks pulled while they were learnt, from its logs."""

from __future__ import annotations

import numpy as np

from landmarks.comparison.results import ArmResults, Results
from landmarks.comparison.runs.logs import read_log


def cosines_of(results: Results, arm: ArmResults) -> dict[str, np.ndarray]:
    """By auxiliary task, (S,): the cosine of its gradient with the main task's, the mean over the epochs of each seed
    whose log has it. Empty where none was measured; see `landmarks.training.cosines`."""
    if not arm.config["gradient_cosine"]:
        return {}
    found: dict[str, list[float]] = {}
    for seed in arm.seeds:
        rows = [row.get("gradient_cosine", {}) for row in read_log(results.folder, arm.name, seed)]
        for task in arm.config["tasks"][1:]:
            if values := [row[task] for row in rows if task in row]:
                found.setdefault(task, []).append(float(np.mean(values)))
    return {task: np.array(values) for task, values in found.items()}
