"""Files with something wrong in them, at random."""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from typing import Any

PIECES = (
    b"null", b"true", b"[]", b"{}", b"[[[[", b'""', b"nan", b"inf", b"-inf", b"1e999", b"-1", b"0", b"9" * 40, b"1.5",
    b"2147483648", b"1e18", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"../../x", b"/etc/passwd", b"\\",
    b'"', b",", b"\r", b"\n\n", b"<!--", b"&a;", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"=1+1", "\u0663".encode(), b"%s",
)  # fmt: skip
"""What readers stumble over."""

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 1e308, float("nan"), float("inf"), 2**31, 2**63, 10**40, "", "nan", "9" * 30, "../x",
    "\ud800", [], {}, [[]], [None], {"id": 1}, [1, 2, 3, 4], "points_5",
)  # fmt: skip


def damaged(dice: random.Random, data: bytes) -> bytes:
    """A file with a few things wrong: bits, numbers, pieces, its end, or a value somewhere in its JSON."""
    if data[:1] in (b"{", b"[") and dice.random() < 0.5:
        try:
            return _other_value(dice, json.loads(data))
        except ValueError:  # JSON lines, or no JSON at all.
            lines = data.split(b"\n")
            at = dice.randrange(len(lines))
            try:
                lines[at] = _other_value(dice, json.loads(lines[at]))
                return b"\n".join(lines)
            except ValueError:
                pass
    for _ in range(dice.choice([1, 1, 2, 8])):
        data = _edit(dice, data)
    return data


def lost(dice: random.Random, data: bytes) -> bytes:
    """A file as bad disks and networks leave it: without its end, or without a piece, zeros or rubbish in its place."""
    at, count = dice.randrange(len(data)), dice.choice([1024, 2048, 4096])
    kind = dice.randrange(2 if data[4:8] == b"jP  " else 4)  # JPEG 2000 hides what is lost inside.
    if data[:8] == b"\x89PNG\r\n\x1a\n" and dice.random() < 0.5:  # Its checksums find anything.
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[at + count :]
    if kind == 2 and data[:2] == b"\xff\xd8":  # Others have decoders that make a picture of anything.
        return data[:at] + dice.randbytes(min(count, len(data) - at)) + data[at + count :]
    return data[:at] + bytes(min(count, len(data) - at)) + data[at + count :]


def _edit(dice: random.Random, data: bytes) -> bytes:
    size = max(len(data), 1)
    # Headers are a small part of a file and the part that matters most.
    at = dice.randrange(min(size, 256)) if dice.random() < 0.5 else dice.randrange(size)
    end = at + dice.choice([1, 2, 4, 8, 40, 1000])
    kind = dice.randrange(8)
    if kind == 0 and data:
        return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + data[end:]
    if kind == 2:
        return data[:end] + data[at:]
    if kind == 3:
        return data[:at]
    if kind == 4:
        number = dice.choice([0, 1, 255, 2**15, 2**31 - 1, 2**32 - 1, 2**63 - 1])
        width = dice.choice([1, 2, 4, 8])
        order = dice.choice(["little", "big"])
        return data[:at] + (number % 256**width).to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]
    if kind == 5:
        return data[:at] + dice.choice(PIECES) + data[at:]
    if kind == 6:
        tokens = list(re.finditer(rb"[\w.+-]+", data[: 1 << 16]))
        if tokens:
            token = dice.choice(tokens)
            return data[: token.start()] + dice.choice(PIECES) + data[token.end() :]
    return data[:at] + dice.randbytes(min(end, size) - at) + data[end:]


def _other_value(dice: random.Random, document: Any) -> bytes:
    """JSON with another value at one place, or without that place."""
    places = list(_places(document))
    if not places:
        return json.dumps(dice.choice(VALUES)).encode()
    container, key = dice.choice(places)
    if dice.random() < 0.2:
        del container[key]
    else:
        container[key] = copy.deepcopy(dice.choice(VALUES))
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(document) if isinstance(document, dict) else range(len(document) if type(document) is list else 0):
        yield document, key
        yield from _places(document[key])
