"""The commands. No logic: each reads its options, calls the package and shows what came of it."""

from __future__ import annotations

import json
import os
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from landmarks.errors import LandmarksError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Facial landmarks, head pose, smile, glasses and gender from one network.",
)
data_app = typer.Typer(no_args_is_help=True, help="Annotated face datasets: look at them, check them, prepare them.")
weights_app = typer.Typer(no_args_is_help=True, help="The networks that come with the package.")
app.add_typer(data_app, name="data")
app.add_typer(weights_app, name="weights")

errors = Console(stderr=True, highlight=False, soft_wrap=True)
output = Console(highlight=False, soft_wrap=True)

WEIGHTS_HELP = "Shipped weights by name, a .safetensors file, or an .onnx file that `landmarks export` made."
BACKEND_HELP = (
    "torch or onnx (the extra `onnx`); by default onnx for an .onnx file, torch for all else. With onnx other weights "
    "are exported first, in memory, at every call: some seconds."
)
DETECTOR_HELP = "centerface, yunet (its file named in LANDMARKS_YUNET), whole-image, or a CSV file of boxes."
GENDER_HELP = (
    "Gender is a dataset label: how annotators perceived a face. It errs, and differently by group (see the card); "
    "do not use it to decide anything about anybody. Leave it out with --tasks."
)


@contextmanager
def _progress(what: str, quiet: bool = False):
    """A bar on stderr, only where somebody looks at it; yields `step(done, total)`."""
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=errors, disable=quiet or not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command(epilog="Example: landmarks annotate photos --recursive --out results --draw")
def annotate(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, globs, archives (.zip, .tar, .tar.gz; WebDataset shards, numbered as {00..99}), "
            "videos, URLs (s3://...), @list.txt, or - for paths on stdin."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "compact",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP)] = "centerface",
    boxes: Annotated[
        Optional[Path], typer.Option(help="CSV of face boxes: image,x0,y0,x1,y1; no detector runs.")
    ] = None,
    whole_image: Annotated[
        bool, typer.Option("--whole-image", help="Every image is one face; no detector runs.")
    ] = False,
    scheme: Annotated[int, typer.Option(help="Number of landmarks.")] = 5,
    tasks: Annotated[
        Optional[str], typer.Option(help=f"Attributes to write, comma-separated; all by default. {GENDER_HELP}")
    ] = None,
    format: Annotated[
        str, typer.Option(help="Of parquet, csv, jsonl, coco, pts, yolo, cvat, labelstudio; comma-separated.")
    ] = "csv",
    coords: Annotated[
        str, typer.Option(help="upright, or original: the stored pixels of a file whose EXIF orientation turns it.")
    ] = "upright",
    max_faces: Annotated[Optional[int], typer.Option(min=1, help="Of an image, only so many: the largest.")] = None,
    min_face_size: Annotated[
        float, typer.Option(min=0, help="Pass over faces whose box is smaller: root of its area, in pixels.")
    ] = 0.0,
    chips: Annotated[
        Optional[int], typer.Option(min=8, help="Also write aligned faces of so many pixels a side, such as 112.")
    ] = None,
    chip_format: Annotated[str, typer.Option(help="png or jpg.")] = "png",
    draw: Annotated[bool, typer.Option("--draw", help="Also write each image with its faces drawn.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", help="Look into subfolders.")] = False,
    every: Annotated[int, typer.Option(min=1, help="Of a video, one frame of so many.")] = 1,
    shard: Annotated[
        str, typer.Option(help="I/N: only the I-th of N parts of the images, for N machines or jobs.")
    ] = "1/1",
    workers: Annotated[
        Optional[int], typer.Option(min=0, help="Processes; one a core by default; 0: none beside this one.")
    ] = None,
    device: Annotated[
        str,
        typer.Option("--device", "--devices", help="auto, cpu, cuda, or several (cuda:0,cuda:1) to share out."),
    ] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Most faces a network call.")] = 64,
    timeout: Annotated[float, typer.Option(min=1, help="Seconds an image may take, where there are workers.")] = 300,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Do images again that failed before.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew; forget what was done in the folder.")] = False,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Larger images are not decoded (status too_large).")
    ] = 100_000_000,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary.")] = False,
) -> None:
    """Find faces in images; write landmarks and attributes, a row for every image, and drawings.

    Stopped at any moment and given again, the same command goes on where it was.

    Exit code 0: all done; 1: some images failed, listed in failures.csv; 2: the call was wrong.
    """
    from landmarks.inference import processes

    if workers != 0:
        processes.prepare()
    from landmarks.inference.batch import Recipe, Shard
    from landmarks.inference.batch import annotate as run
    from landmarks.inference.chips import Chips
    from landmarks.inference.sinks import FORMATS
    from landmarks.sources import find

    formats = _names(format, FORMATS, "format")
    found = find(sources, recursive, every)
    source = "whole-image" if whole_image else str(boxes) if boxes else detector
    recipe = Recipe(
        {
            "weights": weights, "detector": source, "scheme": scheme, "device": device,
            "tasks": None if tasks is None else _names(tasks, None, "task"),
            "batch_size": batch_size, "max_pixels": max_pixels, "backend": backend,
            "max_faces": max_faces, "min_face_size": min_face_size,
        }
    )  # fmt: skip
    beside = [Chips(out / "chips", chips, f".{chip_format}")] if chips else []
    with _progress("annotating", quiet) as step:

        def report(record) -> None:
            if record.reason and not quiet:
                errors.print(f"{record.image}: {record.reason}", markup=False)

        try:
            summary = run(
                recipe, found, out, formats, draw, report=report, progress=step, shard=Shard.parse(shard),
                coords=coords, beside=beside,
                workers=processes.default_workers() if workers is None else workers, timeout=timeout,
                fresh=fresh, retry_failed=retry_failed,
            )  # fmt: skip
        except KeyboardInterrupt:
            errors.print(f"{out}: what is done is kept; the same command goes on from there", markup=False)
            raise
    if not quiet:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
        before = summary.images - summary.done
        errors.print(
            f"{summary.images} images ({counts}), {summary.faces} faces"
            + (f", {before} of them done before" if before else "")
            + (f", {summary.changed} changed since and done again" if summary.changed else "")
            + f", {summary.done / max(summary.seconds, 1e-9):.1f} images/s -> {out}",
            markup=False,
        )
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in summary.stages.items() if share >= 0.005)
        errors.print(f"time: {shares}", markup=False)
    if summary.failed:
        raise typer.Exit(1)


