"""What a prepared folder says of itself, in its `dataset.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from landmarks.declared import read_kept
from landmarks.errors import DataError
from landmarks.schemes import Declared

FACTS = "dataset.json"


def about(path: str | Path) -> dict[str, Any]:
    """What a prepared folder says of itself: name, root, terms, number of crops. Raises DataError."""
    try:
        facts = json.loads((Path(path) / FACTS).read_text(encoding="utf-8"))
        return {key: facts[key] for key in ("name", "root", "terms", "crops", "cache_size", "cache_scale")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: not a prepared dataset; make it with `landmarks data prepare`") from error


def declared_in(path: str | Path) -> tuple[Declared, ...]:
    """The tasks that a prepared folder has beside the built-in ones. Raises DataError."""
    about(path)
    facts = json.loads((Path(path) / FACTS).read_text(encoding="utf-8"))
    try:
        return read_kept(facts.get("tasks", []), str(Path(path) / FACTS))
    except DataError as error:
        raise DataError(f"{error}; prepare the data again with `landmarks data prepare`") from error
