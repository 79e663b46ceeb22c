"""The commands. No logic: each reads its options, calls the package and shows what came of it."""

from __future__ import annotations

import inspect
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated

import typer
from rich.markup import escape

from landmarks.cli import (
    annotate,
    benchmark,
    compare,
    data,
    evaluate,
    export,
    live,
    report,
    review,
    train,
    weights,
)
from landmarks.cli.known import KnownCommand
from landmarks.cli.logs import say, with_logs
from landmarks.cli.shared import errors, output, refuse_empty_paths
from landmarks.errors import LandmarksError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


def _add(command: Callable[..., None], example: str) -> None:
    """Make a function a command. Its docstring is text: brackets in it, as in landmarks[onnx], are no markup."""
    text = escape(inspect.getdoc(command) or "")
    app.command(cls=KnownCommand, help=text, epilog=f"Example: {example}")(with_logs(command))


_add(annotate.annotate, "landmarks annotate photos --recursive --out results --draw")
_add(live.live, "landmarks live 0")
_add(report.report, "landmarks report results")
_add(
    train.train,
    "landmarks train weights/compact-first.toml --data prepared/mtfl --set source_weights={} --out runs/mtfl",
)
_add(train.calibrate, "landmarks calibrate runs/compact/weights.safetensors --data prepared/mtfl --out my.safetensors")
_add(
    evaluate.evaluate,
    "landmarks evaluate --weights compact --data MTFL.zip --detector whole-image --out results.json",
)
_add(compare.compare, "landmarks compare docs/comparison.toml --data prepared/mtfl --out comparison --jobs 2")
_add(benchmark.benchmark, "landmarks benchmark data/samples --images 200 --workers 1,2 --peers")
_add(review.review, "landmarks review results")
_add(export.export, "landmarks export compact --out exported")
app.add_typer(data.app, name="data")
app.add_typer(review.app, name="corrections")
app.add_typer(weights.app, name="weights")


def _show_version(wanted: bool) -> None:
    if wanted:
        from landmarks import __version__  # Looked up in what is installed, which takes a while.

        output.print(f"landmarks {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Facial landmarks, head pose, smile, glasses and gender from one network."""


def _open_closed_streams() -> None:
    """Have standard input, output and errors lead nowhere where a service manager has closed them.

    The next files to be opened would take their numbers, and what is printed would end up in results.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest free number, which is this one.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def main() -> None:
    """Run a command; the user's errors end in one sentence and exit code 2."""
    _open_closed_streams()
    warnings.showwarning = lambda message, *_: say(f"landmarks: {message}")
    try:
        refuse_empty_paths(sys.argv)
        app(standalone_mode=True)
    except (LandmarksError, ValueError) as error:
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        errors.print(f"landmarks: {error}")
        sys.exit(2)
    except OSError as error:  # A folder that is a file, a full disk: named by what the system says of it.
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        reason = error.strerror or type(error).__name__
        errors.print(f"landmarks: {error.filename or 'the output'}: cannot be read or written ({reason})")
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("landmarks: interrupted")
        sys.exit(130)
