"""Videos with their faces drawn: each becomes one MP4 file that browsers play.

They are drawn from the records in their order, when all frames are done: so tracks and smoothing show, and workers and
resuming change nothing. The frames are decoded a second time for that.
"""

from __future__ import annotations

import warnings
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from landmarks import images
from landmarks.atomic import replacing
from landmarks.batch.writers.drawings import FULL
from landmarks.drawing.draw import Style, draw
from landmarks.errors import ImageError
from landmarks.formats.text import safe_path
from landmarks.log import log
from landmarks.motion.tracks import seconds_of, video_of
from landmarks.record import FAILED, Record
from landmarks.sources.source import Source
from landmarks.sources.videos.video import VIDEOS, Video

if TYPE_CHECKING:
    from landmarks.drawing.mp4 import Mp4


def video_path(name: str) -> PurePosixPath:
    """Where a video's drawing lies under `drawings`: under its own name, with `.mp4` after any other suffix.

    One whose name could be another video's drawing (`clip.avi.mp4`) gets `~.mp4`.
    """
    path = PurePosixPath(safe_path(name))
    if path.suffix != ".mp4":
        return path.with_name(f"{path.name}.mp4")
    stem = path.stem.lower()
    return path.with_name(f"{path.name}~.mp4") if stem.endswith((*VIDEOS, "~")) else path


class VideoDrawings:
    """Draws the frames among the records that it is given in order. A video that cannot be written costs a warning.

    Raises OSError if the disk is full.
    """

    def __init__(self, folder: Path, sources: Iterable[Source], style: Style, limit: int) -> None:
        """limit: bytes that a frame may have."""
        self.folder, self.style, self.limit = folder, style, limit
        self._videos = {source.name: source for source in sources if isinstance(source, Video)}
        self._name = ""
        self._drawing: Generator[None, Record | None, None] | None = None

    def write(self, record: Record) -> None:
        """Draw a record, if it is a frame."""
        name = video_of(record)
        if name != self._name:
            self.close()
        if not name or name not in self._videos:
            return
        if name != self._name:
            self._name, self._drawing = name, self._draw(self._videos[name])
            next(self._drawing)
        if self._drawing:
            self._send(record)

    def close(self) -> None:
        """Finish the video at hand."""
        if self._drawing:
            self._send(None)
        self._name, self._drawing = "", None

    def discard(self) -> None:
        """Leave nothing of an unfinished video."""
        if self._drawing:
            self._drawing.close()

    def _send(self, record: Record | None) -> None:
        from av.error import FFmpegError

        assert self._drawing
        try:
            self._drawing.send(record)
        except StopIteration:
            self._drawing = None
        except (OSError, FFmpegError, ValueError) as error:
            self._drawing = None
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            warnings.warn(f"{self._name}: no drawing ({getattr(error, 'strerror', None) or error})", stacklevel=2)

    def _draw(self, video: Video) -> Generator[None, Record | None, None]:
        """Takes the records of a video's frames and None at the end."""
        path = self.folder / video_path(video.name)
        with ExitStack() as stack:
            frames = _Frames(video, self.limit)
            stack.callback(frames.close)
            place = stack.enter_context(replacing(path))
            file: Mp4 | None = None
            lost = 0
            try:
                while (record := (yield)) is not None:
                    if record.status in FAILED:
                        continue  # The frame before stays.
                    if (pixels := frames.pixels(record.image)) is None:
                        lost += 1
                        continue
                    if file is None:
                        from landmarks.drawing.mp4 import Mp4

                        file = Mp4(place, pixels.shape[1::-1], Path(video.path))
                        log.info("%s: drawing it", video.name)
                    file.add(draw(pixels, record.faces, self.style), seconds_of(record))
                if file is None:
                    raise ValueError("none of its frames can be read")
                file.close()
                if lost:
                    warnings.warn(f"{video.name}: {lost} frames cannot be read again to draw them", stacklevel=2)
            except BaseException:
                if file:
                    file.discard()
                raise


class _Frames:
    """The frames of a video once more."""

    def __init__(self, video: Video, limit: int) -> None:
        self._sources: Iterator[Source] = iter(video)
        self._limit = limit

    def pixels(self, name: str) -> np.ndarray | None:
        """The frame of this name, (H, W, 3) uint8 RGB; those before it are passed over. None if it is not there."""
        for source in self._sources:
            if source.name == name:
                try:
                    return images.take(source.load(self._limit), name, accept_damaged=True).pixels
                except ImageError:
                    return None
        return None

    def close(self) -> None:
        self._sources.close()  # type: ignore[attr-defined]
