"""`landmarks data ...`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from landmarks.cli.shared import errors, output, progress, table
from landmarks.errors import DataError

app = typer.Typer(no_args_is_help=True, help="Annotated face datasets: look at them, check them, prepare them.")


@app.command("prepare", epilog="Example: landmarks data prepare MTFL.zip --out prepared/mtfl")
def data_prepare(
    source: Annotated[Path, typer.Argument(help="The dataset's archive or folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and the cached crops.")],
) -> None:
    """Read a dataset, check it, split off a validation part, cut out the faces once for all epochs.

    Faces that cannot be used are counted by reason and named in left_out.csv; exit code 2 if none can.
    """
    from landmarks.datasets.dataset import prepare, read_dataset
    from landmarks.datasets.labels import label_gaps
    from landmarks.schemes import ATTRIBUTES, SCHEMES

    dataset = read_dataset(source)
    with progress("cutting faces") as step:
        crops = prepare(dataset, out, step)
    output.print(f"{len(dataset.table)} faces, {len(crops.table)} of them cached for training -> {out}")
    for gap in label_gaps(crops.table.iloc[crops.part("train")], (*SCHEMES, *ATTRIBUTES)):
        output.print(gap)


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
    """Read every label and decode every image; exit code 1 if anything is wrong, an unknown column, too.

    Exit code 2 if there is nothing to read.
    """
    from landmarks.datasets.dataset import check_images, read_dataset

    if not source.exists():
        read_dataset(source)  # raises its sentence: the call was wrong, not the data
    problems, faces = [], 0
    try:
        with warnings.catch_warnings(record=True) as noticed:
            warnings.simplefilter("always")
            dataset = read_dataset(source)
        problems += [str(warning.message) for warning in noticed]
        faces = len(dataset.table)
        with progress("decoding") as step:
            problems += check_images(dataset, step)
    except DataError as error:
        problems.append(str(error))
    for problem in problems:
        errors.print(problem)
    output.print(f"{faces} faces, {len(problems)} problem{'s' * (len(problems) != 1)}")
    if problems:
        raise typer.Exit(1)
