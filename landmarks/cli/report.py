"""`landmarks report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.shared import counted, errors, output, progress


def report(
    path: Annotated[
        Path,
        typer.Argument(
            help="The folder of `landmarks annotate` or of `landmarks compare`, or the JSON file of "
            "`landmarks evaluate`."
        ),
    ],
    out: Annotated[
        Optional[Path],
        typer.Option(
            help="Write the page to this file.", show_default="report.html in the folder, or FILE.html beside FILE.json"
        ),
    ] = None,
    images: Annotated[
        Optional[list[str]],
        typer.Option(
            help="Where the images are now, if they have moved: folders, files, archives, videos as for `annotate`; of "
            "an evaluation the dataset. Give it again for more.",
        ),
    ] = None,
    faces: Annotated[
        int,
        typer.Option(
            min=1, help="Show at most this many faces of a run: the most doubtful half, and others from all over it."
        ),
    ] = 5000,
    gender: Annotated[
        bool,
        typer.Option(
            "--gender",
            help="Also show the gender label: how annotators perceived a face. It errs, and in some groups more than "
            "in others (see the card). Do not use it to decide anything about anyone.",
        ),
    ] = False,
    workers: Annotated[
        Optional[int], typer.Option(min=1, help="Open this many images at once; by default one per core.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")] = False,
) -> None:
    """Make one HTML page of a run, an evaluation or a comparison, to look through in a browser, without a network.

    Of a run: counts, distributions and a gallery of its faces, to sort, filter and enlarge. Of an evaluation: error
    curve, groups, calibration and the worst faces beside their labels. Of a comparison: its tables and figures.
    """
    from landmarks.device import cores
    from landmarks.report.report import Options, write_report

    options = Options(out, tuple(images or ()), faces, gender, workers or cores())
    with progress("opening images", quiet) as step:
        written = write_report(path, options, step)
    if written.missing:
        errors.print(f"{counted(written.missing, 'face')} without a picture; the page says why")
    output.print(f"page: {written.path}")
