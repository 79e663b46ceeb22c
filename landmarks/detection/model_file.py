"""A detector's model file, taken only if it is the one that this version was measured with."""

from __future__ import annotations

import hashlib
from pathlib import Path

from landmarks.errors import DetectorError


def read_verified(path: Path, sha256: str, cure: str) -> bytes:
    """The bytes of a model file. Raises DetectorError unless it is the file with this SHA-256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DetectorError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DetectorError(f"{path}: not the model file this version works with (its SHA-256 differs); {cure}")
    return data
