"""An MP4 file that browsers play, frame by frame, with the sound of another video."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, cast

import av
import av.error
import cv2
import numpy as np

CODEC = "libx264"
AVX_512F = 13
"""The number by which OpenCV asks for these instructions."""
OPTIONS = {"crf": "20", "preset": "veryfast"}
if cv2.checkHardwareSupport(AVX_512F):
    # By them x264 writes other bytes from run to run, though each run sees the same pictures.
    OPTIONS["x264-params"] = "asm=avx2"
TICKS = 90_000
"""Times are whole numbers of this share of a second: usual frame rates, 29.97 among them, have such times."""
COPIED = ("aac", "mp3", "opus", "flac")
"""Sound that browsers play out of an MP4 file; any other is encoded anew as AAC."""
SMPTE170M, LIMITED = 6, 1
"""The colours that the pixels are converted to, by their numbers in ITU-T H.273; brightness from 16 to 235."""


class Mp4:
    """Takes pictures with their times; one is in memory. H.264, yuv420p, each frame shown at its own time.

    Raises OSError if the file cannot be written, FFmpegError if it cannot be encoded.
    """

    def __init__(self, path: Path, size: tuple[int, int], sound: Path | None = None) -> None:
        """size: width and height of the pictures; sound: a video whose sound is taken."""
        self.size = size
        self._container = av.open(str(path.absolute()), "w", format="mp4", options={"movflags": "faststart"})
        # Its type is that of any stream, as the codec's name is a variable.
        self._stream = stream = cast(Any, self._container.add_stream(CODEC, rate=25, options=OPTIONS))
        stream.width, stream.height = (side + side % 2 for side in size)  # The format halves its colours' sides.
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.colorspace = context.color_primaries = context.color_trc = SMPTE170M
        context.color_range = LIMITED
        self._last = -1
        self._sound = _Sound(sound, self._container) if sound else None

    def add(self, pixels: np.ndarray, seconds: float) -> None:
        """The next picture. pixels: (H, W, 3) uint8 RGB; one of another size is scaled. seconds: when it is shown."""
        if pixels.shape[1::-1] != self.size:
            pixels = cv2.resize(pixels, self.size, interpolation=cv2.INTER_AREA)
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = cv2.copyMakeBorder(pixels, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
        self._last = max(round(seconds * TICKS), self._last + 1)  # Damaged files may have two frames at one time.
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        if self._sound:
            self._sound.copy(until=seconds)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode())
        if self._sound:
            self._sound.copy()
        self._container.close()
        self._release()

    def discard(self) -> None:
        """Let go of a file that will not be finished."""
        with suppress(av.error.FFmpegError, OSError, ValueError):  # What ended it may stand in the way of this, too.
            self._container.close()
        self._release()

    def _release(self) -> None:
        if self._sound:
            self._sound.close()


class _Sound:
    """The first sound of a video, which goes into the file along with the pictures."""

    def __init__(self, path: Path, container: av.container.OutputContainer) -> None:
        self._file: IO[bytes] | None = None
        self._source: Any = None
        self._packets: Iterator[Any] = iter(())
        self._path, self._container, self._waiting = path, container, None
        try:
            self._file = open(path, "rb")  # noqa: SIM115
            # As in frames.Decoder: no name that FFmpeg could take for a protocol, and nothing else may be opened.
            self._source = av.open(self._file, container_options={"protocol_whitelist": ""}, metadata_errors="ignore")
            sound = next(iter(self._source.streams.audio), None)
            if sound is None:
                return
            picture = self._source.streams.video[0]
            self._start = float((picture.start_time or 0) * picture.time_base)
            if sound.codec_context.name in COPIED:
                self._out, self._copies = container.add_stream_from_template(sound), True
            else:
                self._out, self._copies = container.add_stream("aac", rate=sound.codec_context.sample_rate), False
                self._out.codec_context.layout = "mono" if sound.codec_context.channels == 1 else "stereo"
            self._sound, self._packets = sound, self._source.demux(sound)
        except (av.error.FFmpegError, OSError, ValueError, IndexError):
            self._packets = iter(())  # There is no sound that can be read.

    def copy(self, until: float = float("inf")) -> None:
        """Pass on what is heard up to a time of the picture, in seconds."""
        while (packet := self._waiting or self._next()) is not None:
            self._waiting = packet
            if packet.pts is not None and float(packet.pts * packet.time_base) - self._start > until:
                return
            self._waiting = None
            try:
                self._pass_on(packet)
            except (av.error.FFmpegError, ValueError) as error:
                warnings.warn(f"{self._path}: its sound ends early in the drawing ({error})", stacklevel=2)
                self._packets = iter(())

    def close(self) -> None:
        if self._source:
            self._source.close()
        if self._file:
            self._file.close()

    def _next(self) -> Any:
        try:
            return next(self._packets, None)
        except (av.error.FFmpegError, OSError):  # The end of what can be read.
            return None

    def _pass_on(self, packet: Any) -> None:
        shift = round(self._start / packet.time_base)
        if self._copies:
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, self._out
                self._container.mux(packet)
            return
        frames = []
        with suppress(av.error.FFmpegError):  # Damage is silence.
            frames = packet.decode()
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= shift
            self._container.mux(self._out.encode(frame))
        if packet.dts is None:  # The last one.
            self._container.mux(self._out.encode())
