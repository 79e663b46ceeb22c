"""The first frames of a video as an earlier run saw them, and the decoding that begins behind them.

Frames that nobody looks at need not be decoded, if it is sure that the others come out the same. The packets up to the
last known frame are read, without decoding them. Their times must be those of the known frames, one by one: so none was
lost or painted over. Decoding begins at the last packet before that frame that needs no earlier one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

RESTARTS = ("av1", "libdav1d", "ffv1", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "vp8", "vp9")
"""Decoders, by FFmpeg's names, for which a key frame, and what is shown after it, needs nothing before it."""
_H264_IDR = (5,)
_HEVC_ENTRY = tuple(range(16, 22))
"""Types of NAL units likewise (ITU-T H.264 table 7-1, H.265 table 7-1): other key frames of H.264 may be followed by
pictures that look further back; those of H.265 may not."""


@dataclass(frozen=True)
class KnownFrames:
    """Frames 0, `every`, 2 `every`, ... of a video, none of them damaged. 16 bytes each."""

    mark: str = ""
    """The stamp of the file that they were seen in."""
    times: array[float] = field(default_factory=lambda: array("d"))
    """Seconds from the start of the video."""
    sizes: array[int] = field(default_factory=lambda: array("Q"))
    """Bytes of their pixels."""

    def __len__(self) -> int:
        return len(self.times)

    def request(self) -> list[int | float | str]:
        """What the decoder must be told: how many, the time of the last one, and a digest of all times."""
        return [len(self), self.times[-1], digest_of(self.times)] if self.times else []


def digest_of(times: Iterable[float]) -> str:
    return blake2b(array("d", times).tobytes(), digest_size=16).hexdigest()


def can_begin(codec: str, extradata: bytes | None, packet: bytes) -> bool:
    """Whether decoding can begin at this key frame, and all that is shown after it comes out the same.

    extradata: that of the stream, by which FFmpeg knows how a packet is divided.
    """
    if codec in RESTARTS:
        return True
    if codec == "h264":
        length = (extradata[4] & 3) + 1 if extradata and len(extradata) > 4 and extradata[0] == 1 else 0
        return any(unit & 31 in _H264_IDR for unit in _heads(packet, length))
    if codec == "hevc":
        length = (extradata[21] & 3) + 1 if extradata and len(extradata) > 21 and extradata[0] == 1 else 0
        return any(unit >> 1 & 63 in _HEVC_ENTRY for unit in _heads(packet, length))
    return False


def _heads(packet: bytes, length: int) -> Iterable[int]:
    """The first byte of each NAL unit. length: bytes of the size before each; 0: start codes lie between them."""
    at = 0
    while length and at + length < len(packet):
        yield packet[at + length]
        at += length + int.from_bytes(packet[at : at + length], "big")
    while not length and 0 <= (at := packet.find(b"\0\0\1", at)) < len(packet) - 3:
        at += 3
        yield packet[at]
