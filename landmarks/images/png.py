"""PNG: chunks are checked before Pillow sees them, and only those that matter for the picture reach it."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
import PIL.Image

from landmarks.images import pillow
from landmarks.images.pillow import Decoded, Prepared

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
"""Chunks without which the picture is another one."""
_MORE = (b"acTL", b"fcTL", b"fdAT", b"eXIf")
"""Chunks that tell of further pictures, and of the orientation."""
_TEXTS = {b"tEXt": b"Raw profile type", b"zTXt": b"Raw profile type", b"iTXt": b"XML:com.adobe.xmp\0"}
"""How texts begin that may hold the orientation."""
MAX_TEXT = 1 << 20
"""Bytes of such a text, unpacked, above which it is passed over; photographs have a few thousand."""
MAX_TEXTS = 16
"""Of such texts; photographs have three at most."""
_CUT = "its end is missing"


def prepare(data: bytes) -> Prepared:
    """The chunks that matter, with right checksums; what was passed over; what is wrong with the picture's own."""
    chunks: list[tuple[bytes, bytes]] = []
    notes: dict[str, None] = {}  # Each once, in order.
    damage, gap, ended, texts = "", False, False, 0
    for kind, content, fault in _chunks(data):
        if ended := kind == b"IEND":
            break
        name = kind.decode("ascii")
        if kind in _PICTURE or name[0].isupper():
            if kind == b"IDAT" and gap:
                fault = fault or "a gap before it"
            if fault and fault != _CUT:  # Whether the end of the picture is missing, too, Pillow will find.
                damage = damage or f"{fault}, in the chunk {name}"
        elif fault:
            notes[f"passed over the chunk {name}, which is no picture data ({fault})"] = None
            gap = gap or (bool(chunks) and chunks[-1][0] == b"IDAT")  # It may have been some, too.
            continue
        elif kind in _TEXTS:
            if not content.startswith(_TEXTS[kind]):
                continue
            texts += 1
            if texts > MAX_TEXTS or _is_long(kind, content):
                notes["passed over texts of unusual size or number"] = None
                continue
        elif kind not in _MORE:
            continue
        chunks.append((kind, content))
    if not ended:
        notes["the file lacks its end"] = None
    if data[12:16] == b"CgBI":  # Apple leaves out the head of the compressed data.
        first = next((at for at, (kind, _) in enumerate(chunks) if kind == b"IDAT"), None)
        if first is not None:
            chunks[first] = (b"IDAT", b"\x78\x9c" + chunks[first][1])
        chunks = [chunk for chunk in chunks if chunk[0] != b"CgBI"]
    whole = _SIGNATURE + b"".join(_packed(kind, content) for kind, content in [*chunks, (b"IEND", b"")])
    return Prepared(whole, tuple(notes), damage)


def decode(data: bytes, picture: PIL.Image.Image) -> Decoded:
    """Decode an opened picture, prepared from `data`. Raises anything if there is nothing to be had."""
    if data[12:16] != b"CgBI":
        return pillow.decode(data, picture)
    # Apple's own kind: blue before red, and colours already multiplied by their opacity.
    picture.load()
    samples = np.asarray(picture)
    colours = samples[..., 2::-1].astype(np.uint16)
    if samples.shape[2] == 4:
        colours += 255 - samples[..., 3:]  # On white.
    return Decoded(np.minimum(colours, 255).astype(np.uint8))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, str]]:
    """Kind and content of each chunk, and what is wrong with it; as far as there are chunks."""
    at = len(_SIGNATURE)
    while re.match(rb"[A-Za-z]{4}", data[at + 4 : at + 8]):
        (size,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        checksum = data[at + 8 + size : at + 12 + size]
        fault = ""
        if len(checksum) < 4:
            fault = _CUT
        elif struct.unpack(">I", checksum)[0] != zlib.crc32(content, zlib.crc32(kind)):
            fault = "a wrong checksum"
        yield kind, content, fault
        at += 12 + size


def _packed(kind: bytes, content: bytes) -> bytes:
    """A chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _is_long(kind: bytes, content: bytes) -> bool:
    """Whether a text has more than MAX_TEXT bytes; no more of it is unpacked to find out."""
    _, _, text = content.partition(b"\0")  # After its name.
    packed, text = kind == b"zTXt" or text[:1] == b"\1", text[1:]
    if kind == b"iTXt":  # After the method, language, and name in that language.
        text = text[1:].split(b"\0", 2)[-1]
    if len(text) > MAX_TEXT:
        return True
    try:
        return packed and len(zlib.decompressobj().decompress(text, MAX_TEXT + 1)) > MAX_TEXT
    except zlib.error:
        return False
