"""TIFF by Pillow, and the checksums of its deflate data, which libtiff passes over."""

from __future__ import annotations

import zlib
from dataclasses import replace

import PIL.Image

from landmarks.images import pillow
from landmarks.images.pillow import Decoded

_COMPRESSION, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 259, 273, 279, 324, 325
"""Tags: how the picture is packed; where its pieces, strips or tiles, lie in the file, and how long they are."""
_DEFLATE = (8, 32946)
_PIECE = 1 << 16
"""Bytes that are expanded at once."""


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
    for place, size in pieces:
        if fault := _fault(memoryview(data)[place : place + size]):
            return replace(decoded, damage=fault)
    return decoded


def _fault(packed: memoryview) -> str:
    """What is wrong with zlib data; empty if nothing is. Nothing of what they expand to is kept."""
    stream = zlib.decompressobj()
    try:
        rest = bytes(packed)
        while rest and not stream.eof:
            stream.decompress(rest, _PIECE)
            rest = stream.unconsumed_tail
    except zlib.error as error:
        return str(error)
    return ""
