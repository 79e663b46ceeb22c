"""What the commands share: where they write to, and the help of options that several have."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from landmarks.errors import LandmarksError

_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")
"""Control characters, with which a name could move the cursor, those that turn the direction of writing, and halves of
surrogate pairs, which no terminal takes."""


def visible(text: str) -> str:
    """Text from anywhere as it may go to a terminal."""
    return _UNSEEN.sub(lambda match: ascii(match[0])[1:-1], text)


class _Plain(Console):
    """A console on which text from anywhere, such as the name of a file, is nothing but text."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """On stderr nothing is said any more once it cannot be: a full disk under a log must not end what goes on."""
        try:
            super().print(*objects, **options)
        except OSError:
            if not self.stderr:
                raise
            self.quiet = True

    def on_broken_pipe(self) -> None:
        if not self.stderr:
            super().on_broken_pipe()
        self.quiet = True

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(visible(text), **options)


errors = _Plain(stderr=True)
output = _Plain()

WEIGHTS_HELP = "Shipped weights by name, a .safetensors file, or an .onnx file that `landmarks export` made."
BACKEND_HELP = (
    "torch or onnx. By default onnx for .onnx files and, on a CPU, for compact and accurate, which come with eight-bit "
    "exports; torch on GPUs and for all other weights. onnx exports these in memory first (the extra `onnx`), which "
    "takes some seconds at every call."
)
SET_HELP = (
    "Set a field to a TOML value in place of the file's, such as learning_rate=3e-3 or training.stopping.kind=global. "
    "Give it again for more fields."
)
DETECTORS = ("facegrid", "centerface", "yunet", "whole-image")
"""Their names, and those of the formats and encoders, for help: the registries, which are equal, import all that they
name."""
FORMATS = ("parquet", "jsonl", "csv", "coco", "labelstudio", "cvat", "yolo", "pts")
ENCODERS = (
    *("compact", "accurate", "compact-multiscale", "accurate-multiscale", "lite0", "lite1", "lite2"),
    *("tcdcn", "tcdcn-journal"),
)
DETECTOR_HELP = (
    f"{', '.join(DETECTORS)}, a CSV file of boxes, or an exported detector (.onnx). LANDMARKS_YUNET names yunet's "
    "file. A detector that is a network shrinks an image to 640 pixels on its longest side; yunet:320 shrinks it to "
    "320. facegrid enlarges a smaller one, at most to twice its sides."
)
SCHEME_HELP = "Number of landmarks, 5 or 68."
PASSES_HELP = (
    "How often a face is cropped, each time from the points of the time before. A third pass is steadier from frame to "
    "frame, and as exact."
)
PATHS = ("--out", "--data", "--boxes", "--metrics", "--log")
"""Options that are paths."""
DEVICE_HELP = "auto (the first GPU if there is one), cpu, cuda, cuda:1, ..."


def number_of_points(text: str | int) -> int:
    """Of a scheme, which may also be named: `68`, `points_68`, or the option's default. Raises typer.BadParameter."""
    number = str(text).removeprefix("points_")
    if number not in ("5", "68"):
        raise typer.BadParameter(f"there are 5 or 68 landmarks, not {visible(number)!r}")
    return int(number)


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[..., None]]:
    """A bar on stderr, only where somebody looks at it; yields `step(done, total)`.

    `step(done, total, "writing")` begins anew with something else.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task(what, total=None)
        now = what

        def step(done: int, total: int | None, what: str = what) -> None:
            nonlocal now
            if what != now:
                bar.reset(task, description=what)
                now = what
            bar.update(task, completed=done, total=total)

        yield step


def names(text: str, known: Collection[str] | None, what: str) -> tuple[str, ...]:
    """Comma-separated names. Raises LandmarksError for an unknown one."""
    chosen = split_names(text)
    for name in chosen:
        if known is not None and name not in known:
            raise LandmarksError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return chosen


def split_names(text: str) -> tuple[str, ...]:
    """Comma-separated names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def refuse_empty_paths(arguments: list[str]) -> None:
    """Raise LandmarksError for a path that was given as nothing: it would stand for the working folder."""
    for argument, following in zip(arguments, [*arguments[1:], None]):
        name, equals, value = argument.partition("=")
        if name in PATHS and (not value if equals else following == ""):
            raise LandmarksError(f"{name}: is empty, as a variable of the shell may be; give a path")


def table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    result = Table(*columns, title=title or None)
    for row in rows:
        result.add_row(*row)
    return result
