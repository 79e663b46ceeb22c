"""What it costs to notice damage: decoding as `landmarks.images` does it beside the bare decoder.

    python -m landmarks.benchmark.decoding [IMAGE ...]

Without images, a megapixel is made up. One thread; the ways take turns, so that other work on the machine
slows both alike.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from landmarks import images


def bare(data: bytes) -> np.ndarray | None:
    """By OpenCV alone, which prints what it complains of and returns a picture all the same."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def medians(data: bytes, rounds: int = 40) -> tuple[float, float]:
    """Milliseconds that a sound file takes: by the bare decoder, by ours."""
    ways: list[Callable[[], object]] = [lambda: bare(data), lambda: images.decode(data, "benchmark")]
    times: list[list[float]] = [[], []]
    for _ in range(rounds + 2):
        for way, taken in zip(ways, times):
            started = time.perf_counter()
            way()
            taken.append(1000 * (time.perf_counter() - started))
    without, ours = (float(np.median(taken[2:])) for taken in times)  # The first two rounds do not count.
    return without, ours


def made_up() -> dict[str, bytes]:
    """A megapixel with the detail of a photograph, in the usual formats."""
    dice = np.random.default_rng(0)
    picture = cv2.resize(
        dice.integers(0, 256, (96, 128, 3), dtype=np.uint8), (1152, 868), interpolation=cv2.INTER_CUBIC
    )
    picture = np.clip(picture + dice.normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    options = {
        "JPEG": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90]),
        "progressive JPEG": (".jpg", [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        "PNG": (".png", []),
        "WebP": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 90]),
        "deflate TIFF": (".tiff", [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_ADOBE_DEFLATE]),
    }
    return {name: cv2.imencode(suffix, picture, how)[1].tobytes() for name, (suffix, how) in options.items()}


def main() -> None:
    cv2.setNumThreads(1)
    files = {name: Path(name).read_bytes() for name in sys.argv[1:]} or made_up()
    print("file, bare decoder ms, with damage noticed ms, ratio")
    for name, data in files.items():
        without, ours = medians(data)
        print(f"{name}, {without:.2f}, {ours:.2f}, {ours / without:.3f}")


if __name__ == "__main__":
    main()
