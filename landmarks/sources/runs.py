"""Folders that hold the results of a run: what lies in them is never taken for input."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

from landmarks.bounded import ask, open_file
from landmarks.errors import LandmarksError
from landmarks.sources.source import Source

PICTURES = ("drawings", "chips")
"""Folders of a run that hold pictures."""

_MOST_BYTES = 1 << 24


def holds_run(folder: str | Path, files: list[str] | None = None) -> bool:
    """Whether a run wrote its results to this folder: by its run.json, or its journal if it never got further.

    files: the names in it, if they are known.
    """
    if files is None:
        return _is_manifest(Path(folder, "run.json")) or _is_journal(Path(folder, "journal.jsonl"))
    return ("run.json" in files and _is_manifest(Path(folder, "run.json"))) or (
        "journal.jsonl" in files and _is_journal(Path(folder, "journal.jsonl"))
    )


def refuse_own_folder(sources: Iterable[Source], out: Path) -> None:
    """Raise LandmarksError if an image file lies where the results are to go: they would be taken for input later."""
    folders = {os.path.dirname(source.path) for source in sources if type(source) is Source}
    if os.path.realpath(out) in (ask(folder, os.path.realpath, folder) for folder in folders):
        cure = f"choose a folder of its own, such as --out {out / 'results'}"
        raise LandmarksError(f"{out}: holds images of this run, and its results must not lie among them; {cure}")


def made_by_run(path: Path, root: Path) -> Path | None:
    """The folder of the run among whose results a file below `root` lies; None if there is none."""
    folder = root
    for part in path.relative_to(root).parts[:-1]:
        if part in PICTURES and holds_run(folder):
            return folder
        folder = folder / part
        if holds_run(folder):
            return folder
    return None


def _is_manifest(path: Path) -> bool:
    try:
        with open_file(path) as file:
            if os.fstat(file.fileno()).st_size > _MOST_BYTES:
                return False
            content = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"settings", "starts"} <= content.keys()


def _is_journal(path: Path) -> bool:
    """An empty one counts, too: it is made before anything else."""
    try:
        with open_file(path) as file:
            start = file.read(9)
    except (OSError, ValueError):
        return False
    return not start or bool(re.fullmatch(rb"[0-9a-f]{8}\t", start))
