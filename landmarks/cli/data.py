"""`landmarks data ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landmarks.cli.shared import errors, output, progress, table

app = typer.Typer(no_args_is_help=True, help="Annotated face datasets: look at them, check them, prepare them.")


@app.command("prepare", epilog="Example: landmarks data prepare MTFL.zip --out prepared/mtfl")
def data_prepare(
    source: Annotated[Path, typer.Argument(help="The dataset's archive or folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and the cached crops.")],
) -> None:
    """Read a dataset, check it, split off a validation part, cut out the faces once for all epochs."""
    from landmarks.datasets.dataset import prepare, read_dataset

    dataset = read_dataset(source)
    with progress("cutting faces") as step:
        crops = prepare(dataset, out, step)
    output.print(f"{len(dataset.table)} faces, {len(crops.table)} of them cached for training -> {out}")


@app.command("info", epilog="Example: landmarks data info MTFL.zip")
def data_info(
    source: Annotated[Path, typer.Argument(help="A dataset's archive, its folder, or a prepared folder.")],
) -> None:
    """Count a dataset's faces and labels by split."""
    from landmarks.datasets.dataset import read_dataset
    from landmarks.datasets.table import counts

    dataset = read_dataset(source)
    output.print(f"{dataset.name}: {len(dataset.table)} faces. {dataset.terms}")
    frame = counts(dataset.table)
    output.print(
        table("", ["", *frame.columns], [[name, *map(str, row)] for name, row in zip(frame.index, frame.to_numpy())])
    )


@app.command("check", epilog="Example: landmarks data check my_faces")
def data_check(
    source: Annotated[Path, typer.Argument(help="A dataset's archive, its folder, or a prepared folder.")],
) -> None:
    """Read every label and decode every image; exit code 1 if anything is wrong."""
    from landmarks.datasets.dataset import check_images, read_dataset

    dataset = read_dataset(source)
    with progress("decoding") as step:
        problems = check_images(dataset, step)
    for problem in problems:
        errors.print(problem)
    output.print(f"{len(dataset.table)} faces, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
