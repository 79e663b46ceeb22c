"""`landmarks export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.shared import names, output

EXPORTS = ("onnx",)
"""Formats of networks."""
DETECTOR_USE = "`landmarks annotate --detector FILE` finds faces with it"


def export(
    weights: Annotated[str, typer.Argument(help="Shipped weights by name, or a .safetensors file.")],
    out: Annotated[Path, typer.Option(help="File to write, ending in .onnx, or a folder for NAME.onnx.")],
    format: Annotated[str, typer.Option(help=f"{', '.join(EXPORTS)}.")] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="Eight-bit convolutions: smaller and faster, less exact.")
    ] = False,
    data: Annotated[
        Optional[list[Path]],
        typer.Option(
            help="With --int8: prepared folder with training faces to measure ranges on; again for more. "
            "For a face detector: photographs with boxes."
        ),
    ] = None,
) -> None:
    """Write a network as ONNX files that give points, errors and probabilities.

    NAME.face.onnx takes images and a detector's boxes and makes both passes; NAME.onnx takes upright crops and makes
    the second; NAME.locator.onnx, of a network with a locator, makes the first. They are compared with torch first;
    files are written only if they agree. docs/export.md shows how to use them.
    A face detector's weights become one file in eight bits, NAME.int8.onnx.
    Needs the extra: pip install 'landmarks[onnx]'.
    """
    from landmarks.export.write import export_weights
    from landmarks.models.facegrid import is_facegrid

    names(format, EXPORTS, "format")
    if is_facegrid(weights):
        from landmarks.export.facegrid import export_facegrid

        file = export_facegrid(weights, out, data or ())
        output.print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, in eight bits; {DETECTOR_USE}")
        return
    written = export_weights(weights, out, int8, data or ())
    for file in written.files:
        output.print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    output.print(f"farthest point from torch's on seeded crops: {written.parity:.6f} px")
    if written.moved is not None:
        output.print(f"int8 moves the points of training faces by {written.moved:.3f} px on average")
