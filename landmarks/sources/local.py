"""Files on this machine: single ones, folders, globs, lists."""

from __future__ import annotations

import glob
import os
import re
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from landmarks.bounded import ask
from landmarks.errors import LandmarksError
from landmarks.sources.names import is_image
from landmarks.sources.runs import holds_run, made_by_run

Named = tuple[Path, str]
"""A file and its name among the results."""


def in_glob(pattern: str, suffixes: tuple[str, ...]) -> Iterator[Named]:
    """Images and files with these suffixes that a glob matches, named from its first folder without wildcards."""
    folder = Path(os.path.dirname(re.split(r"[*?[]", pattern)[0]))
    matches: list[str] = []
    found = glob.iglob(pattern, recursive=True)
    while (path := ask(pattern, next, found, None)) is not None:
        if (is_image(path) or path.lower().endswith(suffixes)) and not ask(path, os.path.isdir, path):
            matches.append(path)
    matches.sort()
    matches = _without_results(matches, folder)
    if not matches:
        raise LandmarksError(f"{pattern}: matches no image files; check the pattern")
    yield from ((Path(path), Path(path).relative_to(folder).as_posix()) for path in matches)


def lines_of(data: bytes, list_name: str) -> list[str]:
    """The paths in a list: UTF-8, one a line; `#` starts a comment. Raises LandmarksError."""
    text = data.decode("utf-8-sig", "surrogateescape")  # The form in which Python keeps file names that are not UTF-8.
    if "\0" in text:
        raise LandmarksError(f"{list_name}: is not a list of paths; it must be UTF-8 text with a path a line")
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise LandmarksError(f"{list_name}: names no images; write a path a line")
    return lines


def file_or_folder(path: Path, recursive: bool, containers: tuple[str, ...]) -> Iterator[Named]:
    """A file, there or not, or the images in a folder. Raises LandmarksError if it has none.

    containers: suffixes of files that a folder may hold, too, but that are not looked into unless they are named.
    """
    if not ask(path, os.path.isdir, path):
        yield path, path.name
        return
    if holds_run(path):
        cure = "name the images themselves or another folder; a run's results go to a folder of their own"
        raise LandmarksError(f"{path}: holds the results of a run, which are never taken for images; {cure}")
    images: list[Path] = []
    results: list[Path] = []
    for image in walk(path, recursive, results.append):
        images.append(image)
    _tell(results)
    if not images:
        hint = "check the path"
        if not recursive and any(walk(path, recursive=True)):
            hint = "its subfolders do: add --recursive (in Python, recursive=True)"
        elif others := sorted(name for name in ask(path, os.listdir, path) if name.lower().endswith(containers)):
            hint = f"archives and videos are read when they are named, such as {path / others[0]} or a glob"
        raise LandmarksError(f"{path}: this folder holds no image files; {hint}")
    inside = 0 if path == Path() else len(os.path.join(path, ""))  # `relative_to` takes a third of a listing's time.
    yield from ((image, str(image)[inside:].replace(os.sep, "/")) for image in images)


def _without_results(matches: list[str], root: Path) -> list[str]:
    """The files that are not among the results of a run; those that are, are told of."""
    of_run = cache(lambda folder: made_by_run(Path(folder, "x"), root))
    runs = {match: of_run(os.path.dirname(match)) for match in matches}
    _tell(list(dict.fromkeys(run for run in runs.values() if run)))
    return [match for match in matches if not runs[match]]


def _tell(results: list[Path]) -> None:
    """Say which folders were passed over."""
    if results:
        others = f" and {len(results) - 1} more folders" if len(results) > 1 else ""
        warnings.warn(
            f"{results[0]}{others}: passed over, since results of a run are there; they are no input",
            stacklevel=2,
        )


def walk(folder: Path, recursive: bool, skipped: Callable[[Path], object] = lambda path: None) -> Iterator[Path]:
    """Images in a folder. Links to folders are followed, but no folder is entered twice, and none that holds a run.

    skipped: is given those.
    """

    entered = set()
    todo = [folder]
    while todo:
        parent = todo.pop()
        try:
            real = ask(parent, os.path.realpath, parent)
            if real in entered:
                continue
            entered.add(real)
            folders, files = _entries(parent)
        except OSError as error:
            raise LandmarksError(f"{error.filename}: this folder cannot be listed ({error.strerror})") from error
        if holds_run(parent, files):
            skipped(parent)
            continue
        for name in sorted(files):
            if is_image(name):
                yield Path(parent, name)
        if recursive:
            todo.extend(parent / name for name in sorted(folders, reverse=True) if not name.startswith("."))


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders, and of all else, in a folder. Raises OSError."""
    folders: list[str] = []
    files: list[str] = []

    def step() -> bool:
        entry = next(entries, None)
        if entry is None:
            return False
        try:
            is_folder = entry.is_dir()
        except OSError:  # A link to nowhere that can be looked at.
            is_folder = False
        (folders if is_folder else files).append(entry.name)
        return True

    with ask(folder, os.scandir, folder) as entries:
        while ask(folder, step):
            pass
    return folders, files
