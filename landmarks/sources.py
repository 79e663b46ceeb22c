"""Find the image files that a user names: files, folders, globs, lists."""

from __future__ import annotations

import functools
import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from landmarks.errors import LandmarksError
from landmarks.images import printable

# fmt: off
SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp",
    ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".avif",
    ".heic", ".heif", ".jxl",  # Not readable, but such a photograph must not be passed over: its row says so.
)
# fmt: on
"""What counts as an image in a folder or a glob; a file named by itself may have any suffix."""


@dataclass(frozen=True)
class Source:
    """An image file to read."""

    path: Path
    name: str
    """How results name it: relative to the folder it was found in, with forward slashes; unique among the sources."""


def find(sources: Iterable[str | os.PathLike], recursive: bool = False) -> list[Source]:
    """The image files that `sources` stand for, each once, in natural order of their names (2 before 10).

    A source is a file, a folder, a glob, `@list.txt` (a file or folder a line, relative to the list's folder; `#`
    starts a comment) or `-` (such lines on standard input). Folders and globs give files with an image suffix and skip
    hidden ones. A file named by itself is kept whatever its suffix, even if it is missing: its row says so.
    """
    if isinstance(sources, (str, os.PathLike)):
        sources = [sources]
    real_folder = functools.cache(os.path.realpath)  # Resolving every path in full takes most of the time otherwise.
    found: dict[str, Source] = {}
    for source in sources:
        for path, name in _expand(os.fspath(source), recursive):
            real = os.path.realpath(path) if os.path.islink(path) else os.path.join(real_folder(path.parent), path.name)
            found.setdefault(real, Source(path, printable(name)))
    return sorted(_distinct(list(found.values())), key=lambda source: (_natural(source.name), source.name))


def _distinct(sources: list[Source]) -> list[Source]:
    """The sources, with the path as given where several have the same name."""
    while True:
        uses = Counter(source.name for source in sources)
        distinct = [
            Source(source.path, printable(source.path.as_posix())) if uses[source.name] > 1 else source
            for source in sources
        ]
        if distinct == sources:
            return sources
        sources = distinct  # Again, since a path may equal another file's name.


def _expand(source: str, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Files of one source, with their names."""
    if source == "-":
        yield from _listed(sys.stdin.buffer.read(), Path(), "standard input", recursive)
    elif os.path.lexists(source):  # First, since names may hold brackets or start with @.
        yield from _file_or_folder(Path(source), recursive)
    elif source.startswith("@"):
        path = Path(source[1:])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise LandmarksError(f"{path}: this list of images cannot be read ({error.strerror})") from error
        yield from _listed(data, path.parent, str(path), recursive)
    elif start := re.match(r"[^*?[]*(?=[*?[])", source):
        folder = Path(os.path.dirname(start[0]))
        matches = [Path(match) for match in sorted(glob.glob(source, recursive=True)) if not os.path.isdir(match)]
        matches = [path for path in matches if path.suffix.lower() in SUFFIXES]
        if not matches:
            raise LandmarksError(f"{source}: matches no image files; check the pattern")
        yield from ((path, path.relative_to(folder).as_posix()) for path in matches)
    else:
        yield from _file_or_folder(Path(source), recursive)


def _listed(data: bytes, folder: Path, list_name: str, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Files that the lines of a list name, relative to `folder`."""
    text = data.decode("utf-8-sig", "surrogateescape")  # The form in which Python keeps file names that are not UTF-8.
    if "\0" in text:
        raise LandmarksError(f"{list_name}: is not a list of paths; it must be UTF-8 text with a path a line")
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise LandmarksError(f"{list_name}: names no images; write a path a line")
    for line in lines:
        yield from _file_or_folder(folder / line, recursive)


def _file_or_folder(path: Path, recursive: bool) -> Iterator[tuple[Path, str]]:
    """A file, there or not, or the images in a folder."""
    if not os.path.isdir(path):
        yield path, path.name
        return
    images = list(_walk(path, recursive))
    if not images:
        hint = "check the path"
        if not recursive and any(_walk(path, recursive=True)):
            hint = "its subfolders do: add --recursive (in Python, recursive=True)"
        raise LandmarksError(f"{path}: this folder holds no image files; {hint}")
    yield from ((image, image.relative_to(path).as_posix()) for image in images)


def _walk(folder: Path, recursive: bool) -> Iterator[Path]:
    """Images in a folder. Links to folders are followed, but no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise LandmarksError(f"{error.filename}: this folder cannot be listed ({error.strerror})") from error

    entered = set()
    for parent, folders, files in os.walk(folder, followlinks=True, onerror=refuse):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        if os.path.realpath(parent) in entered:
            folders.clear()
            continue
        entered.add(os.path.realpath(parent))
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith("."):
                yield Path(parent, name)


def _natural(name: str) -> str:
    """A key that sorts numbers inside names by value."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.casefold())
