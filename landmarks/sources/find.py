"""Find the images that a user names: files, folders, globs, lists, archives, videos, URLs."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from landmarks.bounded import answer, ask
from landmarks.errors import LandmarksError
from landmarks.images import printable
from landmarks.sources import local
from landmarks.sources.archive import ARCHIVES, Archive
from landmarks.sources.names import natural
from landmarks.sources.remote import files as remote
from landmarks.sources.source import Container, Source
from landmarks.sources.videos.video import VIDEOS, Video


def find(
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    recursive: bool = False,
    every: int = 1,
    timeout: float | None = None,
) -> list[Source]:
    """The files that `sources` stand for, each once, in natural order of their names (2 before 10).

    A source is a file, a folder, a glob, a numbered range (`shard-{000..099}.tar`), `@list.txt` (a file or folder a
    line, relative to the list's folder; `#` starts a comment), `-` (such lines on standard input), or a URL such as
    s3://bucket/folder. A file may be an image, an archive or a video, of which one frame of `every` is taken; `expand`
    looks into these. Folders give images alone; folders and globs skip hidden files. A file named by itself is kept
    whatever its suffix, even if it is missing: its row says so.

    timeout: seconds that a file system may take for an answer, None for no limit. Raises LandmarksError for what
    stands for nothing, and for a path about which there is no answer.
    """
    given = [os.fspath(one) for one in ([sources] if isinstance(sources, (str, os.PathLike)) else sources)]
    if "" in given:
        raise LandmarksError("a source is empty, as a variable of the shell may be; give the path of images")
    if every < 1:
        raise ValueError(f"every is a number of frames, at least 1, not {every}")
    # Read here: a thread that waits for it would keep the process from ending.
    listed = sys.stdin.buffer.read() if "-" in given else b""
    look = functools.partial(_find, given, listed, recursive, every)
    return look() if timeout is None else answer(look, timeout)


def _find(given: list[str], listed: bytes, recursive: bool, every: int) -> list[Source]:
    """listed: what came on standard input."""
    real_folder = functools.cache(os.path.realpath)  # Resolving every path in full takes most of the time otherwise.
    found: dict[str, Source] = {}
    for source in given:
        for one in _expand(source, listed, recursive):
            if isinstance(one, Source):
                found.setdefault(str(one.path), one)
                continue
            path, name = one
            if ask(path, os.path.islink, path):
                real = ask(path, os.path.realpath, path)
            else:
                real = os.path.join(ask(path, real_folder, path.parent), path.name)
            found.setdefault(real, _of_kind(path, printable(name), every))
    return sorted(_distinct(list(found.values())), key=lambda source: natural(source.name))


def expand(sources: Iterable[Source]) -> Iterator[Source]:
    """The images among the sources and inside the archives and videos among them, in order.

    Those of an archive or video must be loaded or held before the next one is asked for.
    """
    for source in sources:
        if isinstance(source, Container):
            yield from source
        else:
            yield source


def _of_kind(path: Path, name: str, every: int) -> Source:
    """An image, an archive or a video, by its suffix."""
    place = str(path)  # It takes a third of the memory of a Path.
    lower = place.lower()
    if lower.endswith(ARCHIVES):
        return Archive(place, name)
    return Video(place, name, every=every) if lower.endswith(VIDEOS) else Source(place, name)


def _distinct(sources: list[Source]) -> list[Source]:
    """The sources, with the path as given where several have the same name."""
    while True:
        uses = Counter(source.name for source in sources)
        distinct = [
            replace(source, name=printable(Path(source.path).as_posix())) if uses[source.name] > 1 else source
            for source in sources
        ]
        if distinct == sources:
            return sources
        sources = distinct  # Again, since a path may equal another file's name.


def _expand(source: str, listed: bytes, recursive: bool) -> Iterator[local.Named | Source]:
    """Files of one source, with their names."""
    containers = ARCHIVES + VIDEOS
    if source == "-":
        yield from _listed(listed, Path(), "standard input", recursive)
    elif ask(source, os.path.lexists, source):  # First, since names may hold brackets or start with @.
        yield from local.file_or_folder(Path(source), recursive, containers)
    elif remote.is_url(source):
        yield from remote.find(source, recursive)
    elif source.startswith("@"):
        path = Path(source[1:])
        try:
            data = path.read_bytes()
        except OSError as error:
            raise LandmarksError(f"{path}: this list of images cannot be read ({error.strerror})") from error
        yield from _listed(data, path.parent, str(path), recursive)
    elif numbered := _numbered(source):
        for one in numbered:
            yield from _expand(one, listed, recursive)
    elif re.search(r"[*?[]", source):
        yield from local.in_glob(source, containers)
    else:
        yield from local.file_or_folder(Path(source), recursive, containers)


def _listed(data: bytes, folder: Path, list_name: str, recursive: bool) -> Iterator[local.Named | Source]:
    """Files that the lines of a list name, relative to `folder`."""
    for line in local.lines_of(data, list_name):
        if remote.is_url(line):
            yield from remote.find(line, recursive)
        else:
            yield from local.file_or_folder(folder / line, recursive, ARCHIVES + VIDEOS)


def _numbered(source: str) -> list[str]:
    """`shard-{08..10}.tar` as its three names; empty for anything else."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", source)
    if not match:
        return []
    first, last = match[1], match[2]
    if not 0 <= int(last) - int(first) < 1_000_000:
        raise LandmarksError(f"{source}: the range in braces must run upwards, over at most a million numbers")
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [source[: match.start()] + number + source[match.end() :] for number in numbers]
