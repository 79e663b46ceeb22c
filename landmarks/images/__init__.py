"""Images: upright 8-bit RGB from files, bytes and arrays, or an ImageError that says why not."""

from landmarks.images.decoding import decode, from_picture, is_reducible, read, take
from landmarks.images.files import MAX_PIXELS, most_bytes, printable, read_bytes, too_many_bytes
from landmarks.images.image import Image, from_array, from_reduced, reduce_squares, to_stored, to_upright
from landmarks.images.jpeg import reduction_below

__all__ = [
    "MAX_PIXELS",
    "Image",
    "decode",
    "from_array",
    "from_picture",
    "from_reduced",
    "is_reducible",
    "most_bytes",
    "printable",
    "read",
    "read_bytes",
    "reduce_squares",
    "reduction_below",
    "take",
    "to_stored",
    "to_upright",
    "too_many_bytes",
]
