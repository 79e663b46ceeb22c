"""`landmarks train` and `landmarks calibrate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from landmarks.cli.shared import output, table


def train(
    config: Annotated[Path, typer.Argument(help="TOML file with two sections, network and training.")],
    data: Annotated[
        list[Path], typer.Option(help="Folder made by `landmarks data prepare`; again for each further one.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the log, the state and the weights.")],
    encoder: Annotated[
        Optional[str],
        typer.Option(help="Instead of the config's: compact, accurate, tcdcn, tcdcn-journal, torchvision:NAME."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    seed: Annotated[Optional[int], typer.Option(help="Instead of the config's seed.")] = None,
    start: Annotated[
        Optional[str], typer.Option(help="Weights to begin with, a shipped name or a file, to fine-tune them.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Train a network; an interrupted call with the same settings goes on where it stopped."""
    from landmarks.training.from_config import train_from_config

    def report(row: dict[str, Any]) -> None:
        losses = " ".join(f"{task} {value:.3f}" for task, value in row.get("val", row["train"]).items())
        output.print(f"epoch {row['epoch'] + 1}: {losses} ({row['seconds']:.0f} s)")

    path = train_from_config(config, data, out, device, seed, encoder, threads, start, report)
    output.print(f"weights: {path}")


def calibrate(
    weights: Annotated[Path, typer.Argument(help="Weights file.")],
    data: Annotated[
        list[Path], typer.Option(help="Prepared folder with validation faces; again for each further one.")
    ],
    out: Annotated[Path, typer.Option(help="Weights file to write.")],
) -> None:
    """Fit expected errors, quality and probabilities to validation faces; write the weights with them."""
    from landmarks.evaluation.calibrate import calibrate_file

    model = calibrate_file(weights, data, out)
    output.print(json.dumps(model.calibration.as_dict(), indent=1))
    output.print(table("validation faces", ["task", "faces"], [
        [task, str(count) if isinstance(count, int) else ", ".join(f"{label} {n}" for label, n in count.items())]
        for task, count in model.about["calibrated_on"].items()
    ]))  # fmt: skip
