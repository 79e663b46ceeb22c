"""Decode images: upright 8-bit RGB, or an ImageError that says why not.

Headers are never trusted: the pixel count is checked before anything is decoded. Damage that a decoder notices is told:
decoders fill what is lost with grey or nonsense, and faces are then "found" in half an image.
"""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import PIL.Image
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from landmarks.errors import ImageError
from landmarks.images import jpeg, pillow, png, tiff
from landmarks.images.files import MAX_PIXELS, most_bytes, printable, read_bytes
from landmarks.images.image import Image, from_array, is_turned, turn
from landmarks.images.pillow import Decoded, Prepared


@dataclass(frozen=True)
class _Format:
    """How one kind of file is decoded."""

    name: str
    signature: bytes
    """Its first bytes: a regular expression."""
    reader: Callable[[Any], PIL.Image.Image] | None = None
    """Opens it; called directly, since PIL.Image.open has a lower pixel cap of its own. None: it cannot be read."""
    prepare: Callable[[bytes], Prepared] = Prepared
    """What is done to a file before it is opened."""
    decode: Callable[[bytes, PIL.Image.Image], Decoded] = pillow.decode
    """Decodes the opened picture of a file."""


def _without_holes(data: bytes) -> Prepared:
    """Look for damage in lossless WebP and in AVIF, of which decoders make a picture whatever is lost.

    Disks and copies that lose data leave zeros. Sound files of these kinds had 16 in succession at most, of pictures
    from flat to noise; lossy WebP has hundreds in smooth ones, and JPEG 2000 may have them, too.
    """
    start = max(data.find(b"VP8L"), data.find(b"mdat"))
    hole = data.find(bytes(_HOLE), start) if start >= 0 else -1
    if b"Exif" in data or b"EXIF" in data or hole < 0:  # What a camera writes of itself may hold zeros.
        return Prepared(data)
    return Prepared(data, damage=f"there are only zeros from byte {hole:,} on")


