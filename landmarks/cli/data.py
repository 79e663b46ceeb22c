"""`landmarks data ...`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.drawn import DrawnCommand, DrawnGroup
from landmarks.cli.shared import DETECTOR_HELP, errors, output, progress, table
from landmarks.errors import DataError

app = typer.Typer(
    cls=DrawnGroup, no_args_is_help=True, help="Look at annotated face datasets, check them, prepare them for training."
)


@app.command("prepare", cls=DrawnCommand, epilog="Example: landmarks data prepare MTFL.zip --out prepared/mtfl")
def data_prepare(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Archive or folder of the dataset; or one or more runs of `landmarks annotate` with their corrections."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Write the table and the cropped faces to this folder.")],
    images: Annotated[
        Optional[list[str]],
        typer.Option(help="Of runs: where the images are, if not where the run found them. Give it again for more."),
    ] = None,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="Of runs: take the faces, too, that nobody has looked at, as they were found."),
    ] = False,
    detector: Annotated[
        Optional[str], typer.Option(help="Find the faces that neither points nor a box place with: " + DETECTOR_HELP)
    ] = None,
) -> None:
    """Read and check a dataset, split off a validation part, and crop the faces once for all epochs.

    Of a run the faces are taken that a person has accepted, corrected or added (`landmarks review`).

    Faces that cannot be used are counted by reason and named in left_out.csv; the exit code is 2 if none can.
    """
    from landmarks.datasets.dataset import prepare, read_dataset
    from landmarks.datasets.labels import label_gaps
    from landmarks.detection.create import create_detector
    from landmarks.schemes import SCHEMES
    from landmarks.sources.runs import holds_run

    if all(holds_run(source) for source in sources):
        from landmarks.review.labelled import read_reviewed

        dataset = read_reviewed(sources, images or (), unseen)
    elif len(sources) > 1 or images or unseen:
        raise DataError("several sources, --images and --unseen are for runs of `landmarks annotate`; name runs alone")
    else:
        dataset = read_dataset(sources[0])
    with progress("cropping faces") as step:
        crops = prepare(dataset, out, step, create_detector(detector) if detector else None)
    learnt, kept = len(crops.part("train")), len(crops.part("val"))
    parts = f"{len(crops.table)} of them cropped: {learnt} to learn from, {kept} to validate with"
    output.print(f"{len(dataset.table)} faces, {parts} -> {out}")
    for gap in label_gaps(crops.table.iloc[crops.part("train")], (*SCHEMES, *crops.tasks), crops.declared):
        output.print(gap)


@app.command("info", cls=DrawnCommand, epilog="Example: landmarks data info MTFL.zip")
def data_info(
    source: Annotated[Path, typer.Argument(help="Archive or folder of the dataset, or a prepared folder.")],
) -> None:
    """Count the faces and labels of each split of a dataset."""
    from landmarks.datasets.dataset import read_dataset
    from landmarks.datasets.table import counts

    dataset = read_dataset(source)
    output.print(f"{dataset.name}: {len(dataset.table)} faces. {dataset.terms}")
    frame = counts(dataset.table, dataset.declared)
    output.print(
        table("", ["", *frame.columns], [[name, *map(str, row)] for name, row in zip(frame.index, frame.to_numpy())])
    )


@app.command("check", cls=DrawnCommand, epilog="Example: landmarks data check my_faces")
def data_check(
    source: Annotated[Path, typer.Argument(help="Archive or folder of the dataset, or a prepared folder.")],
) -> None:
    """Read every label, decode every image, and list what is wrong, unknown columns too.

    The exit code is 1 if anything is, 2 if there is nothing to read.
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
