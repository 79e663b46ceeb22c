"""Annotate frames as they come, and show them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np

from landmarks.atomic import replacing, write_bytes
from landmarks.drawing.draw import Style, draw
from landmarks.drawing.strokes import INK, PAPER, write
from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.live.frames import Frames
from landmarks.live.screen import QUIT, SAVE, Screen
from landmarks.motion.smooth import Smoother
from landmarks.motion.tracks import Tracks
from landmarks.record import NO_FACE, OK, Record

SPEED_FRAMES = 30
"""The speed that is shown is that of so many frames."""


@dataclass(frozen=True)
class Seen:
    """What became of it."""

    frames: int
    seconds: float
    """Of work, also of waiting for the camera."""
    saved: tuple[Path, ...] = ()
    """Pictures that were kept."""

    @property
    def speed(self) -> float:
        """Frames a second."""
        return self.frames / max(self.seconds, 1e-9)


def show_live(
    frames: Frames,
    annotator: Callable[[np.ndarray], Faces],
    screen: Screen,
    out: Path = Path(),
    record: Path | None = None,
    smooth: bool = False,
    style: Style = Style(),
) -> Seen:
    """Show each frame with its faces and the speed, until the frames end, a key is pressed or Ctrl-C.

    out: the folder for pictures that a key keeps; record: write all that is shown to this MP4 file; smooth: see
    `Smoother`. Raises LandmarksError for what cannot be read or shown, OSError for what cannot be written.
    """
    follow: list[Callable[[Record], Record]] = [Tracks(), Smoother()] if smooth else []
    times, saved, count, started = deque[float](maxlen=SPEED_FRAMES), [], 0, time.perf_counter()
    with ExitStack() as stack:
        stack.callback(screen.close)
        recording = stack.enter_context(_Recording(record)) if record else None
        with suppress(KeyboardInterrupt):  # The usual end where there is no window.
            for seconds, pixels in frames:
                faces = annotator(pixels)
                one = Record(f"live/{count:06}", OK if len(faces) else NO_FACE, faces, frame=count, time=seconds)
                for step in follow:
                    one = step(one)
                picture, count = draw(pixels, one.faces, style), count + 1
                times.append(time.perf_counter())
                _write_speed(picture, (len(times) - 1) / max(times[-1] - times[0], 1e-9))
                if recording:
                    recording.add(picture, seconds)
                key = screen.show(picture)
                if key == SAVE:
                    saved.append(_save(picture, out, count))
                elif key == QUIT:
                    break
    return Seen(count, time.perf_counter() - started, tuple(saved))


class _Recording:
    """An MP4 file of the pictures; none appears if there was no picture."""

    def __init__(self, path: Path) -> None:
        from landmarks.drawing.mp4 import Mp4

        self._new, self._stack = Mp4, ExitStack()
        self._place = self._stack.enter_context(replacing(path))
        self._file: Mp4 | None = None

    def add(self, picture: np.ndarray, seconds: float) -> None:
        if self._file is None:
            self._file = self._new(self._place, picture.shape[1::-1])
        self._file.add(picture, seconds)

    def __enter__(self) -> _Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._file and kind is None:
            self._file.close()
        elif self._file:
            self._file.discard()
        elif kind is None:
            with self._stack:
                raise LandmarksError("there was no picture to record")
        self._stack.__exit__(kind, error, None)


def _write_speed(picture: np.ndarray, speed: float) -> None:
    """Write frames a second and the keys into the upper left corner."""
    size = max(12, picture.shape[0] // 32)
    text = f"{speed:.1f} frames/s   {SAVE}: save   {QUIT}: quit"
    for x, y, colour in ((1, 1, INK), (-1, 1, INK), (1, -1, INK), (-1, -1, INK), (0, 0, PAPER)):
        write(picture, text, 0.6 * size + x, 1.4 * size + y, size, colour)


def _save(picture: np.ndarray, out: Path, number: int) -> Path:
    """Keep a picture under a name that no other has."""
    path = out / f"live-{datetime.now():%Y%m%d-%H%M%S}-{number:06}.png"
    write_bytes(path, cv2.imencode(".png", picture[..., ::-1])[1].tobytes())
    return path
