"""`landmarks benchmark`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.table import Table

from landmarks.cli.logs import say
from landmarks.cli.shared import (
    BACKEND_HELP,
    DETECTOR_HELP,
    DEVICE_HELP,
    WEIGHTS_HELP,
    counted,
    output,
    split_names,
    table,
)
from landmarks.errors import LandmarksError
from landmarks.inference.choice import DEFAULT_DETECTOR, DEFAULT_WEIGHTS

if TYPE_CHECKING:
    from landmarks.benchmark.speed import Speed


def benchmark(
    sources: Annotated[list[str], typer.Argument(help="Images with faces: files, folders, globs.")],
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = DEFAULT_WEIGHTS,
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = DEFAULT_DETECTOR,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    threads: Annotated[
        int,
        typer.Option(
            min=1, max=1024, help="CPU threads of torch, onnxruntime and OpenCV while single stages are measured."
        ),
    ] = 1,
    rounds: Annotated[
        int,
        typer.Option(min=0, help="Repeat each stage this often and take the median; 0: no single stages."),
    ] = 10,
    images: Annotated[
        int, typer.Option(min=0, help="Also measure whole runs over this many images, the given ones repeated.")
    ] = 0,
    workers: Annotated[str, typer.Option(help="Worker processes of the whole runs, comma-separated.")] = "1,2",
    peers: Annotated[
        bool,
        typer.Option("--peers", help="Also measure MediaPipe, dlib and facenet-pytorch, where installed."),
    ] = False,
    side: Annotated[
        Optional[int],
        typer.Option(min=32, help="Shrink images for the peers to this many pixels on the longest side."),
    ] = None,
    out: Annotated[Optional[Path], typer.Option(help="Write all figures to this JSON file.")] = None,
) -> None:
    """Measure annotation on this machine: each stage by itself, whole runs, and the peers beside them.

    Single stages run in one process, in batches of 64 faces. Whole runs write CSV and no drawings; each worker has one
    thread.
    """
    from landmarks.atomic import write_text
    from landmarks.benchmark.peers import PeerFactory, installed
    from landmarks.benchmark.speed import UNITS, call_times, run_speed, stage_times
    from landmarks.device import use_threads
    from landmarks.inference.annotator import Annotator
    from landmarks.inference.config import AnnotatorConfig
    from landmarks.sources.find import find

    try:
        counts = [int(number) for number in split_names(workers)] or [1]
    except ValueError:
        raise LandmarksError(f"--workers takes numbers with commas between them, not {workers!r}") from None
    found = find(sources, recursive=True)
    config = AnnotatorConfig(weights=weights, detector=detector, device=device, backend=backend)
    options = {"weights": weights, "detector": detector, "device": device, "backend": backend}
    figures: dict[str, Any] = {"options": options}
    if rounds:
        calls = call_times(config, found, rounds)  # Before the threads are others than by default.
        use_threads(threads)
        times = stage_times(Annotator.from_config(config), found, rounds)
        figures |= {"threads": threads, "milliseconds": times, "calls": asdict(calls)}
        rows = [[f"{name}, {unit}", f"{times[name]:.2f}"] for name, unit in UNITS.items()]
        rows += [
            [f"one call, {counted(calls.threads, 'thread')} (default)", f"{calls.by_default:.2f}"],
            ["one call, 1 thread in all", f"{calls.with_one:.2f}"],
            ["default / 1 thread, in turns", f"{calls.ratio:.2f}"],
        ]
        output.print(table("", ["stage", "ms"], rows))
    if images:
        runs: dict[str, Speed] = {}
        for count in counts:
            runs[f"landmarks, {count} workers"] = run_speed(config, found, images, count)
        for name in installed() if peers else []:
            say(f"measuring {name}")
            runs[name] = run_speed(PeerFactory(name, side), found, images, counts[-1])
        output.print(_runs_table(runs, f"landmarks, {counts[-1]} workers"))
        figures |= {"runs": {name: asdict(speed) for name, speed in runs.items()}, "peers_side": side}
    if out:
        write_text(out, json.dumps(figures, indent=1) + "\n")


def _runs_table(runs: dict[str, Speed], ours: str) -> Table:
    """Speed of whole runs, the peers' as ratios to ours."""
    stages = list(dict.fromkeys(stage for speed in runs.values() for stage in speed.stages))
    columns = ["", "images/s", "ours / it", "faces", "start, s", *(f"{s} %" for s in stages), "beyond detection %"]
    rows = [
        [
            name, f"{speed.rate:.2f}", f"{runs[ours].rate / speed.rate:.2f}", str(speed.faces), f"{speed.start:.1f}",
            *(f"{100 * speed.stages.get(stage, 0):.1f}" for stage in stages), f"{100 * speed.beyond:.1f}",
        ]
        for name, speed in runs.items()
    ]  # fmt: skip
    return table("", columns, rows)
