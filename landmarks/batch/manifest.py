"""`run.json`: what a run was asked to do, by what, and what came of it."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from landmarks.atomic import write_text
from landmarks.errors import LandmarksError, told

PACKAGES = ("landmarks", "torch", "onnxruntime", "opencv-python", "numpy", "pillow", "pyarrow")
VERSION = "results_version"
"""The setting that says which versions of the package give the same numbers."""
RESTART = "choose another --out, or begin anew with --fresh"
CURE = "use the same settings, choose another --out, or begin anew with --fresh"


@dataclass
class Manifest:
    """The file as it is kept while a run goes on; a run that is continued adds to it."""

    path: Path
    settings: dict[str, Any]
    """All that the results depend on, beside the images."""
    starts: list[dict[str, Any]] = field(default_factory=list)
    """One for each time the run was started: command, versions, times, counts."""
    results: dict[str, Any] = field(default_factory=dict)
    """Counts of the whole run, once it has ended."""
    earlier: dict[str, Any] = field(default_factory=dict)
    """The same as an earlier start has left them; the file holds them no longer."""

    @classmethod
    def begin(
        cls, path: Path, settings: dict[str, Any], continued: bool, named: dict[str, Any] | None = None
    ) -> Manifest:
        """Note that a run starts, in a folder where one was `continued` or not. named: see `Named.as_dict`.

        Raises LandmarksError if the earlier one had other settings, OSError if the file cannot be written.
        """
        settings = json.loads(json.dumps(settings))
        run = cls(path, settings)
        if continued:
            earlier = _read(path)
            _check_version(path, earlier["settings"], settings)
            if changes := list(_changes(earlier["settings"], settings)):
                raise LandmarksError(f"{path.parent}: was begun with other settings ({'; '.join(changes)}); {CURE}")
            run.starts, run.earlier = earlier["starts"], earlier.get("results") or {}
        start = {"command": sys.argv, "started": _now(), "versions": _versions()}
        run.starts.append(start | ({"named": named} if named else {}))
        run.write()
        return run

    def end(self, this_time: dict[str, Any], results: dict[str, Any]) -> None:
        """Note what this start and the whole run have come to. Raises OSError."""
        self.starts[-1] |= {"ended": _now(), **this_time}
        self.results = results
        self.write()

    def write(self) -> None:
        """Write the file, whole or not at all. Raises OSError."""
        content = {"settings": self.settings, "results": self.results, "starts": self.starts}
        write_text(self.path, json.dumps(content, indent=1, ensure_ascii=False))


def _read(path: Path) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        if not (isinstance(content["settings"], dict) and isinstance(content["starts"], list)):
            raise TypeError("it lacks settings or starts")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise LandmarksError(f"{path}: does not tell how the run here was begun ({told(error)}); {CURE}") from error
    return content


def _check_version(path: Path, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Raises LandmarksError if another version of the package began the run, whose numbers would differ."""
    old, new = before.get(VERSION), after.get(VERSION)
    if old == new:
        return
    if old is None:
        by = f"version {before['version']} of landmarks" if "version" in before else "an older version of landmarks"
    else:
        by = f"a version of landmarks whose results have the number {old}, where this one's have {new}"
    raise LandmarksError(f"{path.parent}: was begun by {by}, and this one may give other numbers; {RESTART}")


def _changes(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    """What differs, in words."""
    changes = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            changes += _changes(old, new, f"{prefix}{name} ")
        elif old != new:
            changes.append(f"{prefix}{name} was {_short(old)} and is now {_short(new)}")
    return changes


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "yes"
    text = "none" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}..."


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
