"""The frames of a camera, or of a video in its place."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator

import cv2
import numpy as np

from landmarks import images
from landmarks.errors import ImageError, LandmarksError
from landmarks.sources.find import find
from landmarks.sources.videos.video import Video

Frames = Iterator[tuple[float, np.ndarray]]
"""Seconds from the start, and (H, W, 3) uint8 RGB."""


def frames_of(source: str) -> Frames:
    """The frames of the camera of this number (`0`), or of a video file. Raises LandmarksError where there is none."""
    return _camera(int(source)) if source.isascii() and source.isdigit() else _video(source)


def _camera(number: int) -> Frames:
    camera = cv2.VideoCapture(number)
    try:
        camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # What is seen now, not what has waited.
        started = None
        while True:
            good, pixels = camera.read()
            if not good:
                break
            started = started or time.monotonic()
            yield time.monotonic() - started, cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    finally:
        camera.release()
    if started is None:
        cure = "the first camera is 0, and only one program can use it"
        raise LandmarksError(f"camera {number}: gives no picture; {cure}")


def _video(path: str) -> Frames:
    found = find(path)
    if len(found) != 1 or not isinstance(found[0], Video):
        raise LandmarksError(f"{path}: is no video; give a video file or the number of a camera, such as 0")
    seen = False
    for source in found[0]:
        try:
            content = source.load(images.most_bytes(images.MAX_PIXELS))
            pixels = images.take(content, source.name, accept_damaged=True).pixels
        except ImageError as error:
            if not seen:
                raise
            warnings.warn(str(error), stacklevel=2)
            continue
        seen = True
        yield source.time or 0.0, pixels
