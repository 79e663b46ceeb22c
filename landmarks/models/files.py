"""Files of weights: those that come with the package, by name, and any others by their paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

from landmarks import shipped
from landmarks.errors import WeightsError, nearest
from landmarks.shipped import checksums, intact

KEY = "landmarks"
"""Of the header in a file's metadata."""
MAX_BYTES = 2**30
DETECTOR = "detector"
"""Name of the shipped face detector's weights."""
ONNX_SUFFIX = ".onnx"
EXPORT = f".int8{ONNX_SUFFIX}"
"""What the names of the shipped exports end in: `compact.int8.onnx`, its locator beside it."""


def resolve(name: str | Path) -> Path:
    """The file of shipped weights or of a path. Raises WeightsError."""
    if str(name) in shipped_names():
        return shipped.SHIPPED / f"{name}.safetensors"
    path = Path(name)
    if path.is_file():
        return path
    names = shipped_names()
    if path.is_dir():
        raise WeightsError(f"{name}: is a folder; give the weights file itself, such as {path / 'weights.safetensors'}")
    meant = "".join(f" did you mean {other!r}?" for other in nearest(str(name), names))
    known = ", ".join(names) or "none"
    raise WeightsError(f"{name}: no such weights;{meant} give a .safetensors file or one of the shipped names: {known}")


def shipped_names() -> list[str]:
    """Names of the landmark networks' weights that come with the package."""
    return sorted({path.stem for path in shipped.SHIPPED.glob("*.safetensors")} - {DETECTOR})


def shipped_export(name: str | Path) -> Path | None:
    """The export that comes with shipped weights, given by name, for CPUs; None where there is none."""
    path = shipped.SHIPPED / f"{name}{EXPORT}"
    return path if str(name) in shipped_names() and path.name in checksums() else None


def is_shipped(path: Path) -> bool:
    """Whether a file is one of the package's own, which `read_verified` compares with its checksum."""
    return path.parent == shipped.SHIPPED


def read_verified(path: Path) -> tuple[bytes, str]:
    """The bytes of a file of weights and their SHA-256.

    Raises WeightsError if it cannot be read or is too large, or if it is shipped and lacks its published checksum.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path}: larger than {MAX_BYTES} bytes, which no weights of this package are")
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error
    if not intact(path, data):
        raise WeightsError(f"{path}: does not have the checksum in SHA256SUMS; install the package again")
    return data, hashlib.sha256(data).hexdigest()
