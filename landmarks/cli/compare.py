"""`landmarks compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from landmarks.cli.logs import say
from landmarks.cli.shared import DETECTOR_HELP, output, table
from landmarks.errors import DataError, LandmarksError
from landmarks.inference.choice import DEFAULT_DETECTOR

WIDTH = 170
"""Of the table in characters, however narrow the terminal: whole figures on two lines rather than parts of them."""
GRID_SET_HELP = (
    "Set a field of the arms that are run to a TOML value, such as epochs=2, whatever the file says; or a field of the "
    "file, such as defaults.epochs=2 or reference=NAME. Give it again for more fields."
)


def compare(
    grid: Annotated[
        Optional[Path],
        typer.Argument(
            help="TOML file with the arms and the questions, such as docs/comparison.toml. With --example: full, for "
            "the larger one."
        ),
    ] = None,
    data: Annotated[
        Optional[list[Path]],
        typer.Option(
            help="Train and measure on this folder of `landmarks data prepare`. Give it again for more to learn from; "
            "the test faces are those of the first."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Write results, tables and figures to this folder. Given again, the grid goes on.")
    ] = Path("comparison"),
    arm: Annotated[Optional[list[str]], typer.Option(help="Run only this arm. Give it again for more arms.")] = None,
    settings: Annotated[
        Optional[list[str]],
        typer.Option("--set", metavar="KEY=VALUE", help=GRID_SET_HELP),
    ] = None,
    split: Annotated[
        str, typer.Option(help="Measure on the faces of this split. Choose settings on val, not on test.")
    ] = "test",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = DEFAULT_DETECTOR,
    jobs: Annotated[
        Optional[int],
        typer.Option(
            min=1,
            help="Run this many trainings at once. They share the CPU's cores. By default 1, or one a core with "
            "--example.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Compute on this device: auto, cpu, cuda, cuda:1, ...")] = "auto",
    faces: Annotated[
        Optional[Path],
        typer.Option(help="Draw each arm's points in the photographs of this folder, side by side, as faces.png."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say which trainings are left and about how long they take; train nothing."),
    ] = False,
    example: Annotated[
        bool, typer.Option("--example", help="Compare a tiny grid on drawn faces: no dataset, about two minutes.")
    ] = False,
) -> None:
    """Train every arm of a grid with every seed, and compare the arms on the same test faces.

    Tables and figures show each arm's errors and its difference to the reference, with confidence intervals.
    """
    import os

    from landmarks.comparison.example import EXAMPLE, FULL, prepared_faces
    from landmarks.comparison.grid.grid_file import read_grid
    from landmarks.comparison.report import write_report
    from landmarks.comparison.run import compare as run
    from landmarks.comparison.run import plan as to_run
    from landmarks.comparison.side_by_side import write_side_by_side
    from landmarks.datasets.dataset import load_crops, read_dataset
    from landmarks.datasets.facts import declared_in
    from landmarks.declared import merged
    from landmarks.detection.create import create_detector
    from landmarks.device import choose_device
    from landmarks.sources.names import is_image

    names, settings = arm or [], settings or []
    if faces is not None and not faces.is_dir():
        raise LandmarksError(f"--faces {faces}: is no folder; give one with photographs")
    if example:
        if settings:
            raise LandmarksError("--set changes a grid's file, and --example has none; leave one of them out")
        if data is not None or str(grid or "full") != "full":
            raise LandmarksError("--example takes nothing but the word full: it has a grid and faces of its own")
        plan = FULL if grid else EXAMPLE
        plan.choose(names)
        data, detector, jobs = [prepared_faces(out)], "whole-image", jobs or os.cpu_count()
    elif grid is None or not data:
        raise LandmarksError("give a grid and --data, or --example")
    else:
        try:
            declared = merged((str(folder), declared_in(folder)) for folder in data)
        except DataError:
            read_grid(grid, settings, names)  # what is wrong with the file is told first
            raise
        plan = read_grid(grid, settings, names, declared)
    chosen = plan.choose(names)
    if dry_run:
        rows = to_run(plan, load_crops(*data), out, str(choose_device(device)), names, output.print)
        cells = [[name, str(count), f"{each:.1f}", f"{count * each:.0f}"] for name, count, each in rows]
        output.print(table("trainings that are left", ["arm", "runs", "minutes a run", "minutes"], cells))
        runs, total = sum(count for _, count, _ in rows), sum(count * each for _, count, each in rows)
        at_once = f", {total / jobs:.0f} with --jobs {jobs}" if jobs else ""
        output.print(f"{runs} trainings: about {total:.0f} min one by one{at_once}; nothing was run")
        return
    reference = plan.reference if plan.reference in {one.name for one in chosen} else chosen[0].name
    failures = run(
        plan,
        read_dataset(data[0]),
        load_crops(*data),
        create_detector(detector),
        out,
        split,
        jobs or 1,
        str(choose_device(device)),
        names,
        lambda line: output.print(line),
    )
    told = write_report(out, reference)
    Console(width=max(output.width, WIDTH)).print(told.table)
    for figure in told.figures:
        output.print(f"figure: {figure}")
    output.print(told.meaning)
    if faces is not None:
        photographs = sorted(path for path in faces.iterdir() if is_image(path.name))
        write_side_by_side(out, chosen, photographs, create_detector(detector), out / "faces.png")
        output.print(f"faces side by side: {out / 'faces.png'}", markup=False)
    for failure in failures:
        say(f"landmarks: {failure.run}: {failure.reason}")
    if failures:
        raise typer.Exit(1)
