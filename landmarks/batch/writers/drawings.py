"""Drawings of a run: each image with its faces, a JPEG file each."""

from __future__ import annotations

import errno
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import cv2

from landmarks.atomic import scratch_path, write_bytes
from landmarks.drawing.draw import Style, draw
from landmarks.formats.text import safe_path
from landmarks.record import Record
from landmarks.sources.names import is_image

FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EROFS)
"""Errors after which no other drawing can be written either."""


def drawing_path(image: str) -> PurePosixPath:
    """Where an image's drawing lies under `drawings`, another place for every name of an image.

    It is the image's own name (see `safe_path`), with `.jpg` after the suffix of any other format and after the number
    of a frame. Names that could be another image's drawing (`photo.png.jpg`), and those without a suffix, get `~.jpg`.
    """
    path = PurePosixPath(safe_path(image))
    name, stem, suffix = path.name, path.stem, path.suffix.lower()
    if suffix == ".jpg" and not stem.endswith("~") and (stem.lower().endswith(".jpg") or not is_image(stem)):
        return path
    return path.with_name(f"{name}.jpg" if suffix != ".jpg" and (is_image(name) or name.isdigit()) else f"{name}~.jpg")


@dataclass(frozen=True)
class Drawings:
    """Draws into a folder; each drawing appears whole or not at all."""

    folder: Path
    style: Style = field(default_factory=Style)
    frames: bool = True
    """Also draws frames of videos."""
    name: ClassVar[str] = "drawings"

    def settings(self) -> dict[str, Any]:
        return asdict(self.style) | ({} if self.frames else {"frames": False})

    def write(self, record: Record) -> None:
        """Draw a record that has pixels. A drawing that cannot be written costs a warning, not the run: a name may be
        too long with its new suffix, a side too long for JPEG. Raises OSError if the disk is full."""
        if record.pixels is None or (record.frame is not None and not self.frames):
            return
        path = self.folder / drawing_path(record.image)
        try:
            picture = draw(record.pixels, record.faces, self.style)
            written, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            if not written:
                raise OSError("too large for JPEG")
            write_bytes(path, data.tobytes(), durable=False, partial=scratch_path(self.folder))
        except (OSError, cv2.error) as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
            warnings.warn(f"{record.image}: no drawing ({reason})", stacklevel=2)
