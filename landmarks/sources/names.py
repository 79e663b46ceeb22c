"""Names of images: which are images at all, how they sort, how they are made harmless."""

from __future__ import annotations

import os
import re

from landmarks.images import printable

# fmt: off
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif",
    ".heic", ".heif", ".jxl",  # Not readable, but such a photograph must not be passed over: its row says so.
)
# fmt: on
"""What counts as an image in a folder, a glob or an archive; a file named by itself may have any suffix."""


def is_image(name: str) -> bool:
    """Whether a path has an image's suffix and is not hidden."""
    base = name.replace("\\", "/").rpartition("/")[2]
    return os.path.splitext(base)[1].lower() in SUFFIXES and not base.startswith(".")


def natural(name: str) -> tuple[str, str]:
    """A key that sorts numbers inside names by value (2 before 10)."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.casefold()), name


def harmless(name: str) -> str:
    """A name from inside an archive as a relative path: no root, drive, `..` or control characters."""
    name = re.sub(r"[\x00-\x1f\x7f]", lambda match: f"\\x{ord(match[0]):02x}", printable(name).replace("\\", "/"))
    parts = re.sub(r"^[A-Za-z]:", "", name).split("/")
    return "/".join(part for part in parts if part not in ("", ".", "..")) or "unnamed"
