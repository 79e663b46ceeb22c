"""TIFF by Pillow, and the checksums of its deflate data, which libtiff passes over."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace

import PIL.Image

from landmarks.images import pillow
from landmarks.images.pillow import Decoded

_COMPRESSION, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 259, 273, 279, 324, 325
"""Tags: how the picture is packed; where its pieces, strips or tiles, lie in the file, and how long they are."""
_DEFLATE = (8, 32946)
_PIECE = 1 << 14
"""Bytes of a file that are expanded at once, to a thousand times as many at most."""
_PIXEL_BYTES = 16
"""Of a pixel at most: four samples of 32 bits. What would expand to more is no part of the picture, and is left."""


def decode(data: bytes, picture: PIL.Image.Image) -> Decoded:
    """Decode an opened picture; `data`: its file's. Raises anything if nothing is to be had."""
    tags = getattr(picture, "tag_v2", {})
    pieces: list[tuple[int, int]] = []
    if tags.get(_COMPRESSION) in _DEFLATE:
        for places, sizes in ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES)):
            pieces += zip(tags.get(places, ()), tags.get(sizes, ()))
    decoded = pillow.decode(data, picture)
    if decoded.damage:
        return decoded
    fault = _fault((memoryview(data)[place : place + size] for place, size in pieces), picture.width * picture.height)
    return replace(decoded, damage=fault) if fault else decoded


def _fault(packed: Iterable[memoryview], pixels: int) -> str:
    """What is wrong with pieces of zlib data, as far as they expand to so many pixels; empty if nothing is. None of
    what they expand to is kept."""
    room = pixels * _PIXEL_BYTES
    try:
        for piece in packed:
            stream = zlib.decompressobj()
            for start in range(0, len(piece), _PIECE):
                room -= len(stream.decompress(piece[start : start + _PIECE]))
                if room < 0:
                    return ""
                if stream.eof:
                    break
    except zlib.error as error:
        return str(error)
    return ""
