"""What a user named as the images of a run, kept so that they can be found again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from landmarks.errors import LandmarksError
from landmarks.sources.find import find
from landmarks.sources.remote.files import is_url
from landmarks.sources.source import Source


@dataclass(frozen=True)
class Named:
    """Sources as `find` takes them, and the folder that they are relative to."""

    sources: tuple[str, ...]
    recursive: bool = False
    every: int = 1
    folder: str = ""
    """The working folder at that time."""

    @classmethod
    def here(
        cls, sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], recursive: bool, every: int
    ) -> Named:
        """What is named in the working folder of now."""
        if isinstance(sources, (str, os.PathLike)):
            sources = [sources]
        return cls(tuple(os.fspath(source) for source in sources), recursive, every, os.getcwd())

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Named:
        """The inverse of `as_dict`. Raises KeyError, TypeError or ValueError for what is not of its making."""
        return cls(
            tuple(str(source) for source in document["sources"]),
            bool(document["recursive"]),
            int(document["every"]),
            str(document["folder"]),
        )

    def as_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)

    def find(self) -> Iterator[tuple[str, Source]]:
        """The name that each file had among the results, and the file; containers by their own names.

        Raises LandmarksError where it cannot be found again.
        """
        if "-" in self.sources:
            raise LandmarksError("the images of the run were listed on standard input, which cannot be read again")
        before = os.path.join(self.folder, "")
        for source in find([self._from_here(source) for source in self.sources], self.recursive, self.every):
            # Of several files with the same name each is called by its path, as it was given.
            yield source.name, source
            if source.name.startswith(before):
                yield source.name.removeprefix(before), source

    def _from_here(self, source: str) -> str:
        """A source as the working folder of now sees it."""
        if is_url(source):
            return source
        if source.startswith("@") and not os.path.lexists(os.path.join(self.folder, source)):
            return "@" + os.path.join(self.folder, source[1:])
        return os.path.join(self.folder, source)
