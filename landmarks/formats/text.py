"""Names and text made safe for files, spreadsheets and XML."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

LONGEST_PART = 200
"""Bytes of a file or folder name; longer ones are cut, so that there is room for what is put after them."""

_FORMULA = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")  # The last four: = + - @ in full width.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def safe_path(image: str) -> str:
    """A relative path inside an output folder for an image's name, another one for every name.

    Ordinary names are kept, with their folders. Parts that would leave the folder are written as %2E%2E and so on, a
    `%` at the start of a part as %25; parts longer than LONGEST_PART bytes end in a part of their SHA-1 instead.
    """
    parts = []
    for part in image.replace("\0", "%00").split("/"):
        if part in ("", ".", ".."):
            part = "%2E" * len(part) or "%"
        elif part.startswith("%"):
            part = "%25" + part[1:]
        raw = part.encode("utf-8", "backslashreplace")
        if len(raw) > LONGEST_PART:
            start = raw[: LONGEST_PART - 20].decode("utf-8", "ignore")
            part = f"{start}~{hashlib.sha1(raw, usedforsecurity=False).hexdigest()[:16]}"
        parts.append(part.encode("utf-8", "backslashreplace").decode())
    return "/".join(parts)


def inside(folder: Path, relative: str) -> Path:
    """A file that a list in a folder names. Raises ValueError if it is not in the folder."""
    path = folder / relative
    if Path(relative).is_absolute() or ".." in Path(relative).parts:
        raise ValueError(f"{relative!r} is not in the folder")
    return path


def csv_text(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe goes before = + - @, tab, line end and apostrophe."""
    return "'" + text if text.startswith(_FORMULA) else text


def from_csv_text(text: str) -> str:
    """The inverse of `csv_text`."""
    return text[1:] if text.startswith("'") else text


def xml_text(text: str) -> str:
    """Text as XML 1.0 can hold it: control characters and half surrogate pairs become \\x.. and \\u.. ."""
    return _NOT_XML.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
