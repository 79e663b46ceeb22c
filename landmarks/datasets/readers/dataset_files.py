"""A dataset's files, whether they lie in a folder or in a zip archive."""

from __future__ import annotations

import zipfile
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from landmarks.datasets.readers.mat import read_image
from landmarks.errors import DataError

MAX_MEMBER_BYTES = 256 * 2**20
"""Largest file read out of an archive: an archive's own figures are not to be trusted."""


class Files:
    """Read-only view of a folder or a zip archive; names are relative, with forward slashes.

    Raises DataError if `root` is neither. Safe to hand to worker processes: the archive is opened where it is read.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.exists():
            raise DataError(f"{self.root}: no such file or folder; give the dataset's archive or its unpacked folder")
        if not self.root.is_dir() and not zipfile.is_zipfile(self.root):
            raise DataError(f"{self.root}: neither a folder nor a zip archive; unpack it and give the folder")

    def __getstate__(self) -> dict[str, Any]:
        return {"root": self.root}

    @cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        try:
            return None if self.root.is_dir() else zipfile.ZipFile(self.root)
        except Exception as error:  # Python's reader raises anything at all on broken archives.
            raise DataError(f"{self.root}: a damaged zip archive ({error}); fetch it again") from error

    @cached_property
    def names(self) -> list[str]:
        """All files, sorted."""
        if self._archive is None:
            found = (path for path in self.root.rglob("*") if path.is_file())
            return sorted(path.relative_to(self.root).as_posix() for path in found)
        return sorted(name for name in self._archive.namelist() if not name.endswith("/"))

    def locate(self, name: str) -> str | None:
        """The shortest path among the files that ends in `name`, or None."""
        wanted = PurePosixPath(name).parts
        found = [path for path in self.names if PurePosixPath(path).parts[-len(wanted) :] == wanted]
        return min(found, key=len, default=None)

    def read(self, name: str) -> bytes:
        """The bytes of one file, or of one image inside a MATLAB file of a folder (`FILE.mat/VARIABLE/NUMBER`).

        Raises DataError if there is none, or if the name leads out of the dataset.
        """
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise DataError(f"{self.root}: the name {name!r} leads out of the dataset")
        try:
            if self._archive is None:
                container, suffix, image = name.partition(".mat/")
                if suffix and (self.root / f"{container}.mat").is_file():
                    return read_image(self.root / f"{container}.mat", image)
                return (self.root / name).read_bytes()
            with self._archive.open(name) as member:
                data = member.read(MAX_MEMBER_BYTES + 1)
        except DataError:
            raise
        except Exception as error:  # As above.
            raise DataError(f"{self.root}: cannot read {name}: {error}") from error
        if len(data) > MAX_MEMBER_BYTES:
            raise DataError(f"{self.root}: {name} is larger than {MAX_MEMBER_BYTES} bytes")
        return data

    def read_text(self, name: str) -> str:
        """One file as UTF-8 text. Raises DataError if it is not."""
        try:
            return self.read(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{self.root}: {name} is not UTF-8 text; save it as UTF-8") from error
