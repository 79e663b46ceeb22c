"""Files and folders that appear under their names only when they are whole; names and text made safe for them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

LONGEST_PART = 200
"""Bytes of a file or folder name; longer ones are cut, so that there is room for what is put after them."""

_FORMULA = tuple("=+-@\t\r\n'\uff1d\uff0b\uff0d\uff20")  # The last four: = + - @ in full width.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class PartialFile:
    """A UTF-8 text file that ends in `.partial` until it is closed; then it is synced and renamed.

    What is no Unicode (half of a surrogate pair) is written as \\udc.. .
    """

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(path.name + ".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = open(self.partial, "w+", encoding="utf-8", errors="backslashreplace", newline="")  # noqa: SIM115
        self.write = self.file.write

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.partial, self.path)
        sync_folder(self.path.parent)


class PartialFolder:
    """A folder that ends in `.partial` until it is closed; then it takes the place of an earlier one of its name."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(path.name + ".partial")
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        self._made: set[Path] = set()

    def file(self, relative: str) -> Path:
        """Where to write a file of the folder; its own folder is made."""
        path = self.partial / relative
        if path.parent not in self._made:
            path.parent.mkdir(parents=True, exist_ok=True)
            if len(self._made) < 10_000:
                self._made.add(path.parent)
        return path

    def close(self) -> None:
        sync_folder(self.partial)
        earlier = self.path.with_name(self.path.name + ".old")
        shutil.rmtree(earlier, ignore_errors=True)
        if self.path.exists():
            os.replace(self.path, earlier)
        os.replace(self.partial, self.path)
        sync_folder(self.path.parent)
        shutil.rmtree(earlier, ignore_errors=True)


def sync_folder(path: Path) -> None:
    """Make renames in a folder survive a power cut, where the system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no folders.
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
