"""`landmarks live`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.logs import say
from landmarks.cli.shared import (
    BACKEND_HELP,
    DETECTOR_HELP,
    DEVICE_HELP,
    PASSES_HELP,
    SCHEME_HELP,
    WEIGHTS_HELP,
    counted,
    number_of_points,
)
from landmarks.inference.choice import DEFAULT_DETECTOR


def live(
    source: Annotated[str, typer.Argument(help="The number of a camera, or a video file.")] = "0",
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "compact",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = DEFAULT_DETECTOR,
    scheme: Annotated[int, typer.Option(help=SCHEME_HELP, parser=number_of_points, metavar="NUMBER")] = 5,
    device: Annotated[str, typer.Option(help=DEVICE_HELP)] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    passes: Annotated[int, typer.Option(min=1, help=PASSES_HELP)] = 2,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Smooth points, boxes and labels (needs the extra `video`).")
    ] = False,
    out: Annotated[Path, typer.Option(help="Keep pictures in this folder.")] = Path(),
    record: Annotated[Optional[Path], typer.Option(help="Write all that is shown to this MP4 file.")] = None,
    no_window: Annotated[
        bool, typer.Option("--no-window", help="Show nothing, for machines without a screen.")
    ] = False,
) -> None:
    """Show the faces of a camera or video as they come, with the speed.

    Keys: s keeps the picture, q or Escape ends.
    """
    from landmarks.inference.annotator import Annotator
    from landmarks.live.frames import frames_of
    from landmarks.live.run import show_live
    from landmarks.live.screen import NoScreen, Window

    screen = NoScreen() if no_window else Window(f"landmarks: {source}")
    annotator = Annotator(weights, detector, scheme, device, passes=passes, backend=backend)
    seen = show_live(frames_of(source), annotator, screen, out, record, smooth)
    for path in seen.saved:
        say(f"saved: {path}")
    say(f"{counted(seen.frames, 'frame')}, {seen.speed:.1f} frames/s{f' -> {record}' if record else ''}")
