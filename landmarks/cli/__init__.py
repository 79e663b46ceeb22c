"""The commands. No logic: each reads its options, calls the package and shows what came of it."""

from __future__ import annotations

import os
import sys
import warnings

import typer

from landmarks.cli import annotate, benchmark, compare, data, evaluate, export, train, weights
from landmarks.cli.shared import errors
from landmarks.errors import LandmarksError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Facial landmarks, head pose, smile, glasses and gender from one network.",
)
app.command(epilog="Example: landmarks annotate photos --recursive --out results --draw")(annotate.annotate)
app.command(
    epilog="Example: landmarks train weights/compact.toml --data prepared/mtfl --set source_weights={} --out runs/mtfl"
)(train.train)
app.command(
    epilog="Example: landmarks calibrate runs/compact/weights.safetensors --data prepared/mtfl --out my.safetensors"
)(train.calibrate)
app.command(
    epilog="Example: landmarks evaluate --weights compact --data MTFL.zip --detector whole-image --out results.json"
)(evaluate.evaluate)
app.command(epilog="Example: landmarks compare docs/comparison.toml --data prepared/mtfl --out comparison --jobs 2")(
    compare.compare
)
app.command(epilog="Example: landmarks benchmark data/samples --images 200 --workers 1,2 --peers")(benchmark.benchmark)
app.command(epilog="Example: landmarks export compact --out exported")(export.export)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")


def main() -> None:
    """Run a command; the user's errors end in one sentence and exit code 2."""
    warnings.showwarning = lambda message, *_: errors.print(f"landmarks: {message}")
    try:
        app(standalone_mode=True)
    except (LandmarksError, ValueError) as error:
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        errors.print(f"landmarks: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("landmarks: interrupted")
        sys.exit(130)
