"""`landmarks annotate`."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from landmarks.cli.logs import on_screen, say
from landmarks.cli.shared import (
    BACKEND_HELP,
    DETECTOR_HELP,
    DEVICE_HELP,
    FORMATS,
    PASSES_HELP,
    SCHEME_HELP,
    WEIGHTS_HELP,
    counted,
    errors,
    number_of_points,
    progress,
    split_names,
)
from landmarks.errors import LandmarksError
from landmarks.inference.choice import DEFAULT_DETECTOR, DEFAULT_WEIGHTS

if TYPE_CHECKING:
    from landmarks.batch.run import Summary
    from landmarks.record import Record

INPUT, FACES, OUTPUT, MACHINE, RESUME = "Input", "Faces", "Output", "Machine", "Resume"
"""The groups of options."""
GENDER_HELP = (
    "Gender is a dataset label: how annotators perceived a face. It errs, and in some groups more than in others (see "
    "the card). Do not use it to decide anything about anyone. Leave it out with --tasks. "
    "Drawings tell it only if --tasks names it."
)


def annotate(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Images, folders, globs, archives (.zip, .tar, .tar.gz; WebDataset shards, numbered as {00..99}), "
            "videos, URLs (s3://...), @list.txt, or - for paths on stdin."
        ),
    ],
    *,
    recursive: Annotated[
        bool, typer.Option("--recursive", help="Look into subfolders.", rich_help_panel=INPUT)
    ] = False,
    every: Annotated[int, typer.Option(min=1, help="Take every Nth video frame.", rich_help_panel=INPUT)] = 1,
    shard: Annotated[
        str,
        typer.Option(help="I/N: take the I-th of N parts of the images, for N machines.", rich_help_panel=INPUT),
    ] = "1/1",
    max_pixels: Annotated[
        int,
        typer.Option(min=1, help="Do not decode larger images (status too_large).", rich_help_panel=INPUT),
    ] = 100_000_000,
    accept_damaged: Annotated[
        bool,
        typer.Option("--accept-damaged", help="Take what can be decoded of damaged images.", rich_help_panel=INPUT),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Decode large JPEGs whole, though less would do.", rich_help_panel=INPUT),
    ] = False,
    weights: Annotated[str, typer.Option(help=WEIGHTS_HELP, rich_help_panel=FACES)] = DEFAULT_WEIGHTS,
    detector: Annotated[str, typer.Option(help=DETECTOR_HELP, rich_help_panel=FACES)] = DEFAULT_DETECTOR,
    boxes: Annotated[
        Optional[Path],
        typer.Option(
            help="Take the face boxes of this CSV file (image,x0,y0,x1,y1) instead of a detector's.",
            rich_help_panel=FACES,
        ),
    ] = None,
    whole_image: Annotated[
        bool,
        typer.Option("--whole-image", help="Take every image for one face; no detector runs.", rich_help_panel=FACES),
    ] = False,
    scheme: Annotated[
        int, typer.Option(help=SCHEME_HELP, parser=number_of_points, metavar="NUMBER", rich_help_panel=FACES)
    ] = 5,
    tasks: Annotated[
        Optional[str],
        typer.Option(
            help=f"Attributes to write, comma-separated; by default all. {GENDER_HELP}", rich_help_panel=FACES
        ),
    ] = None,
    max_faces: Annotated[
        Optional[int],
        typer.Option(min=1, help="Keep at most this many faces per image, largest first.", rich_help_panel=FACES),
    ] = None,
    min_face_size: Annotated[
        float,
        typer.Option(
            min=0,
            help="Skip faces smaller than this: sqrt(width x height) of the box, in pixels.",
            rich_help_panel=FACES,
        ),
    ] = 0.0,
    passes: Annotated[int, typer.Option(min=1, help=PASSES_HELP, rich_help_panel=FACES)] = 2,
    out: Annotated[Path, typer.Option(help="Write the results to this folder.", rich_help_panel=OUTPUT)],
    format: Annotated[
        str,
        typer.Option(
            help=f"Formats to write, comma-separated: {', '.join(FORMATS)}.",
            rich_help_panel=OUTPUT,
        ),
    ] = "csv",
    coords: Annotated[
        str,
        typer.Option(
            help="Pixels that coordinates refer to: upright, or original for the stored pixels of files whose EXIF "
            "orientation turns them.",
            rich_help_panel=OUTPUT,
        ),
    ] = "upright",
    draw: Annotated[
        bool,
        typer.Option(
            "--draw", help="Also write each image with its faces drawn; a video as one MP4.", rich_help_panel=OUTPUT
        ),
    ] = False,
    draw_frames: Annotated[
        bool,
        typer.Option("--draw-frames", help="The same, but each frame of a video as a picture.", rich_help_panel=OUTPUT),
    ] = False,
    track: Annotated[
        bool,
        typer.Option(
            "--track",
            help="Say which faces of a video are the same one: the column track (needs the extra `video`).",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    smooth: Annotated[
        bool,
        typer.Option(
            "--smooth",
            help="Smooth points, boxes and labels over the frames of a video; with --track.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    chips: Annotated[
        Optional[int],
        typer.Option(
            min=8, help="Also write each face upright and cut out, this many pixels a side.", rich_help_panel=OUTPUT
        ),
    ] = None,
    chip_format: Annotated[str, typer.Option(help="Format of the chips, png or jpg.", rich_help_panel=OUTPUT)] = "png",
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress bar and no summary.", rich_help_panel=OUTPUT)
    ] = False,
    metrics: Annotated[
        Optional[Path],
        typer.Option(
            help="Keep the progress in this text file for Prometheus (FILE.prom of its textfile collector).",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="local, or ray for Ray Data on one machine or a cluster (needs the extra `ray`).",
            rich_help_panel=MACHINE,
        ),
    ] = "local",
    ray_address: Annotated[
        str,
        typer.Option(
            help="Address of the Ray cluster; auto for the one this machine belongs to. By default one is started "
            "here.",
            rich_help_panel=MACHINE,
        ),
    ] = "",
    workers: Annotated[
        Optional[int],
        typer.Option(min=0, help="Worker processes; by default one per core. 0: none.", rich_help_panel=MACHINE),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            "--devices",
            help=f"{DEVICE_HELP} Workers share out several (cuda:0,cuda:1).",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    backend: Annotated[Optional[str], typer.Option(help=BACKEND_HELP, rich_help_panel=MACHINE)] = None,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Maximum faces per forward pass.", rich_help_panel=MACHINE)
    ] = 64,
    timeout: Annotated[
        float,
        typer.Option(
            min=1, help="Seconds that an image may take, or a file system to answer.", rich_help_panel=MACHINE
        ),
    ] = 300,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do images again that failed.", rich_help_panel=RESUME)
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what was done in the folder and do all.", rich_help_panel=RESUME)
    ] = False,
) -> None:
    """Find faces in images; write landmarks and attributes, a row for every image, and drawings.

    Stopped at any moment and given again, the same command goes on where it was.

    Exit code 0: all done; 1: some images failed, listed in failures.csv; 2: the call was wrong.
    """
    for source in sources:
        if source.isdigit() and not os.path.lexists(source):
            raise LandmarksError(f"{source}: is no file; for the camera of this number type: landmarks live {source}")
    from landmarks.batch.engines import processes
    from landmarks.inference.choice import modules

    if workers != 0:
        # It imports what the workers need while the imports below go on.
        processes.prepare(modules(weights, device, backend))
    from landmarks.batch.options import Resume, RunOptions
    from landmarks.batch.plan import Shard
    from landmarks.batch.prometheus import ProgressFile
    from landmarks.batch.run import annotate_folder
    from landmarks.drawing.draw import Style
    from landmarks.inference.config import AnnotatorConfig

    config = AnnotatorConfig(
        weights=weights,
        detector="whole-image" if whole_image else boxes or detector,
        scheme=scheme,
        device=device,
        tasks=None if tasks is None else split_names(tasks),
        passes=passes,
        batch_size=batch_size,
        max_pixels=max_pixels,
        max_faces=max_faces,
        min_face_size=min_face_size,
        backend=backend,
        accept_damaged=accept_damaged,
        exact=exact,
    )
    options = RunOptions(
        formats=split_names(format),
        coords=coords,
        drawings=draw or draw_frames,
        draw_frames=draw_frames,
        track=track or smooth,
        smooth=smooth,
        style=Style(gender="gender" in (config.tasks or ())),
        chips=chips,
        chip_format=chip_format,
        engine=engine,
        address=ray_address,
        workers=workers,
        timeout=timeout,
        shard=Shard.parse(shard),
    )
    told = ProgressFile(metrics) if metrics else None
    with progress("annotating", quiet) as step, told or nullcontext():

        def report(record: Record) -> None:
            if record.reason and not quiet and not on_screen():
                errors.print(f"{record.image}: {record.reason}")
            if told:
                told.report(record)

        def on(done: int, total: int | None) -> None:
            step(done, total)
            if told:
                told.progress(done, total)

        def on_writing(done: int, total: int) -> None:
            step(done, total, "writing, drawing" if options.drawings and not draw_frames else "writing")
            if told:
                told.progress(total, total)

        try:
            summary = annotate_folder(
                sources,
                out,
                config,
                options,
                Resume(fresh=fresh, retry_failed=retry_failed),
                recursive=recursive,
                every=every,
                report=report,
                progress=on,
                writing=on_writing,
            )
        except KeyboardInterrupt:
            errors.print(f"{out}: what is done is kept; the same command goes on from there")
            raise
    if not quiet:
        for line in summary_lines(summary, out):
            say(line)
    if summary.failed:
        raise typer.Exit(1)


def summary_lines(summary: Summary, out: Path) -> list[str]:
    """What a run has done, in words: counts, speed, what to look at next, and where the time went."""
    counts = ", ".join(f"{count} {status}" for status, count in sorted(summary.statuses.items()))
    parts = [f"{counted(summary.images, 'image')} ({counts})", counted(summary.faces, "face")]
    if before := summary.images - summary.done:
        parts.append(f"{before} of the images done before")
    if summary.changed:
        parts.append(f"{summary.changed} changed since and done again")
    if summary.done > 1:  # One image says nothing of the speed: the start takes most of the time.
        parts.append(f"{summary.done / max(summary.seconds, 1e-9):.1f} images/s")
    lines = [f"{', '.join(parts)} -> {out}"]
    if summary.failed:
        lines.append(f"failed: {counted(summary.failed, 'image')}; see {out / 'failures.csv'}")
    if summary.doubtful or summary.upside_down:
        turned = f", {counted(summary.upside_down, 'face')} upside down" if summary.upside_down else ""
        lines.append(f"doubtful: {counted(summary.doubtful, 'face')}{turned}; see {out / 'review.csv'}")
    if summary.boxes_unused or summary.images_without_boxes:
        lines.append(
            f"boxes: {counted(summary.boxes_unused, 'name')} without an image, "
            f"{counted(summary.images_without_boxes, 'image')} without a row; see {out / 'boxes_unmatched.csv'}"
        )
    shares = ", ".join(f"{stage} {share:.0%}" for stage, share in summary.stages.items() if share >= 0.005)
    return [*lines, f"time: {shares}; network: {summary.backend}"]
