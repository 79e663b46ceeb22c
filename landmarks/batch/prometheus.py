"""A run's progress as a text file for Prometheus: its node exporter's textfile collector reads it.

Format: https://prometheus.io/docs/instrumenting/exposition_formats (text, version 0.0.4).
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from landmarks.atomic import write_bytes
from landmarks.record import FAILED, NO_FACE, OK, Record

SECONDS = 5.0
"""The file is written anew after so long, whole each time."""


class ProgressFile:
    """Keeps the file up to date inside a `with` block, from the `report` and `progress` of `annotate`.

    A file that cannot be written costs a warning, not the run.
    """

    def __init__(self, path: Path, seconds: float = SECONDS) -> None:
        self.path, self.seconds = path, seconds
        self._statuses = Counter(dict.fromkeys((OK, NO_FACE, *FAILED), 0))
        self._faces = self._done = 0
        self._total: int | None = None
        self._started, self._next, self._fails = time.time(), 0.0, False

    def report(self, record: Record) -> None:
        self._statuses[record.status] += 1
        self._faces += len(record.faces)

    def progress(self, done: int, total: int | None) -> None:
        self._done, self._total = done, total
        if time.monotonic() >= self._next:
            self.write(running=True)

    def write(self, running: bool) -> None:
        """Write the file now."""
        self._next = time.monotonic() + self.seconds
        try:
            write_bytes(self.path, self.text(running, time.time()).encode(), durable=False)
        except OSError as error:
            if not self._fails:
                warnings.warn(f"{self.path}: cannot be written ({error.strerror}); the run goes on", stacklevel=2)
            self._fails = True

    def text(self, running: bool, now: float) -> str:
        """The file. now: seconds since 1970."""
        statuses = {f'{{status="{status}"}}': count for status, count in self._statuses.items()}
        lines = [
            *_metric("images_total", "counter", "Images that were annotated since the start, by status", statuses),
            *_metric("faces_total", "counter", "Faces found since the start", {"": self._faces}),
            *_metric("images_done", "gauge", "Images done, those of earlier starts included", {"": self._done}),
            *_metric("start_time_seconds", "gauge", "When the run was started, since 1970", {"": self._started}),
            *_metric("update_time_seconds", "gauge", "When this file was written, since 1970", {"": now}),
            *_metric("running", "gauge", "1 while the run goes on; 0 once it has ended in any way", {"": int(running)}),
        ]
        if self._total is not None:
            lines += _metric("images_expected", "gauge", "Images of the run", {"": self._total})
        return "\n".join([*lines, ""])

    def __enter__(self) -> ProgressFile:
        self.write(running=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.write(running=False)


def _metric(name: str, type: str, help: str, values: Mapping[str, float]) -> list[str]:
    """One metric: its labels, empty or in braces, and their values."""
    name = f"landmarks_{name}"
    return [
        f"# HELP {name} {help}.",
        f"# TYPE {name} {type}",
        *(f"{name}{labels} {value}" for labels, value in values.items()),
    ]
