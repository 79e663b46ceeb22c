"""`landmarks evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.shared import BACKEND_HELP, DETECTOR_HELP, DEVICE_HELP, WEIGHTS_HELP, output, progress
from landmarks.errors import LandmarksError

EVALUATE_DETECTOR_HELP = (
    " On photographs with boxes alone: measure this detector; by default every one that is installed. On annotated "
    "faces: by default whole-image for datasets whose images are cut-out faces (MTFL, CelebA), centerface for others. "
    "Annotated points never give boxes."
)


def evaluate(
    data: Annotated[
        Path,
        typer.Option(
            help="A dataset: its archive, its folder, or a prepared folder. Annotated faces measure a network, "
            "photographs with boxes alone, such as WIDER FACE, measure detectors."
        ),
    ],
    weights: Annotated[Optional[str], typer.Option(help=WEIGHTS_HELP, show_default="compact")] = None,
    split: Annotated[str, typer.Option(help="Part of the data to measure on: train, val or test.")] = "test",
    detector: Annotated[Optional[str], typer.Option(help=DETECTOR_HELP + EVALUATE_DETECTOR_HELP)] = None,
    passes: Annotated[int, typer.Option(min=1, help="How often a face is cropped.")] = 2,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    out: Annotated[Optional[Path], typer.Option(help="Write all figures to this JSON file.")] = None,
    plots: Annotated[
        Optional[Path],
        typer.Option(help="Draw the error distribution and the calibration into this folder."),
    ] = None,
    faces: Annotated[
        bool,
        typer.Option(
            "--faces",
            help="Also write each face's labels, predicted points and error beside --out, to NAME.faces.parquet: "
            "`landmarks report` shows the worst ones.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")] = False,
) -> None:
    """Measure a network on annotated faces: errors, failure rates, slices, attributes, with 95 % intervals. Or measure
    detectors on photographs: average precision, faces found and false ones."""
    from landmarks.datasets.photographs import tells_only_boxes
    from landmarks.evaluation.detectors import detector_tables, evaluate_detectors
    from landmarks.evaluation.evaluate import evaluate as measure
    from landmarks.evaluation.per_face import per_face_path
    from landmarks.evaluation.tables import tables, write_report

    if faces and out is None:
        raise LandmarksError("--faces writes beside the report; give --out, too")
    of_detectors = tells_only_boxes(data)
    if of_detectors and (weights or plots or faces):
        raise LandmarksError(
            f"{data}: has boxes alone, on which detectors are measured; leave --weights, --plots and --faces out"
        )
    with progress("evaluating", quiet) as step:
        if of_detectors:
            figures = evaluate_detectors(data, [detector] if detector else None, split, step)
        else:
            kept = per_face_path(out) if faces and out else None
            figures = measure(weights or "compact", data, split, detector, passes, device, backend, step, kept)
    for table in detector_tables(figures) if of_detectors else tables(figures):
        output.print(table)
    if out:
        write_report(figures, out)
    if plots:
        from landmarks.evaluation.plots import ced_figure, reliability_figure, save

        save(ced_figure(figures), plots / "ced.png")
        save(reliability_figure(figures), plots / "reliability.png")
