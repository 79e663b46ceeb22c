"""`landmarks benchmark`."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from landmarks.cli.shared import BACKEND_HELP, DETECTOR_HELP, WEIGHTS_HELP, output, table


def benchmark(
    sources: Annotated[list[str], typer.Argument(help="Images with faces: files, folders, globs.")],
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "compact",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = "centerface",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch, onnxruntime and OpenCV.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Repetitions; the median counts.")] = 10,
) -> None:
    """Measure each stage on this machine: decode, detect, locate (batches of 64 faces, all passes), draw."""
    from landmarks.inference.annotator import Annotator
    from landmarks.inference.benchmark import benchmark as measure
    from landmarks.inference.benchmark import use_threads
    from landmarks.sources import find

    use_threads(threads)
    times = measure(Annotator(weights, detector, device=device, backend=backend), find(sources), rounds)
    units = {"decode": "an image", "detect": "an image", "locate": "a face", "draw": "an image"}
    output.print(
        table("", ["stage", "ms"], [[f"{name}, {unit}", f"{times[name]:.2f}"] for name, unit in units.items()])
    )
