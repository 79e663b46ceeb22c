"""All commands: where each is, what it does in a sentence, an example.

A command's module is imported when it is called, when its own help is asked for, or when the shell completes its
options: the list of commands needs none of them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer
import typer.main

from landmarks.cli.drawn import DrawnCommand, DrawnGroup


@dataclass(frozen=True)
class Place:
    """Where a command is, or a group of commands."""

    module: str
    """In this package."""
    name: str
    """In the module, of a function, or of a group's Typer."""
    about: str
    """The first paragraph of its help."""
    example: str = ""
    """A call; the commands of a group have theirs beside them."""


COMMANDS = {
    "annotate": Place(
        "annotate",
        "annotate",
        "Find faces in images; write landmarks and attributes, a row for every image, and drawings.",
        "landmarks annotate photos --recursive --out results --draw",
    ),
    "live": Place(
        "live", "live", "Show the faces of a camera or video as they come, with the speed.", "landmarks live 0"
    ),
    "report": Place(
        "report",
        "report",
        "Make one HTML page of a run, an evaluation or a comparison, to look through in a browser, without a network.",
        "landmarks report results",
    ),
    "train": Place(
        "train",
        "train",
        "Train a network, or a face detector.",
        "landmarks train weights/compact.toml --data prepared/mtfl --set source_weights={} --out runs/mtfl",
    ),
    "calibrate": Place(
        "train",
        "calibrate",
        "Fit expected errors, quality and probabilities to validation faces, and write the weights with them.",
        "landmarks calibrate runs/compact/weights.safetensors --data prepared/mtfl --out my.safetensors",
    ),
    "evaluate": Place(
        "evaluate",
        "evaluate",
        "Measure a network on annotated faces: errors, failure rates, slices, attributes, with 95 % intervals. "
        "Or measure detectors on photographs: average precision, faces found and false ones.",
        "landmarks evaluate --weights compact --data MTFL.zip --detector whole-image --out results.json",
    ),
    "compare": Place(
        "compare",
        "compare",
        "Train every arm of a grid with every seed, and compare the arms on the same test faces.",
        "landmarks compare docs/comparison.toml --data prepared/mtfl --out comparison --jobs 2",
    ),
    "benchmark": Place(
        "benchmark",
        "benchmark",
        "Measure annotation on this machine: each stage by itself, whole runs, and the peers beside them.",
        "landmarks benchmark data/samples --images 200 --workers 1,2 --peers",
    ),
    "review": Place(
        "review",
        "review",
        "Look through the faces of a run in the browser, the most doubtful first, and correct them.",
        "landmarks review results",
    ),
    "export": Place(
        "export",
        "export",
        "Write a network as ONNX files that give points, errors and probabilities.",
        "landmarks export compact --out exported",
    ),
    "data": Place("data", "app", "Look at annotated face datasets, check them, prepare them for training."),
    "corrections": Place("review", "app", "Bring corrections of a run back from other tools, and count them."),
    "weights": Place("weights", "app", "The networks that come with the package."),
}
"""In the order of the help."""


class Command(DrawnCommand):
    """Stands in the list for a command that is not imported yet."""

    def load(self) -> Any:
        """The command itself, or the group."""
        from rich.markup import escape

        from landmarks.cli.logs import with_logs

        place = COMMANDS[self.name or ""]
        there = getattr(import_module(f"landmarks.cli.{place.module}"), place.name)
        alone = typer.Typer(add_completion=False)
        if isinstance(there, typer.Typer):
            alone.add_typer(there, name=self.name)
        else:  # Its docstring is text: brackets in it, as in landmarks[onnx], are no markup.
            text = escape(inspect.getdoc(there) or "")
            alone.command(self.name, cls=DrawnCommand, help=text, epilog=f"Example: {place.example}")(with_logs(there))
        return typer.main.get_group(alone).commands[self.name or ""]

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        return self.load().make_context(*arguments, **options)


def loaded(command: Any) -> Any:
    """The command for which one of the list stands, or itself."""
    return command.load() if isinstance(command, Command) else command


app = typer.Typer(cls=DrawnGroup, no_args_is_help=True, pretty_exceptions_enable=False)


def _add(name: str, about: str) -> None:
    @app.command(name, cls=Command, help=about)
    def stands_for() -> None: ...


for _name, _place in COMMANDS.items():
    _add(_name, _place.about)


def _show_version(wanted: bool) -> None:
    if wanted:
        from landmarks import __version__  # Looked up in what is installed, which takes a while.

        typer.echo(f"landmarks {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Facial landmarks, head pose, smile, glasses and gender from one network."""
