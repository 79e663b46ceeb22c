"""Archives made by the tests."""

from __future__ import annotations

import io
import tarfile
import zipfile

MEMBERS = {"b10.jpg": b"ten", "b2.jpg": b"two", "sub/a.PNG": b"a", "notes.txt": b"no", "x/.hidden.jpg": b"no"}


def make(path, members):
    """An archive of the kind that the suffix tells. members: name -> bytes, or (name, bytes) pairs."""
    pairs = list(members.items()) if isinstance(members, dict) else members
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in pairs:
                file.writestr(zipfile.ZipInfo(name), data)
    else:
        kind = {".tar": "", ".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "gz")
        with tarfile.open(path, f"w:{kind}") as file:
            for name, data in pairs:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                file.addfile(info, io.BytesIO(data))
    return path
