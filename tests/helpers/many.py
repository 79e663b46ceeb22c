"""What a great many names cost: the memory of the list, and a run with nothing to do.

    python -m tests.helpers.many [--images N] [--format csv,pts]

The journal of a finished run is written by hand, all names are of pictures of one pixel, and the run is given again:
once without its tables, which it writes, and once with them.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np

from landmarks.batch.journal import Journal
from landmarks.batch.options import RunOptions
from landmarks.batch.plan import TASK_IMAGES
from landmarks.batch.run import annotate
from landmarks.record import NO_FACE, OK, Record
from landmarks.sources.find import find
from landmarks.sources.source import Source, file_stamp
from tests.helpers.faces import write_png
from tests.helpers.stub import Stub

LINKS = 50_000
"""Names that one file may have; ext4 allows 65,000."""


def names(folder: Path, images: int) -> list[Path]:
    """So many names of a few equal pictures, a thousand a folder."""
    pictures = [folder / f"picture-{i}.png" for i in range(-(-images // LINKS))]
    for picture in pictures:
        write_png(picture, np.zeros((1, 1, 3), np.uint8))
        os.utime(picture, (0, 0))
    paths = [folder / "in" / f"folder {i // 1000}" / f"photograph-{i:07}.png" for i in range(images)]
    for i, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(pictures[i // LINKS], path)
    return paths


def finish(sources: list[Source], out: Path) -> None:
    """The folder of a run that has done these."""
    stub = Stub()
    annotate(stub, sources[:1], out)
    kinds = [stub.faces(seed, 3) for seed in range(1, 40)]
    stamp = file_stamp(sources[0].path)
    with Journal(out / "journal.jsonl") as journal:
        for low in range(0, len(sources), TASK_IMAGES):
            faces = [kinds[(low + i) % len(kinds)] for i in range(TASK_IMAGES)]
            records = [
                Record(source.name, OK if len(found) else NO_FACE, found, width=640, height=480)
                for source, found in zip(sources[low : low + TASK_IMAGES], faces)
            ]
            journal.append(records, [stamp] * len(records))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--format", default="csv")
    arguments = parser.parse_args()
    count = arguments.images
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        names(folder, count)
        before = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.start()
        sources = find([folder / "in"], recursive=True)
        print(f"{tracemalloc.get_traced_memory()[0] / count:.0f} bytes a name")
        tracemalloc.stop()
        finish(sources, folder / "out")
        for tables in ("tables written", "tables left alone"):
            spent, started = time.process_time(), time.perf_counter()
            summary = annotate(Stub(), sources, folder / "out", RunOptions(arguments.format.split(",")))
            spent, seconds = time.process_time() - spent, time.perf_counter() - started
            anew = f"{summary.done} of {summary.images} done anew, {tables}"
            print(f"{anew}: {1000 * spent / count:.2f} ms of a core an image, {seconds:.1f} s", flush=True)
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{peak / 2**20:.0f} MiB at most, {(peak - before) / count:.0f} bytes an image more than before the list")


if __name__ == "__main__":
    main()
