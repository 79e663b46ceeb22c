"""Arrays and images in MATLAB files of version 7.3, which are HDF5 files. Reading them needs h5py, the extra `cofw`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.errors import DataError

MAX_BYTES = 256 * 2**20
"""Largest array read: a file's own figures are not to be trusted."""


@contextmanager
def open_mat(path: Path) -> Iterator[Any]:
    """The open h5py.File. Whatever is wrong with the file or with what is sought in it becomes a DataError."""
    try:
        import h5py
    except ImportError as error:
        cure = "install it with `pip install 'landmarks[cofw]'`"
        raise DataError(f"{path}: MATLAB files are read with h5py, which is not there; {cure}") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except DataError:
        raise
    except Exception as error:  # HDF5 raises anything at all on broken bytes.
        raise DataError(f"{path}: not the MATLAB 7.3 file that was expected ({error}); fetch it again") from error


def array(node: Any) -> np.ndarray:
    """A variable of an open file, in MATLAB's order of axes. Raises ValueError if it is too large."""
    if node.nbytes > MAX_BYTES:
        raise ValueError(f"{node.name} takes more than {MAX_BYTES} bytes")
    return np.asarray(node[()]).T


def read_image(path: Path, member: str) -> bytes:
    """An image of a cell array as the bytes of a PGM or PPM file. member: `VARIABLE/NUMBER`, counted from 1.

    Raises DataError.
    """
    variable, _, number = member.partition("/")
    with open_mat(path) as file:
        references = array(file[variable]).ravel()
        pixels = array(file[references[int(number) - 1]])
    if pixels.dtype != np.uint8 or pixels.shape[2:] not in ((), (3,)) or pixels.ndim < 2:
        raise DataError(f"{path}: {member} is {pixels.dtype} of shape {pixels.shape}, not an 8-bit image")
    kind = "P5" if pixels.ndim == 2 else "P6"
    return f"{kind} {pixels.shape[1]} {pixels.shape[0]} 255\n".encode() + pixels.tobytes()