@app.command(epilog="Example: landmarks train weights/compact.toml --data prepared/mtfl --out runs/compact")
def train(
    config: Annotated[Path, typer.Argument(help="TOML file with two sections, network and training.")],
    data: Annotated[
        list[Path], typer.Option(help="Folder made by `landmarks data prepare`; again for each further one.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the log, the state and the weights.")],
    encoder: Annotated[
        Optional[str], typer.Option(help="Instead of the config's: compact, accurate, torchvision:NAME.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    seed: Annotated[Optional[int], typer.Option(help="Instead of the config's seed.")] = None,
    start: Annotated[
        Optional[str], typer.Option(help="Weights to begin with, a shipped name or a file, to fine-tune them.")
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 leaves the choice to torch.")] = 0,
) -> None:
    """Train a network; an interrupted call with the same settings goes on where it stopped."""
    from landmarks.training.run import train_from_config

    def report(row: dict) -> None:
        losses = " ".join(f"{task} {value:.3f}" for task, value in row.get("val", row["train"]).items())
        output.print(f"epoch {row['epoch'] + 1}: {losses} ({row['seconds']:.0f} s)", markup=False)

    path = train_from_config(config, data, out, device, seed, encoder, threads, start, report)
    output.print(f"weights: {path}", markup=False)


@app.command(
    epilog="Example: landmarks calibrate runs/compact/weights.safetensors --data prepared/mtfl --out my.safetensors"
)
def calibrate(
    weights: Annotated[Path, typer.Argument(help="Weights file.")],
    data: Annotated[
        list[Path], typer.Option(help="Prepared folder with validation faces; again for each further one.")
    ],
    out: Annotated[Path, typer.Option(help="Weights file to write.")],
) -> None:
    """Fit expected errors, quality and probabilities to validation faces; write the weights with them."""
    from landmarks.evaluation.calibrate import calibrate_file

    calibration = calibrate_file(weights, data, out)
    output.print(json.dumps(calibration.as_dict(), indent=1), markup=False)


@app.command(
    epilog="Example: landmarks evaluate --weights compact --data MTFL.zip --detector whole-image --out results.json"
)
def evaluate(
    data: Annotated[Path, typer.Option(help="A dataset's archive, its folder, or a prepared folder.")],
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP)] = "compact",
    split: Annotated[str, typer.Option(help="train, val or test.")] = "test",
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP + " Never the annotated points.")] = "whole-image",
    passes: Annotated[int, typer.Option(min=1, help="How often a face is cropped.")] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP)] = None,
    out: Annotated[Optional[Path], typer.Option(help="Write all figures to this JSON file.")] = None,
    plots: Annotated[
        Optional[Path], typer.Option(help="Draw error distribution and calibration to this folder.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Measure a network on annotated faces: errors, failure rates, slices, attributes, with 95 % intervals."""
    from landmarks.evaluation.report import tables, write_report
    from landmarks.evaluation.run import evaluate_weights

    with _progress("evaluating", quiet) as step:
        figures = evaluate_weights(weights, data, split, detector, passes, device, backend, step)
    for table in tables(figures):
        output.print(table)
    if out:
        write_report(figures, out)
    if plots:
        from landmarks.evaluation.plots import ced_figure, reliability_figure, save

        save(ced_figure(figures), plots / "ced.png")
        save(reliability_figure(figures), plots / "reliability.png")


@app.command(epilog="Example: landmarks benchmark data/samples --threads 1")
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
        _table("", ["stage", "ms"], [[f"{name}, {unit}", f"{times[name]:.2f}"] for name, unit in units.items()])
    )


@app.command(epilog="Example: landmarks export compact --out exported")
def export(
    weights: Annotated[str, typer.Argument(help="Shipped weights by name, or a .safetensors file.")],
    out: Annotated[Path, typer.Option(help="File to write, ending in .onnx, or a folder for NAME.onnx.")],
    format: Annotated[str, typer.Option(help="onnx.")] = "onnx",
    int8: Annotated[
        bool, typer.Option("--int8", help="Eight-bit convolutions: smaller and faster, less exact.")
    ] = False,
    data: Annotated[
        Optional[list[Path]],
        typer.Option(help="With --int8: prepared folder with training faces to measure ranges on; again for more."),
    ] = None,
) -> None:
    """Write a network as an ONNX file that takes crops of any size and gives points, errors and probabilities.

    Its points are compared with torch's first; a file is written only if they agree. A network with a locator for the
    first pass gives a second file, NAME.locator.onnx. Needs the extra: pip install 'landmarks[onnx]'.
    """
    from landmarks.inference.portable import export_weights

    _names(format, ("onnx",), "format")
    written = export_weights(weights, out, int8, data or ())
    for file in written.files:
        output.print(f"{file}: {file.stat().st_size / 1e6:.2f} MB", markup=False)
    output.print(f"farthest point from torch's on seeded crops: {written.parity:.6f} px", markup=False)
    if written.moved is not None:
        output.print(f"int8 moves the points of training faces by {written.moved:.3f} px on average", markup=False)


@data_app.command("prepare", epilog="Example: landmarks data prepare MTFL.zip --out prepared/mtfl")
def data_prepare(
    source: Annotated[Path, typer.Argument(help="The dataset's archive or folder.")],
    out: Annotated[Path, typer.Option(help="Folder for the table and the cached crops.")],
) -> None:
    """Read a dataset, check it, split off a validation part, cut out the faces once for all epochs."""
    from landmarks.datasets.dataset import prepare, read_dataset

    dataset = read_dataset(source)
    with _progress("cutting faces") as step:
        crops = prepare(dataset, out, step)
    output.print(f"{len(dataset.table)} faces, {len(crops.table)} of them cached for training -> {out}", markup=False)


@data_app.command("info", epilog="Example: landmarks data info MTFL.zip")
def data_info(
    source: Annotated[Path, typer.Argument(help="A dataset's archive, its folder, or a prepared folder.")],
) -> None:
    """Count a dataset's faces and labels by split."""
    from landmarks.datasets.dataset import read_dataset
    from landmarks.datasets.table import counts

    dataset = read_dataset(source)
    output.print(f"{dataset.name}: {len(dataset.table)} faces. {dataset.terms}", markup=False)
    frame = counts(dataset.table)
    output.print(
        _table("", ["", *frame.columns], [[name, *map(str, row)] for name, row in zip(frame.index, frame.to_numpy())])
    )


@data_app.command("check", epilog="Example: landmarks data check my_faces")
def data_check(
    source: Annotated[Path, typer.Argument(help="A dataset's archive, its folder, or a prepared folder.")],
) -> None:
    """Read every label and decode every image; exit code 1 if anything is wrong."""
    from landmarks.datasets.dataset import check_images, read_dataset

    dataset = read_dataset(source)
    with _progress("decoding") as step:
        problems = check_images(dataset, step)
    for problem in problems:
        errors.print(problem, markup=False)
    output.print(f"{len(dataset.table)} faces, {len(problems)} problems", markup=False)
    if problems:
        raise typer.Exit(1)


@weights_app.command("list", epilog="Example: landmarks weights list")
def weights_list() -> None:
    """Name the shipped weights."""
    from landmarks.models.network import count_multiply_adds, count_parameters
    from landmarks.models.store import load_model, shipped_names

    rows = []
    for name in shipped_names():
        model = load_model(name)
        config = model.network.config
        costs = [count_parameters(model.network) / 1e6, count_multiply_adds(model.network) / 1e6]
        rows.append([name, ", ".join(config.tasks), f"{config.input_size} px", *(f"{cost:.2f} M" for cost in costs)])
    output.print(_table("", ["name", "tasks", "input", "parameters", "multiply-adds a pass"], rows))


@weights_app.command("info", epilog="Example: landmarks weights info compact")
def weights_info(
    name: Annotated[str, typer.Argument(help=WEIGHTS_HELP)],
) -> None:
    """Show what a weights file or an exported file says about itself, as JSON."""
    from landmarks.models.onnxfile import SUFFIX, read_onnx
    from landmarks.models.store import load_model, resolve

    path = resolve(name)
    facts: dict = {"file": path.name}
    if path.suffix == SUFFIX:
        file = read_onnx(path)
        facts |= {"sha256": file.sha256, "precision": file.precision, "weights_sha256": file.weights_sha256}
        config, about = file.config, file.about
    else:
        model = load_model(name)
        facts |= {"sha256": model.sha256}
        config, about = model.network.config, model.about
    facts |= {"config": config.as_dict(), **about}
    typer.echo(json.dumps(facts, indent=1, ensure_ascii=False))


@weights_app.command("verify", epilog="Example: landmarks weights verify")
def weights_verify() -> None:
    """Load every shipped file and compare its checksum with SHA256SUMS; exit code 1 if one differs."""
    from landmarks.models.store import load_model, shipped_names

    failed = False
    for name in shipped_names():
        try:
            load_model(name)
            output.print(f"{name}: ok")
        except LandmarksError as error:
            failed = True
            output.print(str(error), markup=False)
    if failed or not shipped_names():
        raise typer.Exit(1)


def _names(text: str, known, what: str) -> tuple[str, ...]:
    """Comma-separated names. Raises LandmarksError for an unknown one."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if known is not None and name not in known:
            raise LandmarksError(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return names


def _table(title: str, columns: list[str], rows: list[list[str]]) -> Table:
    table = Table(*columns, title=title or None)
    for row in rows:
        table.add_row(*row)
    return table


def main() -> None:
    """Run a command; the user's errors end in one sentence and exit code 2."""
    warnings.showwarning = lambda message, *_: errors.print(f"landmarks: {message}", markup=False)
    try:
        app(standalone_mode=True)
    except (LandmarksError, ValueError) as error:
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        errors.print(f"landmarks: {error}", markup=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("landmarks: interrupted")
        sys.exit(130)
