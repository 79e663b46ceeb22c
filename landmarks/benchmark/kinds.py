"""How fast whole runs are on the kinds of folders that people have, and how near that is to what the machine can do.

    python -m landmarks.benchmark.kinds PHOTOS [--detectors facegrid,centerface] [--images 200] [--workers 1,2]

makes three folders of the photographs: of 1 megapixel, of 12 megapixels with a camera's noise, and crops of 150 pixels
around their faces. Each is annotated in whole runs with each detector. Beside these stand two floors: decoding the
same files whole with OpenCV and nothing else, on one core; and the multiply-adds of detector and network over those
that one core does in a large product of matrices.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from landmarks import images
from landmarks.atomic import write_text
from landmarks.benchmark.decoding import bare
from landmarks.benchmark.reduced import enlarged
from landmarks.benchmark.speed import Speed, run_speed
from landmarks.device import use_threads
from landmarks.errors import LandmarksError
from landmarks.inference.annotator import Annotator
from landmarks.inference.config import AnnotatorConfig
from landmarks.sources.find import find
from landmarks.sources.source import Source

MEGAPIXEL, QUALITY = 1e6, 90
"""Pixels of a small photograph; JPEG quality of small photographs and of crops."""
CROP, MARGIN = 150, 0.4
"""Side of a face crop in pixels, and what it shows around the face on each side, as a share of the box's longer one."""
KINDS = ("1 megapixel", "12 megapixels", f"crops of {CROP} pixels")
PRODUCT = 1024
"""Side of the matrices whose product tells how many multiply-adds a core does."""


@dataclass(frozen=True)
class Kind:
    """What one folder has come to."""

    name: str
    files: int
    megabytes: float
    """Mean size of a file."""
    decoding: float
    """Images a second that OpenCV alone decodes on one core, whole."""
    runs: dict[str, Speed]
    """By detector and number of workers."""


def small(picture: np.ndarray) -> bytes:
    """A JPEG of a photograph (H, W, 3), resized to a megapixel."""
    zoom = (MEGAPIXEL / (picture.shape[0] * picture.shape[1])) ** 0.5
    flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    return _jpeg(cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=flags))


def crops(picture: np.ndarray, boxes: np.ndarray) -> list[bytes]:
    """JPEGs of CROP x CROP pixels around the boxes (N, 4) of a photograph (H, W, 3)."""
    cut = []
    for x0, y0, x1, y1 in boxes:
        side = max(x1 - x0, y1 - y0) * (1 + 2 * MARGIN)
        zoom = CROP / side
        centre = np.array([x0 + x1, y0 + y1]) / 2
        matrix = np.array([[zoom, 0, CROP / 2 - zoom * centre[0]], [0, zoom, CROP / 2 - zoom * centre[1]]])
        flags = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
        cut.append(_jpeg(cv2.warpAffine(picture, matrix, (CROP, CROP), flags=flags, borderMode=cv2.BORDER_REPLICATE)))
    return cut


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def make_folders(sources: Sequence[Source], out: Path, detector: str = "centerface") -> dict[str, list[Source]]:
    """Write the three folders; sources by name in KINDS. Raises ImageError, or LandmarksError if there are no faces."""
    annotator, generator = Annotator(detector=detector), np.random.default_rng(0)
    written: dict[str, list[bytes]] = {name: [] for name in KINDS}
    for source in sources:
        picture = images.read(source.path).pixels
        written[KINDS[0]].append(small(picture))
        written[KINDS[1]].append(enlarged(picture, generator))
        written[KINDS[2]] += crops(picture, annotator(picture).boxes)
    if not written[KINDS[2]]:
        raise LandmarksError("there is no face in these images; give others")
    found = {}
    for number, (name, files) in enumerate(written.items()):
        folder = out / str(number)
        folder.mkdir(parents=True)
        for place, data in enumerate(files):
            (folder / f"{place:05}.jpg").write_bytes(data)
        found[name] = find([folder])
    return found


def decoding_rate(sources: Sequence[Source], count: int) -> float:
    """Images a second that OpenCV decodes whole, on one thread, of `count` files."""
    files = [Path(source.path).read_bytes() for source in sources]
    cv2.setNumThreads(1)
    started = time.perf_counter()
    for number in range(count):
        bare(files[number % len(files)])
    return count / (time.perf_counter() - started)


