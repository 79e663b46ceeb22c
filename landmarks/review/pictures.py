"""Parts of a run's images as JPEG files, for the page. Nothing but the images of the run can be reached."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import simplejpeg

from landmarks import images
from landmarks.errors import ImageError
from landmarks.sources.source import Container, Source

KEPT_BYTES = 384 << 20
"""Of decoded images: ten of 12 megapixels."""
LARGEST = 2400
"""Pixels of a side of what is sent."""
QUALITY = 92


class Pictures:
    """The images that sources hold, by name. Threads may share it."""

    def __init__(self, sources: Mapping[str, Source], max_pixels: int, accept_damaged: bool = False) -> None:
        self.max_pixels, self.accept_damaged = max_pixels, accept_damaged
        """sources: by the names of the run's images; archives and videos by their own."""
        self._files = {name: source for name, source in sources.items() if not isinstance(source, Container)}
        self._containers = {name: source for name, source in sources.items() if isinstance(source, Container)}
        self._kept: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock, self._locks = threading.Lock(), [threading.Lock() for _ in range(16)]

    def pixels(self, name: str) -> np.ndarray:
        """(H, W, 3) uint8 RGB, upright: an image by its name. Raises ImageError."""
        with self._locks[hash(name) % len(self._locks)]:  # Who asks for the same image meanwhile waits for it.
            with self._lock:
                if name in self._kept:
                    self._kept.move_to_end(name)
                    return self._kept[name]
            content = self._source(name).load(images.most_bytes(self.max_pixels))
            pixels = images.take(content, name, self.max_pixels, self.accept_damaged).pixels
            with self._lock:
                self._kept[name] = pixels
                while len(self._kept) > 1 and sum(one.nbytes for one in self._kept.values()) > KEPT_BYTES:
                    self._kept.popitem(last=False)
            return pixels

    def has(self, name: str) -> bool:
        """Whether there is a source that may hold the image."""
        return name in self._files or any(name.startswith(container) for container in self._containers)

    def _source(self, name: str) -> Source:
        """Raises ImageError if no source has the image."""
        if name in self._files:
            return self._files[name]
        for called, container in self._containers.items():
            if name.startswith(called):
                for source in container:
                    if source.name == container.name + name.removeprefix(called):
                        return source.hold(images.most_bytes(self.max_pixels))
        raise ImageError(name, "missing", "the image is not where the run found it; name the images with --images")

    def cut(self, name: str, rectangle: Sequence[int] | None = None, side: int = LARGEST) -> bytes:
        """A part of an image as a JPEG file. Raises ImageError.

        rectangle: x0, y0, x1, y1, the first column and row that are in it and the first that are not; None for all.
        side: in pixels, to which the longer side of a larger part is shrunk.
        """
        pixels = self.pixels(name)
        height, width = pixels.shape[:2]
        x0, y0, x1, y1 = rectangle or (0, 0, width, height)
        x0, y0 = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
        part = pixels[y0 : max(min(y1, height), y0 + 1), x0 : max(min(x1, width), x0 + 1)]
        shrink = min(max(side, 16), LARGEST) / max(part.shape[:2])
        if shrink < 1:
            size = (max(round(part.shape[1] * shrink), 1), max(round(part.shape[0] * shrink), 1))
            part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
        return simplejpeg.encode_jpeg(np.ascontiguousarray(part), QUALITY, "RGB", "444")