_HOLE = 512
"""Zeros in succession that are a hole: the smallest block of a disk."""
_AVIF = AvifImagePlugin.AvifImageFile if AvifImagePlugin.SUPPORTED else None
FORMATS = (
    _Format("JPEG", rb"\xff\xd8\xff", JpegImagePlugin.JpegImageFile, decode=jpeg.decode),
    _Format("PNG", rb"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile, png.prepare, png.decode),
    _Format("GIF", rb"GIF8[79]a", GifImagePlugin.GifImageFile),
    _Format("BMP", rb"BM", BmpImagePlugin.BmpImageFile),
    _Format("TIFF", rb"II[*+]\0|MM\0[*+]", TiffImagePlugin.TiffImageFile, decode=tiff.decode),
    _Format("WebP", rb"RIFF....WEBP", WebPImagePlugin.WebPImageFile, _without_holes),
    _Format("PNM", rb"P[1-6]\s", PpmImagePlugin.PpmImageFile),
    _Format("JPEG 2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", Jpeg2KImagePlugin.Jpeg2KImageFile),
    _Format("AVIF", rb"....ftyp.{0,40}avi[fs]", _AVIF, _without_holes),
    _Format("HEIC", rb"....ftyp(?:hei|hev|mif1|msf1)"),
    _Format("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL "),
    _Format("PDF", rb"%PDF"),
)

pillow.ignore_oddities()
logging.getLogger("PIL").addHandler(logging.NullHandler())


def read(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS, accept_damaged: bool = False) -> Image:
    """Decode a file. Raises ImageError: `missing`, `unreadable` or `too_large`."""
    return decode(read_bytes(path, most_bytes(max_pixels)), printable(path), max_pixels, accept_damaged)


def is_reducible(data: bytes) -> bool:
    """Whether a file's decoder can give a smaller picture for less time: a JPEG's can."""
    return data.startswith(b"\xff\xd8\xff")


def take(
    content: bytes | np.ndarray | Image,
    name: str,
    max_pixels: int = MAX_PIXELS,
    accept_damaged: bool = False,
    least_side: int | None = None,
) -> Image:
    """An image of whatever a source gives: the bytes of a file (see `decode`), RGB pixels, or an Image.

    Raises ImageError.
    """
    if isinstance(content, bytes):
        return decode(content, name, max_pixels, accept_damaged, least_side)
    image = content if isinstance(content, Image) else from_array(content, name)
    if not image.damage:
        return image
    if not accept_damaged:
        cure = "--accept-damaged (in Python, accept_damaged=True) takes what can be decoded"
        raise ImageError(name, "unreadable", f"{image.damage}; {cure}")
    return replace(image, note="; ".join(filter(None, (image.damage, image.note))))


def decode(
    data: bytes, name: str, max_pixels: int = MAX_PIXELS, accept_damaged: bool = False, least_side: int | None = None
) -> Image:
    """Decode the bytes of an image file; `name` is for messages. Raises only ImageError, whatever the bytes.

    Transparent pixels are shown on white, deeper samples scaled to 8 bits, animations and multi-page files give their
    first picture; colour profiles are ignored. A file that lost part of its picture is refused, unless accept_damaged:
    then what can be decoded is taken, and `damage` and `note` say what is wrong.

    least_side: a long side in pixels that is enough: a JPEG is decoded no further than the largest reduction that
    leaves it (see `Image.reduction`); None: as it is. All checks are those of a whole picture.
    """
    if not data:
        raise ImageError(name, "unreadable", "the file is empty")
    kind = _kind(data)
    if kind is None:
        raise ImageError(name, "unreadable", "this is not an image in a known format (JPEG, PNG, WebP, TIFF, GIF, BMP)")
    if kind.reader is None:
        raise ImageError(name, "unreadable", f"{kind.name} files cannot be read; convert it to JPEG or PNG")
    with _told(name, f"the {kind.name} file", max_pixels):
        image = pillow.up_to(max_pixels, partial(_decode, data, name, max_pixels, kind, kind.reader, least_side))
    return take(image, name, max_pixels, accept_damaged)


def _kind(data: bytes) -> _Format | None:
    """What kind of file this is."""
    return next((one for one in FORMATS if re.match(one.signature, data, re.DOTALL)), None)


def _decode(
    data: bytes,
    name: str,
    max_pixels: int,
    kind: _Format,
    reader: Callable[[Any], PIL.Image.Image],
    least_side: int | None,
) -> Image:
    """The picture of a file of a known kind, damaged or not. Raises anything."""
    prepared = kind.prepare(data)
    with reader(io.BytesIO(prepared.data)) as picture:
        decode_it = partial(kind.decode, data, picture)
        if least_side is not None and is_reducible(data):
            decode_it = partial(jpeg.decode, data, picture, jpeg.reduction_for(picture.size, least_side))
        return _picture(picture, name, max_pixels, f"the {kind.name} file", prepared, decode_it)


def from_picture(
    picture: PIL.Image.Image, name: str, max_pixels: int = MAX_PIXELS, accept_damaged: bool = False
) -> Image:
    """A picture that Pillow holds or has opened, as `decode` would give its file. Raises ImageError.

    Of one that was loaded before, nobody knows any more what was damaged.
    """
    data = pillow.file_of(picture, most_bytes(max_pixels))
    if (kind := _kind(data)) and kind.reader:
        image = decode(data, name, max_pixels, accept_damaged)
        if image.stored_size == picture.size or image.size == picture.size:  # It has not been told to load less.
            return image
    with _told(name, "the picture", max_pixels):
        decode_it = partial(pillow.up_to, max_pixels, partial(pillow.decode, b"", picture))
        image = _picture(picture, name, max_pixels, "the picture", Prepared(b""), decode_it)
    return take(image, name, max_pixels, accept_damaged)


def _picture(
    picture: PIL.Image.Image,
    name: str,
    max_pixels: int,
    what: str,
    prepared: Prepared,
    decode_it: Callable[[], Decoded],
) -> Image:
    """An opened picture, upright, with all that is to be said of it. Raises anything."""
    width, height = picture.size
    if not width * height:
        raise ImageError(name, "unreadable", f"{what} has no pixels")
    if width * height > max_pixels:
        size = f"{width} x {height} = {width * height:,} pixels, above the cap of {max_pixels:,}"
        raise ImageError(name, "too_large", f"the image has {size}; raise max_pixels to read it")
    orientation = pillow.orientation(picture)
    decoded = decode_it()
    notes = [*prepared.notes, *decoded.notes]
    if pillow.several(picture):
        notes.append("holds several pictures, of which only the first was looked at")
    damage = prepared.damage or decoded.damage
    if damage:
        damage = f"{what} is damaged ({damage})"
    # Pillow itself turns TIFF upright while it decodes; then no orientation is left.
    pixels = turn(decoded.pixels, pillow.orientation(picture))
    if decoded.reduction == 1:
        return Image(pixels, orientation, "; ".join(notes), damage)
    upright = (height, width) if is_turned(orientation) else (width, height)
    return Image(pixels, orientation, "; ".join(notes), damage, decoded.reduction, upright)


@contextmanager
def _told(name: str, what: str, max_pixels: int) -> Iterator[None]:
    """Whatever a decoder raises becomes an ImageError."""
    try:
        with pillow.strict:
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(name, "too_large", "there is not enough memory to decode it") from error
    except PIL.Image.DecompressionBombError as error:
        reason = f"the image is far above the cap of {max_pixels:,} pixels; raise max_pixels to read it"
        raise ImageError(name, "too_large", reason) from error
    except Exception as error:  # Decoders raise anything at all on broken bytes.
        reason = f"{what} is damaged or of an unusual kind ({error or type(error).__name__})"
        raise ImageError(name, "unreadable", reason) from error