def multiply_adds_a_second() -> float:
    """That one core does in float32, best of a few products of large matrices."""
    import torch

    use_threads(1)
    left = torch.rand(PRODUCT, PRODUCT)
    best = np.inf
    for _ in range(8):
        started = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - started)
    return PRODUCT**3 / best


def multiply_adds(height: int = 480, width: int = 640) -> dict[str, int]:
    """Of `facegrid` on a picture of so many pixels, and of `compact` and its locator on a face."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from landmarks.models.facegrid import load_facegrid
    from landmarks.models.files import DETECTOR
    from landmarks.models.store import load_model
    from landmarks.shipped import SHIPPED

    compact = load_model("compact").network
    locator = compact.locator
    assert locator is not None
    facegrid = load_facegrid(SHIPPED / f"{DETECTOR}.safetensors")[0]
    canvas = torch.zeros(1, 3, *(-(-side // 64) * 64 for side in (height, width)), dtype=torch.uint8)
    crop, first = (
        torch.zeros(1, side, side, 3, dtype=torch.uint8) for side in (compact.config.input_size, locator.size)
    )
    works: dict[str, Callable[[], object]] = {
        "facegrid, a picture": lambda: facegrid(canvas),
        "compact, a face": lambda: compact(crop),
        "its locator, a face": lambda: locator(first),
    }
    counts = {}
    for name, work in works.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            work()
        counts[name] = counter.get_total_flops() // 2
    return counts


def measure(
    sources: Sequence[Source],
    detectors: Sequence[str],
    count: int,
    workers: Sequence[int],
    report: Callable[[str], None] = lambda line: None,
) -> list[Kind]:
    """All kinds. count: images of each run; of 12 megapixels, a quarter as many. Raises LandmarksError, ImageError."""
    kinds = []
    with tempfile.TemporaryDirectory() as folder:
        for name, files in make_folders(sources, Path(folder)).items():
            number = max(1, count // 4) if name == KINDS[1] else count
            runs = {}
            for detector in detectors:
                for processes in workers:
                    report(f"{name}: {detector}, {processes} workers")
                    config = AnnotatorConfig(detector=detector)
                    runs[f"{detector}, {processes}"] = run_speed(config, files, number, processes)
            size = float(np.mean([Path(file.path).stat().st_size for file in files])) / 1e6
            kinds.append(Kind(name, len(files), size, decoding_rate(files, min(number, len(files))), runs))
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description="Whole runs over three kinds of folders, beside what bounds them.")
    parser.add_argument("photos", nargs="+", help="photographs with faces: files, folders, globs")
    parser.add_argument("--detectors", default="facegrid,centerface", help="comma-separated")
    parser.add_argument("--images", type=int, default=200, help="images of each run")
    parser.add_argument("--workers", default="1,2", help="worker processes, comma-separated")
    parser.add_argument("--out", type=Path, help="write all figures to this JSON file")
    arguments = parser.parse_args()
    console = Console(width=120)
    workers = [int(number) for number in arguments.workers.split(",")]
    sources = find(arguments.photos, recursive=True)
    kinds = measure(sources, arguments.detectors.split(","), arguments.images, workers, console.print)
    table = Table("folder", "MB a file", "run: detector, workers", "images/s", "decoding whole / run", "faces")
    for kind in kinds:
        table.add_row(kind.name, f"{kind.megabytes:.2f}", "decoding whole, 1 core", f"{kind.decoding:.1f}", "1.00", "")
        for run, speed in kind.runs.items():
            table.add_row("", "", run, f"{speed.rate:.1f}", f"{kind.decoding / speed.rate:.2f}", str(speed.faces))
    console.print(table)
    rate, counts = multiply_adds_a_second(), multiply_adds()
    for name, count in counts.items():
        console.print(
            f"{name}: {count / 1e6:.1f} M multiply-adds, {1e3 * count / rate:.2f} ms at {rate / 1e9:.1f} G a second"
        )
    if arguments.out:
        figures = {"kinds": [asdict(kind) for kind in kinds], "multiply_adds": counts, "a_second": rate}
        write_text(arguments.out, json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
