"""`landmarks compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from landmarks.cli.shared import DETECTOR_HELP, errors, output
from landmarks.errors import LandmarksError

WIDTH = 170
"""Of the table in characters, however narrow the terminal: whole figures on two lines rather than parts of them."""


def compare(
    grid: Annotated[Optional[Path], typer.Argument(help="TOML file of arms, such as docs/comparison.toml.")] = None,
    data: Annotated[Optional[Path], typer.Option(help="Folder made by `landmarks data prepare`.")] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for results, tables and figures; given again, the grid goes on.")
    ] = Path("comparison"),
    arm: Annotated[Optional[list[str]], typer.Option(help="Run only this arm; again for further ones.")] = None,
    split: Annotated[str, typer.Option(help="Faces to measure on; choose settings on val, not on test.")] = "test",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = "centerface",
    jobs: Annotated[int, typer.Option(min=1, help="Trainings at once, sharing the CPU's cores.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    faces: Annotated[
        Optional[Path],
        typer.Option(help="Folder of photographs in which the arms' points are drawn side by side, as faces.png."),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="A tiny grid on drawn faces, without any dataset.")
    ] = False,
) -> None:
    """Train every arm of a grid with every seed and compare them on the same faces, with intervals and figures."""
    from landmarks.comparison.example import EXAMPLE, draw_faces
    from landmarks.comparison.grid import read_grid
    from landmarks.comparison.report import write_report
    from landmarks.comparison.run import compare as run
    from landmarks.comparison.side_by_side import write_side_by_side
    from landmarks.datasets.dataset import load_crops, prepare, read_dataset
    from landmarks.detection.create import create_detector
    from landmarks.device import choose_device
    from landmarks.sources.names import is_image

    if example:
        data, detector, arms = out / "prepared", "whole-image", EXAMPLE
        if not data.is_dir():
            draw_faces(out / "faces")
            prepare(read_dataset(out / "faces"), data)
    elif grid is None or data is None:
        raise LandmarksError("give a grid and --data, or --example")
    else:
        arms = read_grid(grid)
    if arm:
        arms = arms.only(arm)
    failures = run(
        arms,
        read_dataset(data),
        load_crops(data),
        create_detector(detector),
        out,
        split,
        jobs,
        str(choose_device(device)),
        lambda line: output.print(line),
    )
    Console(width=max(output.width, WIDTH)).print(write_report(out, arms.reference))
    if faces is not None:
        photographs = sorted(path for path in faces.iterdir() if is_image(path.name))
        write_side_by_side(out, arms.arms, photographs, create_detector(detector), out / "faces.png")
        output.print(f"faces side by side: {out / 'faces.png'}", markup=False)
    for failure in failures:
        errors.print(f"landmarks: {failure.run}: {failure.reason}")
    if failures:
        raise typer.Exit(1)
