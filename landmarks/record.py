"""What became of one image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landmarks.faces import Faces

OK, NO_FACE = "ok", "no_face"
MISSING, UNREADABLE, TOO_LARGE, TIMEOUT, ERROR = "missing", "unreadable", "too_large", "timeout", "error"
UNREACHABLE = "unreachable"
FAILED = (MISSING, UNREADABLE, UNREACHABLE, TOO_LARGE, TIMEOUT, ERROR)
"""Statuses that make a run end with exit code 1."""


@dataclass(frozen=True)
class Record:
    """What became of one image: a row for every image, whatever happens."""

    image: str
    status: str
    """`ok`, `no_face`, or why there is nothing: `missing`, `unreadable`, `too_large`; `unreachable` if its server did
    not give it now, which the next run tries again; `timeout` if it took too long, `error` if the detector, the
    network or the whole process failed on it."""
    faces: Faces
    reason: str = ""
    """One sentence for a failed image, or about what was left out of another one."""
    width: int = 0
    """Of the upright image in pixels; likewise the height."""
    height: int = 0
    orientation: int = 1
    """EXIF orientation of the stored file; 1 is upright."""
    frame: int | None = None
    """Number of a video frame, from 0."""
    time: float | None = None
    """Its seconds from the start of the video."""
    pixels: np.ndarray | None = None
    """(H, W, 3) uint8 RGB; None for a failed image, and for a record that has left its process."""
