"""The frames of a video file by FFmpeg (PyAV), and what it complained of."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Any

import av
import av.error
import av.logging
import numpy as np

from landmarks.sources.videos.known import can_begin, digest_of

MISSING_SHARE = 0.02
"""Headers often misstate the duration a little; when more than this share is missing, the video broke off."""
SURVEYED = 500
"""So many packets are looked at between two signs of life."""
MATROSKA = "matroska,webm"
"""FFmpeg's reader that leaves out pictures whose heads are damaged. Others do so without a word."""
_TIMED = {"mov", "matroska", "avi", "flv", "asf"}
"""Formats whose header says how long all lasts; of others FFmpeg guesses it from what is there."""


class Decoder:
    """The frames of an open video file in the order they are shown, one at a time, on this thread alone.

    Raises FFmpegError, ValueError or IndexError if it is no video. FFmpeg gets an open file and no name, which it could
    take for a protocol or a pattern, and may open nothing else.
    """

    def __init__(self, file: IO[bytes]) -> None:
        # Not `options`, which go to the streams, too: PyAV before 18 crashes where a file names none at its beginning.
        only_this_file = {"protocol_whitelist": ""}
        self._complaints: set[str] = set()
        """The parts of FFmpeg that complained as the file was read."""
        with self._listening():
            self._container = av.open(file, mode="r", container_options=only_this_file, metadata_errors="ignore")
        self._stream = stream = self._container.streams.video[0]
        if stream.codec_context is None:
            raise ValueError("there is no decoder for it")
        stream.thread_type, stream.codec_context.thread_count = "NONE", 1
        stream.codec_context.options = {"err_detect": "explode"}  # Damage is an error, not something to paint over.
        self.count = 0
        """Frames so far."""
        self._frames = self._decode()
        self._lost: list[float] = []
        """When pictures were to be shown that could not be decoded."""
        self._ends: dict[int, float] = {}
        """Of each stream, when its last packet ends."""
        self._gap = 0.0
        """The longest time between two packets of the picture."""

    def close(self) -> None:
        self._container.close()

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame, bool]]:
        """Seconds from the start of the video; frame; whether it is damaged, or drawn after one that is."""
        return self._frames

    def pass_over(self, every: int, count: int, last: float, digest: str) -> Iterator[None]:
        """Have the frames begin behind those that are known, without decoding most of these; yields now and then.

        The frames are 0, `every`, ..., `count` in number; last and digest: see KnownFrames. Raises ValueError or
        whatever FFmpeg does if it is not sure that the other frames would be the same; then open the file anew.
        """
        known = range(0, count * every, every)
        shown, first, place = yield from self._survey(last)
        times = list(map(self._seconds, shown))
        if first is None or digest_of(times[known.start : known.stop : every]) != digest:
            raise ValueError("the frames that are known are not those of the file")
        self._container.seek(place, stream=self._stream)
        self.count = shown.index(first)
        self._frames = self._decode(first)
        while self.count <= known[-1]:
            seconds, _, damaged = next(self._frames, (None, None, True))
            if damaged or seconds != times[self.count - 1]:
                raise ValueError("frames come out another way than before")
            yield

    def _survey(self, last: float) -> Generator[None, None, tuple[list[int], int | None, int]]:
        """The packets up to a second, undecoded: the pts of all and of some more, ascending; the pts of the last one at
        which decoding can begin, and its place in the file by time.

        None for a pts if there is no such packet, or if times are missing or not one a picture.
        """
        context = self._stream.codec_context
        shown: list[int] = []
        first, place = None, 0
        for number, packet in enumerate(self._packets()):
            if not number % SURVEYED:
                yield
            if not packet.size:  # The end of the file.
                break
            if packet.pts is None or packet.is_discard:
                return shown, None, 0
            if packet.dts is not None and self._seconds(packet.dts) > last:  # All that follows is shown later.
                break
            shown.append(packet.pts)
            if not packet.is_keyframe or self._seconds(packet.pts) > last:
                continue
            if can_begin(context.name, context.extradata, bytes(packet)):
                first, place = packet.pts, packet.pts if packet.dts is None else packet.dts
        shown.sort()
        return shown, first if len(set(shown)) == len(shown) else None, place

    def _decode(self, first: int | None = None) -> Iterator[tuple[float, av.VideoFrame, bool]]:
        """first: the pts of the packet to begin with, without any that is shown before it."""
        damaged, begun = False, first is not None
        for packet in self._packets():
            if first is not None and packet.pts is not None and packet.pts < first:
                continue
            # A recording may begin with pictures that are drawn after earlier ones.
            begun = begun or packet.is_keyframe
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                if begun:
                    self._lost.append(self._seconds(packet.pts))
                    damaged = True
                continue
            for frame in frames:
                damaged = (damaged and not frame.key_frame) or frame.is_corrupt
                seconds = self._seconds(frame.pts)
                self.count += 1
                yield seconds, frame, damaged

    def fault(self) -> str:
        """After the last frame: what is wrong with the video, in a sentence; empty if nothing is."""
        stated, end = self._stated_and_real_end()
        if not self.count or stated - end > max(MISSING_SHARE * stated, self._gap):
            return f"the video breaks off after {self.count} frames, at {end:.2f} of {stated:.2f} s"
        if self._lost:
            return f"{len(self._lost)} pictures of the video cannot be decoded, the first at {self._lost[0]:.2f} s"
        if MATROSKA in self._complaints:
            return "the video's file is damaged inside; pictures of it may be missing"
        return ""

    def _packets(self) -> Iterator[av.Packet[Any]]:
        """The packets of the picture; those of sound are passed over."""
        last = None
        packets = self._container.demux()
        while True:
            packet = self._next(packets)
            if packet is None:
                return
            if packet.pts is not None and packet.time_base:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                self._ends[packet.stream.index] = max(end, self._ends.get(packet.stream.index, end))
            if packet.stream is self._stream or packet.stream.index == self._stream.index:
                if packet.dts is not None:
                    self._gap = max(
                        self._gap, float((packet.dts - (packet.dts if last is None else last)) * packet.time_base)
                    )
                    last = packet.dts
                yield packet

    def _next(self, packets: Iterator[av.Packet[Any]]) -> av.Packet[Any] | None:
        """The next packet, None at the end of what can be read."""
        with self._listening():
            try:
                return next(packets, None)
            except (av.error.FFmpegError, OSError):
                return None

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Around all that reads the file: that the reader of a container met with nonsense, and passed on to what it
        knows again, FFmpeg says in its log alone."""
        level, skipping = av.logging.get_level(), av.logging.get_skip_repeated()
        av.logging.set_level(av.logging.ERROR)
        av.logging.set_skip_repeated(False)
        told: Any = ()
        try:
            with av.logging.Capture() as told:
                yield
        finally:
            av.logging.set_level(level)
            av.logging.set_skip_repeated(skipping)
            self._complaints |= {name for _, name, _ in told}

    def _seconds(self, pts: int | None) -> float:
        """Time of a picture since the first one; where the file does not say, by its number."""
        stream = self._stream
        if pts is None or stream.time_base is None:
            return self.count / float(stream.average_rate or 25)
        return float((pts - (stream.start_time or 0)) * stream.time_base)

    def _stated_and_real_end(self) -> tuple[float, float]:
        """Seconds at which the header says that the picture ends, or else all streams; and where they do end."""
        stream, container = self._stream, self._container
        end = self._ends.get(stream.index, 0.0)
        if not _TIMED & set(container.format.name.split(",")):
            return end, end
        if stream.duration and stream.time_base:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base), end
        if written := re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "")):  # Matroska.
            hours, minutes, seconds = map(float, written.groups())
            return 3600 * hours + 60 * minutes + seconds, end
        return (container.duration or 0) / av.time_base, max(self._ends.values(), default=0.0)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """A frame as (H, W, 3) uint8 RGB, turned as its file asks."""
    # OpenCV's ways, so that results are those of any tool that reads videos with it.
    pixels = frame.reformat(format="rgb24", interpolation="BICUBIC", src_colorspace="ITU601").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
