"""JPEG by libjpeg-turbo, whose warnings are listened to: they tell of damage inside the picture.

simplejpeg raises the decoder's first warning as an error and is otherwise silent, on any thread. A sound file is
decoded once. Of one with a warning a second look tells harmless oddities from lost picture data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import PIL.Image
import simplejpeg

from landmarks.images import pillow
from landmarks.images.pillow import Decoded

_UNKNOWN_SAMPLING = "Could not determine subsampling"
"""simplejpeg knows the usual ratios of brightness to colour samples alone; others exist, and Pillow knows them."""
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""Inside the picture data 0xff is followed by 0 or a restart marker (d0 to d7); 0xff 0xff is padding."""
_END, _SCAN, _ADOBE = 0xD9, 0xDA, 0xEE
_FRAMES = {0xC0: False, 0xC1: False, 0xC2: True, 0xC9: False, 0xCA: True}
"""Markers that begin the picture: whether it is progressive."""


REDUCTIONS = (8, 4, 1)
"""By how much the decoder shrinks a picture's sides while it decodes. It reads all of the file in any case, so it saves
the transform and the memory alone; halving the sides, which it can, too, saves less than decoding again costs where a
face turns out to be small."""


def reduction_for(size: tuple[int, int], least_side: int) -> int:
    """The largest of REDUCTIONS that leaves a picture of this width and height a long side of `least_side` pixels."""
    return next((factor for factor in REDUCTIONS if -(-max(size) // factor) >= least_side), 1)


def reduction_below(factor: float) -> int:
    """The largest of REDUCTIONS that is no more than `factor`; 1 where none is, or where it is NaN."""
    return next((one for one in REDUCTIONS if one <= factor), 1)


def decode(data: bytes, picture: PIL.Image.Image, reduction: int = 1) -> Decoded:
    """Decode the first picture of a file that Pillow has opened. Raises ValueError if there is nothing to be had.

    reduction: one of REDUCTIONS; the picture comes with so many times fewer pixels a side, rounded up. Files of a kind
    that only Pillow knows come whole.
    """
    if picture.mode not in ("L", "RGB", "CMYK"):
        return pillow.decode(data, picture)
    colours = "CMYK" if picture.mode == "CMYK" else "RGB"
    width, height = (-(-side // reduction) for side in picture.size)
    take = partial(simplejpeg.decode_jpeg, colorspace=colours, min_width=width, min_height=height)
    notes: tuple[str, ...] = ()
    damage = ""
    try:
        samples = take(data)
    except ValueError as error:
        if _UNKNOWN_SAMPLING in str(error):
            _, complete = _bare(data)
            decoded = pillow.decode(data, picture)
            return decoded if complete else Decoded(decoded.pixels, decoded.notes, "its end is missing")
        samples, notes, damage = _second_look(data, take, str(error))
    if samples.shape[1::-1] != (width, height):
        raise ValueError("its headers contradict each other") from None
    if not damage and _lacks_scans(data):
        damage = "the last of its scans are missing"
    if colours == "CMYK":  # Adobe stores the inverse; Pillow reads all as if it were Adobe's.
        samples = np.array(PIL.Image.fromarray(255 - samples, "CMYK").convert("RGB"))
    return Decoded(samples, notes, damage, reduction)


def _second_look(data: bytes, take: Callable[..., np.ndarray], warning: str) -> tuple[np.ndarray, tuple[str, ...], str]:
    """Of a file with a warning: samples (H, W, 3 or 4); notes; damage. Raises ValueError if there are no samples."""
    bare, complete = _bare(data)
    note = f"passed over an oddity ({_sentence(warning)})" if complete else "the file lacks its end"
    try:
        return take(bare), (note,), ""
    except ValueError as error:
        lost = _sentence(str(error))
    # Zeros between picture and end marker are padding if the picture is whole without them. One is kept: it may be
    # the picture's last byte, and the decoder takes one too many without a word.
    unpadded = bare[:-2].rstrip(b"\0") + b"\0\xff\xd9"
    if len(unpadded) < len(bare):
        try:
            return take(unpadded), ("passed over zeros after the picture",), ""
        except ValueError:
            pass
    if not complete:
        lost = "it ends before the picture does: the file was cut short"
    return take(bare, strict=False), (), lost


def _sentence(warning: str) -> str:
    return re.sub(r"^(Warning|Corrupt JPEG data): ", "", warning)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start of its segment's content, and its end, up to the end marker; picture data lie between them.

    Segments are skipped by their length, so the end of a thumbnail inside one does not count.
    """
    at = 2
    while found := _MARKER.search(data, at):
        at = found.end()
        marker = data[at - 1]
        if marker in (0x01, 0xD8):  # They have no segment.
            continue
        size = 0 if marker == _END else int.from_bytes(data[at : at + 2], "big")
        yield marker, at + 2, at + size
        if marker == _END:
            return
        at += size


def _bare(data: bytes) -> tuple[bytes, bool]:
    """The file without metadata, up to the end of its first picture, with an end marker; and whether it had one.

    All that the decoder can still warn of is the picture.
    """
    parts, kept, sequential = [], 2, False
    end = None
    for marker, start, stop in _segments(data):
        if marker == _END:
            end = start - 4
        elif marker in _FRAMES:
            sequential = not _FRAMES[marker]
        elif marker == _SCAN and sequential and stop - start >= 4:
            # The decoder warns of parameters that mean nothing in a picture that is not progressive.
            parts += [data[kept : stop - 3], b"\0\x3f\0"]
            kept = stop
        elif marker == 0xFE or (0xE0 <= marker <= 0xEF and (marker != _ADOBE or data[start : start + 5] != b"Adobe")):
            parts.append(data[kept : start - 4])
            kept = stop
    parts.append(data[kept:end] if end is not None else data[kept:].rstrip(b"\xff"))
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xd9", end is not None


def _lacks_scans(data: bytes) -> bool:
    """Whether a picture that is stored in several scans ends before each coefficient has all of its bits."""
    waiting: dict[int, list[int]] = {}  # Of each component, the bits that each of its 64 coefficients still lacks.
    progressive = False
    for marker, start, stop in _segments(data):
        if marker in _FRAMES:
            progressive = _FRAMES[marker]
            waiting = {data[at]: [1] * 64 for at in range(start + 6, stop - 2, 3)}
        elif marker == _SCAN:
            components = data[start + 1 : stop - 3 : 2]
            first, last, bits = (data[stop - 3], data[stop - 2], data[stop - 1] & 15) if progressive else (0, 63, 0)
            for component in components:
                if component in waiting:
                    waiting[component][first : last + 1] = [bits] * (last + 1 - first)
            if not any(map(any, waiting.values())):
                return False
    return True
