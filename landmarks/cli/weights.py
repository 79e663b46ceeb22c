"""`landmarks weights ...`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from landmarks import shipped
from landmarks.cli.drawn import DrawnCommand, DrawnGroup
from landmarks.cli.shared import WEIGHTS_HELP, output, table
from landmarks.errors import LandmarksError

app = typer.Typer(cls=DrawnGroup, no_args_is_help=True, help="The networks that come with the package.")


@app.command("list", cls=DrawnCommand, epilog="Example: landmarks weights list")
def weights_list() -> None:
    """Name the shipped weights."""
    from landmarks.models.facegrid import load_facegrid
    from landmarks.models.files import DETECTOR, shipped_names
    from landmarks.models.network import count_multiply_adds, count_parameters
    from landmarks.models.store import load_model

    rows = []
    for name in shipped_names():
        model = load_model(name)
        config = model.network.config
        costs = [count_parameters(model.network) / 1e6, count_multiply_adds(model.network) / 1e6]
        rows.append([name, ", ".join(config.tasks), f"{config.input_size} px", *(f"{cost:.2f} M" for cost in costs)])
    path = shipped.SHIPPED / f"{DETECTOR}.safetensors"
    if path.is_file():
        parameters = count_parameters(load_facegrid(path)[0].folded()) / 1e6
        rows.append([DETECTOR, "face boxes, points_5", "any", f"{parameters:.2f} M", "by the image's size"])
    output.print(table("", ["name", "tasks", "input", "parameters", "multiply-adds a pass"], rows))


@app.command("info", cls=DrawnCommand, epilog="Example: landmarks weights info compact")
def weights_info(
    name: Annotated[str, typer.Argument(help=WEIGHTS_HELP)],
) -> None:
    """Show what a weights file or an exported file says about itself, as JSON."""
    from landmarks.export.file import read_onnx
    from landmarks.models.files import ONNX_SUFFIX, resolve
    from landmarks.models.store import load_model

    path = resolve(name)
    facts: dict[str, Any] = {"file": path.name}
    if path.suffix == ONNX_SUFFIX:
        file = read_onnx(path)
        facts |= {"sha256": file.sha256, "precision": file.precision, "weights_sha256": file.weights_sha256}
        config, about = file.config, file.about
    else:
        model = load_model(name)
        facts |= {"sha256": model.sha256}
        config, about = model.network.config, model.about
    facts |= {"config": config.as_dict(), **about}
    output.print(json.dumps(facts, indent=1, ensure_ascii=False))


@app.command("verify", cls=DrawnCommand, epilog="Example: landmarks weights verify")
def weights_verify() -> None:
    """Load every shipped file and compare its checksum with SHA256SUMS; exit code 1 if one differs."""
    from landmarks.detection.facegrid import FaceGrid
    from landmarks.inference.onnx_backend import OnnxBackend
    from landmarks.models.facegrid import load_facegrid
    from landmarks.models.files import DETECTOR, shipped_export, shipped_names
    from landmarks.models.store import load_model

    def open_network(name: str) -> None:
        load_model(name)
        if export := shipped_export(name):
            OnnxBackend.open(export)

    def open_detector(name: str) -> None:
        load_facegrid(shipped.SHIPPED / f"{name}.safetensors")
        FaceGrid()

    checks = {**dict.fromkeys(shipped_names(), open_network), DETECTOR: open_detector}
    failed = False
    for name, check in checks.items():
        try:
            check(name)
            output.print(f"{name}: ok")
        except LandmarksError as error:
            failed = True
            output.print(str(error))
    if failed or not shipped_names():
        raise typer.Exit(1)
