"""`landmarks annotate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from landmarks.cli.shared import BACKEND_HELP, DETECTOR_HELP, WEIGHTS_HELP, errors, names, progress

GENDER_HELP = (
    "Gender is a dataset label: how annotators perceived a face. It errs, and differently by group (see the card); "
    "do not use it to decide anything about anybody. Leave it out with --tasks."
)


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
    engine: Annotated[
        str, typer.Option(help="local, or ray: Ray Data, on one machine or a cluster of them (the extra `ray`).")
    ] = "local",
    ray_address: Annotated[
        str, typer.Option(help="Of a Ray cluster; auto: the one this machine belongs to; by default one is started.")
    ] = "",
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
    accept_damaged: Annotated[
        bool, typer.Option("--accept-damaged", help="Take what can be decoded of damaged images, and say so.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary.")] = False,
) -> None:
    """Find faces in images; write landmarks and attributes, a row for every image, and drawings.

    Stopped at any moment and given again, the same command goes on where it was.

    Exit code 0: all done; 1: some images failed, listed in failures.csv; 2: the call was wrong.
    """
    from landmarks.batch import processes

    if engine == "local" and workers != 0:
        processes.prepare()
    from landmarks.batch.run import Recipe, Shard
    from landmarks.batch.run import annotate as run
    from landmarks.batch.writers.chips import Chips
    from landmarks.formats import FORMATS
    from landmarks.sources.find import find

    formats = names(format, FORMATS, "format")
    found = find(sources, recursive, every)
    source = "whole-image" if whole_image else str(boxes) if boxes else detector
    recipe = Recipe(
        {
            "weights": weights, "detector": source, "scheme": scheme, "device": device,
            "tasks": None if tasks is None else names(tasks, None, "task"),
            "batch_size": batch_size, "max_pixels": max_pixels, "backend": backend,
            "max_faces": max_faces, "min_face_size": min_face_size, "accept_damaged": accept_damaged,
        }
    )  # fmt: skip
    if workers is None:
        workers = processes.default_workers() if engine == "local" else 0
    beside = [Chips(out / "chips", chips, f".{chip_format}")] if chips else []
    with progress("annotating", quiet) as step:

        def report(record) -> None:
            if record.reason and not quiet:
                errors.print(f"{record.image}: {record.reason}")

        try:
            summary = run(
                recipe, found, out, formats, draw, report=report, progress=step, shard=Shard.parse(shard),
                coords=coords, beside=beside,
                engine=engine, address=ray_address, workers=workers, timeout=timeout, fresh=fresh,
                retry_failed=retry_failed,
            )  # fmt: skip
        except KeyboardInterrupt:
            errors.print(f"{out}: what is done is kept; the same command goes on from there")
            raise
    if not quiet:
        counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
        before = summary.images - summary.done
        errors.print(
            f"{summary.images} images ({counts}), {summary.faces} faces"
            + (f", {before} of them done before" if before else "")
            + (f", {summary.changed} changed since and done again" if summary.changed else "")
            + f", {summary.done / max(summary.seconds, 1e-9):.1f} images/s -> {out}",
        )
        shares = ", ".join(f"{stage} {share:.0%}" for stage, share in summary.stages.items() if share >= 0.005)
        errors.print(f"time: {shares}")
    if summary.failed:
        raise typer.Exit(1)
