"""Any format by Pillow: (H, W, 3) uint8 RGB, and what was left out or lost."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile

from landmarks.images.image import ORIENTATIONS
from landmarks.images.samples import to_8_bits

T = TypeVar("T")

_BITS, _PHOTOMETRIC, _FORMAT = 258, 262, 339
"""Tags of TIFF: bits a sample; 0 where white is the lowest sample; how samples are to be read, 2: signed."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A file as its decoder gets it."""

    data: bytes
    notes: tuple[str, ...] = ()
    """What was passed over, a sentence each."""
    damage: str = ""
    """What is wrong with the picture's data."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder made of a file."""

    pixels: np.ndarray
    """(H, W, 3) uint8 RGB as stored; except TIFF, which Pillow turns upright."""
    notes: tuple[str, ...] = ()
    """What was passed over or guessed, a sentence each."""
    damage: str = ""
    """What the decoder complained of, where part of the picture is lost."""
    reduction: int = 1
    """The picture as stored has so many times as many pixels a side, rounded up."""


def decode(data: bytes, picture: PIL.Image.Image) -> Decoded:
    """Decode an opened picture; `data`: its file's, empty if there is none. Raises anything if nothing is to be had."""
    damage = ""
    try:
        picture.load()
    except (MemoryError, PIL.Image.DecompressionBombError):
        raise
    except Exception as error:  # Decoders raise anything at all on broken bytes.
        damage = str(error) or type(error).__name__
        picture.tile = []  # type: ignore[attr-defined]  # There is nothing more to load: what is there, is there.
        pixels, note = _to_rgb(data, picture)
        if not pixels.any():
            raise
    else:
        pixels, note = _to_rgb(data, picture)
    return Decoded(pixels, (note,) if note else (), damage)


class _Strict:
    """A `with` block in which Pillow tells of files that are cut short, whatever this process has asked it for.

    `PIL.ImageFile.LOAD_TRUNCATED_IMAGES`, which many programs set, is a global of Pillow's: it is put back when nobody
    is in the block any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside, self._asked = 0, False

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._asked = PIL.ImageFile.LOAD_TRUNCATED_IMAGES
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                PIL.ImageFile.LOAD_TRUNCATED_IMAGES = self._asked


strict = _Strict()
_raised = threading.Lock()
"""Whoever has it may raise Pillow's cap: one picture at a time."""


def up_to(max_pixels: int, work: Callable[[], T]) -> T:
    """What `work` gives, whatever Pillow's own cap is: some of its readers ask for that themselves.

    The cap is a global of Pillow's and there is no other way past it. So it is left alone until it stands in the way,
    is raised no further than to what the caller allows, and is put back at once: who relies on it in this process is
    without it only while a picture above it is read. Raises DecompressionBombError for one above twice `max_pixels`.
    """
    try:
        return work()
    except PIL.Image.DecompressionBombError:
        with _raised:
            cap = PIL.Image.MAX_IMAGE_PIXELS
            PIL.Image.MAX_IMAGE_PIXELS = max(cap or 0, max_pixels)
            try:
                return work()
            finally:
                PIL.Image.MAX_IMAGE_PIXELS = cap


def file_of(picture: PIL.Image.Image, limit: int) -> bytes:
    """The bytes of the file that a picture stands for, if nothing of it was read or changed yet; else none.

    Empty, too, for a file above `limit` bytes.
    """
    file = getattr(picture, "fp", None)
    if file is None or getattr(picture, "_im", None) is not None or picture.tell():
        return b""
    try:
        place = file.tell()
        try:
            file.seek(0)
            data = file.read(limit + 1)
        finally:
            file.seek(place)
    except (OSError, ValueError, AttributeError):
        return b""
    return data if len(data) <= limit else b""


def ignore_oddities() -> None:
    """Let no warning pass of what Pillow has to say about odd metadata: it names no file, and nothing is lost."""
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def orientation(picture: PIL.Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none, or only nonsense."""
    try:
        value = picture.getexif().get(0x0112, 1)
        return int(value) if value in ORIENTATIONS else 1
    except Exception:  # Broken metadata raise anything, and are no reason to refuse a picture.
        return 1


def several(picture: PIL.Image.Image) -> bool:
    """Whether a file holds more pictures than its first one."""
    try:
        return getattr(picture, "is_animated", False)
    except Exception:  # Looking for the second picture of broken bytes raises anything; the first one is fine.
        return False


def _to_rgb(data: bytes, picture: PIL.Image.Image) -> tuple[np.ndarray, str]:
    """A loaded picture as (H, W, 3) uint8 RGB, and a sentence about a guess."""
    tags = getattr(picture, "tag_v2", {})
    if picture.mode.startswith("I") or picture.mode == "F":
        return _deep_grey(picture, tags)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture)
    pixels = np.array(picture.convert("RGB"))
    deep = data[24] == 16 if data[1:4] == b"PNG" else 16 in tags.get(_BITS, ())
    # Pillow keeps the upper half of 16-bit samples, of which little is left where only the lower 12 bits are used.
    if deep and pixels.max() < 16 and pixels.any():
        return _deep_colour(data, pixels)
    return pixels, ""


def _deep_grey(picture: PIL.Image.Image, tags: Mapping[int, Any]) -> tuple[np.ndarray, str]:
    """Grey samples of more than 8 bits."""
    samples, bits = np.asarray(picture), 16  # PNG and PNM: 16, whatever Pillow keeps them in.
    if tags:
        bits = max(tags.get(_BITS, (16,)))
        signed = 2 in tags.get(_FORMAT, ())
        if picture.mode == "I" and not signed:
            samples = samples.view(np.uint32)  # Pillow reads them as signed ones.
        bits -= signed
    grey, note = to_8_bits(samples, bits)
    if tags.get(_PHOTOMETRIC) == 0:  # Pillow turns such samples round for 8 bits alone.
        grey = 255 - grey
    return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), note


def _deep_colour(data: bytes, pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """A colour picture of 16-bit samples that looks black, decoded anew with all of its bits."""
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if whole is None or whole.dtype != np.uint16 or whole.shape[:2] != pixels.shape[:2] or whole.ndim != 3:
        return pixels, "its 16-bit samples use little of their range, so that it is nearly black"
    samples, note = to_8_bits(np.ascontiguousarray(whole[..., 2::-1]), 16)
    return samples, note
