"""How long each stage of annotation takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch

from landmarks import images
from landmarks.errors import LandmarksError
from landmarks.inference.annotator import Annotator
from landmarks.inference.draw import draw
from landmarks.inference.locate import locate
from landmarks.sources import Source


def benchmark(annotator: Annotator, sources: Sequence[Source], rounds: int = 10, batch: int = 64) -> dict[str, float]:
    """Median milliseconds of each stage, on the images' own faces, repeated to batches of `batch`.

    Keys: `decode`, `detect` and `draw`, an image; `locate`, a face: crops, network, all passes; `faces`: how many were
    found. Raises LandmarksError if there is no face in the images.
    """
    loaded = [images.read(source.path) for source in sources]
    found = [annotator.detector(image.pixels, source.name) for image, source in zip(loaded, sources)]
    owners = np.repeat(np.arange(len(found)), [len(f) for f in found])
    if not len(owners):
        raise LandmarksError("there is no face in these images; give others")
    boxes = np.concatenate([f.boxes for f in found])
    take = np.resize(np.arange(len(owners)), batch)
    squares = annotator.detector.rule.squares(boxes, annotator.backend.config.crop_scale)[take]
    pictures = [image.pixels for image in loaded]
    faces = annotator.predict(pictures, [f.boxes for f in found])

    count = len(sources)
    stages: dict[str, tuple[Callable[[], object], int]] = {
        "decode": (lambda: [images.read(source.path) for source in sources], count),
        "detect": (lambda: [annotator.detector(image.pixels, s.name) for image, s in zip(loaded, sources)], count),
        "locate": (lambda: locate(annotator.backend, pictures, owners[take], squares, annotator.passes, batch), batch),
        "draw": (lambda: [draw(picture, f) for picture, f in zip(pictures, faces)], count),
    }
    return {name: _median(work, rounds) / share for name, (work, share) in stages.items()} | {"faces": len(owners)}


def use_threads(count: int) -> None:
    """Let torch, OpenCV and every later onnxruntime session use so many threads."""
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def _median(work: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of some work, after two rounds that do not count."""
    times = []
    for round_number in range(rounds + 2):
        started = time.perf_counter()
        work()
        if round_number >= 2:
            times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times))
