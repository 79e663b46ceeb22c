"""The files that come with the package, and their published checksums."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SHIPPED = next((p for p in (PACKAGE / "weights", PACKAGE.parent / "weights") if p.is_dir()), PACKAGE / "weights")
"""Inside an installed package, beside it in a source tree."""


def checksums() -> dict[str, str]:
    """SHA-256 of each shipped file, from SHA256SUMS."""
    sums = SHIPPED / "SHA256SUMS"
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else []
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {file.strip(): digest for digest, file in pairs}


def intact(path: Path, data: bytes) -> bool:
    """Whether the content of a file is what was published; of a file that is not shipped, nothing is known: true."""
    import hashlib  # Here, since every command imports this module.

    return path.parent != SHIPPED or checksums().get(path.name) == hashlib.sha256(data).hexdigest()
