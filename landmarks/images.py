"""Decode images: upright 8-bit RGB, or an ImageError that says why not.

Headers are never trusted: the pixel count is checked before anything is decoded, and a file that ends before its
picture does is refused, because decoders fill the rest with grey and faces are then "found" in half an image.
"""

from __future__ import annotations

import io
import logging
import os
import re
import stat
import warnings
from dataclasses import dataclass

import cv2
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

MAX_PIXELS = 100_000_000
"""Images with more pixels are refused unless the caller raises the cap."""

_FORMATS = (
    # Name, first bytes, reader. The readers are called directly since PIL.Image.open has a lower pixel cap of its own.
    ("JPEG", rb"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    ("PNG", rb"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    ("GIF", rb"GIF8[79]a", GifImagePlugin.GifImageFile),
    ("BMP", rb"BM", BmpImagePlugin.BmpImageFile),
    ("TIFF", rb"II[*+]\0|MM\0[*+]", TiffImagePlugin.TiffImageFile),
    ("WebP", rb"RIFF....WEBP", WebPImagePlugin.WebPImageFile),
    ("PNM", rb"P[1-6]\s", PpmImagePlugin.PpmImageFile),
    ("JPEG 2000", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  ", Jpeg2KImagePlugin.Jpeg2KImageFile),
    ("AVIF", rb"....ftyp.{0,40}avi[fs]", AvifImagePlugin.AvifImageFile if AvifImagePlugin.SUPPORTED else None),
    ("HEIC", rb"....ftyp(?:hei|hev|mif1|msf1)", None),
    ("JPEG XL", rb"\xff\x0a|\0\0\0\x0cJXL ", None),
    ("PDF", rb"%PDF", None),
)

_TURNS = {
    # EXIF orientation: transpose?, (mirror x?, mirror y?). Stored pixels become upright when they are mirrored, then
    # transposed; upright points become stored ones when they are transposed, then mirrored.
    1: (False, (False, False)),
    2: (False, (True, False)),
    3: (False, (True, True)),
    4: (False, (False, True)),
    5: (True, (False, False)),
    6: (True, (False, True)),
    7: (True, (True, True)),
    8: (True, (True, False)),
}

# What Pillow has to say about odd metadata is of no use to whoever annotates a million photographs.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())


@dataclass(frozen=True, eq=False)
class Image:
    """One decoded image, upright: the EXIF orientation of its file is already applied."""

    pixels: np.ndarray
    """(H, W, 3) uint8 RGB."""
    orientation: int = 1
    """EXIF orientation 1..8 of the file; 1: stored upright."""
    note: str = ""
    """One sentence about what was left out, such as the other pictures of an animation."""

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height as the file stores them, before the orientation is applied."""
        return (self.height, self.width) if _TURNS[self.orientation][0] else (self.width, self.height)


def read(path: str | os.PathLike[str], max_pixels: int = MAX_PIXELS) -> Image:
    """Decode a file. Raises ImageError: `missing`, `unreadable` or `too_large`."""
    return decode(read_bytes(path, most_bytes(max_pixels)), printable(path), max_pixels)


def most_bytes(max_pixels: int) -> int:
    """The size above which a file is not even opened: 8 bytes a pixel (16-bit RGBA, uncompressed) plus 64 MiB."""
    return 8 * max_pixels + (64 << 20)


def read_bytes(path: str | os.PathLike[str], limit: int) -> bytes:
    """The bytes of a file of at most `limit` bytes. Raises ImageError: `missing`, `unreadable` or `too_large`."""
    name = printable(path)
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(name, "unreadable", "is a folder, not an image")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(name, "unreadable", "is not a regular file")
        if status.st_size > limit:
            raise too_many_bytes(name, status.st_size, limit)
        with open(path, "rb") as file:
            data = file.read(status.st_size + 1)  # No more: so much is set aside before anything is read.
    except (FileNotFoundError, NotADirectoryError):
        raise ImageError(name, "missing", "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = f"the file cannot be opened ({getattr(error, 'strerror', None) or error})"
        raise ImageError(name, "unreadable", reason) from error
    if len(data) > status.st_size:
        raise ImageError(name, "unreadable", "the file grew while it was read")
    return data


def too_many_bytes(name: str, size: int, limit: int) -> ImageError:
    """The error for a file above its limit in bytes."""
    reason = f"the file has {size:,} bytes, above the cap of {limit:,}; raise max_pixels to read it"
    return ImageError(name, "too_large", reason)


def decode(data: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image:
    """Decode the bytes of an image file; `name` is for messages. Raises only ImageError, whatever the bytes.

    Transparent pixels are shown on white, 16-bit samples scaled to 8, animations and multi-page files give their first
    picture; colour profiles are ignored.
    """
    if not data:
        raise ImageError(name, "unreadable", "the file is empty")
    formats = [(kind, reader) for kind, signature, reader in _FORMATS if re.match(signature, data, re.DOTALL)]
    if not formats:
        raise ImageError(name, "unreadable", "this is not an image in a known format (JPEG, PNG, WebP, TIFF, GIF, BMP)")
    format_name, reader = formats[0]
    if reader is None:
        raise ImageError(name, "unreadable", f"{format_name} files cannot be read; convert it to JPEG or PNG")
    try:
        with reader(io.BytesIO(data)) as picture:
            _check_size(picture, name, max_pixels)
            if format_name == "PNG":  # Its checksums find any damage, but Pillow looks at them only on a copy.
                reader(io.BytesIO(data)).verify()
            orientation = _orientation(picture)
            pixels = _decode_jpeg(data, picture) if format_name == "JPEG" else _decode_other(picture)
            # Pillow itself turns TIFF upright while it decodes; then no orientation is left.
            return Image(_turn(pixels, _orientation(picture)), orientation, _note(picture))
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(name, "too_large", "there is not enough memory to decode it") from error
    except PIL.Image.DecompressionBombError as error:
        reason = f"it is above Pillow's own limit, PIL.Image.MAX_IMAGE_PIXELS ({error})"
        raise ImageError(name, "too_large", reason) from error
    except Exception as error:  # Decoders raise anything at all on broken bytes.
        reason = f"the {format_name} file is damaged or of an unusual kind ({error or type(error).__name__})"
        raise ImageError(name, "unreadable", reason) from error


def from_array(array: np.ndarray, name: str) -> Image:
    """Wrap an upright (H, W, 3) uint8 RGB array; anything else is an ImageError. `name` is for messages."""
    if not isinstance(array, np.ndarray):
        kind = f"a {type(array).__name__}"
    elif array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        kind = f"{array.dtype} of shape {array.shape}"
    else:
        return Image(np.ascontiguousarray(array))
    raise ImageError(name, "unreadable", f"an image must be a NumPy array (H, W, 3) of uint8, RGB; this is {kind}")


def from_picture(picture: PIL.Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> Image:
    """A picture that Pillow holds or has opened, as `decode` would give its file. Raises ImageError."""
    _check_size(picture, name, max_pixels)
    try:
        orientation = _orientation(picture)
        pixels = _decode_other(picture)
        return Image(_turn(pixels, _orientation(picture)), orientation, _note(picture))
    except MemoryError as error:
        raise ImageError(name, "too_large", "there is not enough memory to decode it") from error
    except Exception as error:  # Decoders raise anything at all on broken bytes.
        reason = f"the picture is damaged or of an unusual kind ({error or type(error).__name__})"
        raise ImageError(name, "unreadable", reason) from error


def _check_size(picture: PIL.Image.Image, name: str, max_pixels: int) -> None:
    """Raises ImageError for a picture that says it has more pixels."""
    width, height = picture.size
    if width * height > max_pixels:
        size = f"{width} x {height} = {width * height:,} pixels, above the cap of {max_pixels:,}"
        raise ImageError(name, "too_large", f"the image has {size}; raise max_pixels to read it")


def to_stored(points: np.ndarray, image: Image) -> np.ndarray:
    """Map points (..., 2) from upright pixels to the pixels the file stores; pixel centres at integers."""
    transpose, _ = _TURNS[image.orientation]
    points = np.asarray(points)
    return _mirror(points[..., [1, 0]] if transpose else points, image)


def to_upright(points: np.ndarray, image: Image) -> np.ndarray:
    """Map points (..., 2) from the pixels the file stores to upright pixels: the inverse of `to_stored`."""
    transpose, _ = _TURNS[image.orientation]
    points = _mirror(np.asarray(points), image)
    return points[..., [1, 0]] if transpose else points


def _mirror(points: np.ndarray, image: Image) -> np.ndarray:
    """Mirror points (..., 2) in the stored frame, as the orientation asks; floating, a copy."""
    points = points.astype(np.result_type(points, np.float32))
    last = np.array(image.stored_size, points.dtype) - 1
    return np.where(_TURNS[image.orientation][1], last - points, points)


def _turn(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Stored pixels (H, W, 3) -> upright pixels."""
    transpose, (mirror_x, mirror_y) = _TURNS[orientation]
    if mirror_x or mirror_y:
        pixels = cv2.flip(pixels, -1 if mirror_x and mirror_y else int(mirror_x))
    return cv2.transpose(pixels) if transpose else pixels


def _orientation(picture: PIL.Image.Image) -> int:
    """EXIF orientation 1..8; 1 where there is none, or only nonsense."""
    try:
        value = picture.getexif().get(0x0112, 1)
        return int(value) if value in _TURNS else 1
    except Exception:  # Broken metadata raise anything, and are no reason to refuse a picture.
        return 1


def _note(picture: PIL.Image.Image) -> str:
    """What to say of a file with several pictures."""
    try:
        several = getattr(picture, "is_animated", False)
    except Exception:  # Looking for the second picture of broken bytes raises anything; the first one is fine.
        several = False
    return "holds several pictures, of which only the first was looked at" if several else ""


def _decode_jpeg(data: bytes, picture: PIL.Image.Image) -> np.ndarray:
    """JPEG -> (H, W, 3) uint8 RGB as stored. By OpenCV, which is about twice as fast; odd kinds by Pillow."""
    if not _jpeg_is_complete(data):
        raise ValueError("it ends before the picture does: the file was cut short")
    if picture.mode in ("L", "RGB"):
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if pixels is not None and pixels.shape[1::-1] == picture.size:
            return pixels
    return _decode_other(picture)


def _jpeg_is_complete(data: bytes) -> bool:
    """Whether the first picture of a JPEG file reaches its end marker.

    Segments are skipped by their length, so the end of a thumbnail inside one does not count; nor does it matter what
    follows the end, such as a phone's second picture or video.
    """
    at = 2
    # Inside the picture data 0xff is followed by 0 or a restart marker (d0 to d7); 0xff 0xff is padding.
    while marker := re.compile(rb"\xff[^\x00\xd0-\xd7\xff]").search(data, at):
        at = marker.end()
        if data[at - 1] == 0xD9:
            return True
        if data[at - 1] not in (0x01, 0xD8):  # The other two markers that have no segment.
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _decode_other(picture: PIL.Image.Image) -> np.ndarray:
    """Any Pillow picture -> (H, W, 3) uint8 RGB; as stored, except TIFF, which Pillow turns upright."""
    picture.load()
    if picture.mode.startswith("I"):
        samples = np.asarray(picture)
        if samples.min() < 0 or samples.max() > 65535:
            raise ValueError("32-bit samples have no fixed range; save it with 8 or 16 bits")
        return cv2.cvtColor((samples >> 8).astype(np.uint8), cv2.COLOR_GRAY2RGB)
    if picture.mode == "F":
        raise ValueError("floating-point samples have no fixed range; save it with 8 or 16 bits")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def printable(path: str | os.PathLike[str]) -> str:
    """A path as valid Unicode, for tables and messages; bytes that are none are written as \\udc.."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
