"""`landmarks data ...`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landmarks.cli.shared import errors, output, progress, table

app = typer.Typer(no_args_is_help=True, help="Look at annotated face datasets, check them, prepare them for training.")


@app.command("prepare", epilog="Example: landmarks data prepare MTFL.zip --out prepared/mtfl")
def data_prepare(
    source: Annotated[Path, typer.Argument(help="Archive or folder of the dataset.")],
    out: Annotated[Path, typer.Option(help="Write the table and the cropped faces to this folder.")],
) -> None:
    """Read and check a dataset, split off a validation part, and crop the faces once for all epochs."""
    from landmarks.datasets.dataset import prepare, read_dataset

    dataset = read_dataset(source)
    with progress("cropping faces") as step:
        crops = prepare(dataset, out, step)
    output.print(f"{len(dataset.table)} faces, {len(crops.table)} of them cropped for training -> {out}")


@app.command("info", epilog="Example: landmarks data info MTFL.zip")
def data_info(
    source: Annotated[Path, typer.Argument(help="Archive or folder of the dataset, or a prepared folder.")],
) -> None:
    """Count the faces and labels of each split of a dataset."""
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
    source: Annotated[Path, typer.Argument(help="Archive or folder of the dataset, or a prepared folder.")],
) -> None:
    """Read every label, decode every image, and list what is wrong. The exit code is 1 if anything is."""
    from landmarks.datasets.dataset import check_images, read_dataset

    dataset = read_dataset(source)
    with progress("decoding") as step:
        problems = check_images(dataset, step)
    for problem in problems:
        errors.print(problem)
    output.print(f"{len(dataset.table)} faces, {len(problems)} problems")
    if problems:
        raise typer.Exit(1)
