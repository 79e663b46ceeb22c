"""`landmarks train` and `landmarks calibrate`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from landmarks.cli.logs import say
from landmarks.cli.shared import ENCODERS, SET_HELP, output, progress, table
from landmarks.errors import LandmarksError


def train(
    config: Annotated[Path, typer.Argument(help="TOML file with two sections: network, or detector, and training.")],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Learn from this folder of `landmarks data prepare`, a detector from a dataset with boxes as it is. "
            "Give it again for more."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write the log, the state and the weights to this folder.")],
    settings: Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help=SET_HELP)] = None,
    encoder: Annotated[
        Optional[str],
        typer.Option(
            help=f"Short for --set network.encoder=NAME: {', '.join(ENCODERS)}, or torchvision:NAME for a network of "
            "torchvision's."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Compute on this device: auto, cpu, cuda, cuda:1, ...")] = "auto",
    seed: Annotated[Optional[int], typer.Option(help="Short for --set training.seed=NUMBER.")] = None,
    start: Annotated[
        Optional[str], typer.Option(help="Begin with these weights, a shipped name or a file, to fine-tune them.")
    ] = None,
    threads: Annotated[
        int, typer.Option(min=0, max=1024, help="Use this many CPU threads. 0 leaves the choice to torch.")
    ] = 0,
) -> None:
    """Train a network, or a face detector.

    Given the same settings and folder again, an interrupted training goes on where it stopped.

    A line for each epoch goes to stderr: the epoch, the losses on validation faces, the seconds; of a detector's
    training a line for some steps. The path of the weights goes to stdout.

    A detector learns somewhat faster on several cores with `torchrun --nproc-per-node 2 -m -- landmarks train ...`.
    """
    from landmarks.training.detector.from_config import is_detector, train_detector
    from landmarks.training.from_config import train_from_config

    short = {"network.encoder": encoder, "training.seed": seed}
    chosen = [*(settings or ()), *(f"{key}={value}" for key, value in short.items() if value is not None)]

    def report(row: dict[str, Any]) -> None:
        losses = " ".join(f"{task} {value:.3f}" for task, value in row.get("val", row["train"]).items())
        say(f"epoch {row['epoch'] + 1}: {losses} ({row['seconds']:.0f} s)")

    def report_steps(row: dict[str, Any]) -> None:
        part = "val" if "val" in row else "train"
        losses = " ".join(f"{name} {value:.3f}" for name, value in row[part].items())
        say(f"step {row['step']}{' validation' if part == 'val' else ''}: {losses}")

    if is_detector(config):
        if encoder is not None:
            raise LandmarksError(
                "--encoder is for landmark networks; a detector's widths are --set detector.widths=[...]"
            )
        with progress("looking at photographs") as step:
            path = train_detector(config, data, out, device, chosen, threads, start, report_steps, step)
    else:
        path = train_from_config(config, data, out, device, chosen, threads, start, report)
    if os.environ.get("RANK", "0") == "0":  # torchrun's other processes leave it to the first.
        output.print(f"weights: {path}")


def calibrate(
    weights: Annotated[Path, typer.Argument(help="The weights file to calibrate.")],
    data: Annotated[
        list[Path],
        typer.Option(help="Take the validation faces of this prepared folder. Give it again for more folders."),
    ],
    out: Annotated[Path, typer.Option(help="Write the calibrated weights to this file.")],
    uncertain: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="ATTRIBUTE=PROBABILITY",
            help="Have the label `uncertain` below this probability, such as gender=0.8. Give it again for more; "
            "without, the weights keep the limits that they have.",
        ),
    ] = None,
    smallest: Annotated[
        Optional[list[str]],
        typer.Option(
            metavar="ATTRIBUTE=PIXELS",
            help="Have the label `uncertain` for faces whose box is smaller, such as smile=20: sqrt(width x height).",
        ),
    ] = None,
) -> None:
    """Fit expected errors, quality and probabilities to validation faces, and write the weights with them."""
    from landmarks.evaluation.calibrate import calibrate_file
    from landmarks.models.calibration import read_limits

    model = calibrate_file(weights, data, out, read_limits(uncertain or (), smallest or ()))
    output.print(json.dumps(model.calibration.as_dict(), indent=1))
    output.print(table("validation faces", ["task", "faces"], [
        [task, str(count) if isinstance(count, int) else ", ".join(f"{label} {n}" for label, n in count.items())]
        for task, count in model.about["calibrated_on"].items()
    ]))  # fmt: skip
