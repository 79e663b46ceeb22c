"""How a training of a comparison went, epoch by epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from landmarks.comparison.results import RUNS
from landmarks.errors import LandmarksError


def read_log(folder: Path, arm: str, seed: int) -> list[dict[str, Any]]:
    """The epochs of a training, [] where it kept no log. Raises LandmarksError for a line that is not JSON."""
    path = folder / RUNS / f"{arm}-{seed}" / "log.jsonl"
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise LandmarksError(f"{path} line {number}: is not JSON ({error}); delete the line") from error
    return rows
