"""A target of fuzzing, case by case: `tests/test_fuzz.py` tries a few, `python -m tests.fuzz` goes on for hours."""

from __future__ import annotations

import random
import resource
import shutil
import sys
import warnings
from pathlib import Path

from landmarks.errors import LandmarksError
from tests.helpers.damage import damaged
from tests.helpers.fuzz_targets import Target

MEMORY = 1 << 30
"""Bytes by which the process may grow over all cases of a target."""


class Bench:
    """A target's files, whole, and a folder in which they are damaged one by one."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.target, self.whole, self.work = target, folder / "whole", folder / "work"
        self.whole.mkdir(parents=True)
        target.make(self.whole)
        files = sorted(path for path in self.whole.glob(target.files) if path.is_file() and path.stat().st_size)
        self.names = [path.relative_to(self.whole) for path in files]
        assert self.names, "there is nothing to damage"
        self.read(None, b"")

    def read(self, name: Path | None, data: bytes) -> None:
        """Read the files, one of which has other content. Raises what it should not."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.whole, self.work)
        if name is not None:
            (self.work / name).write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.target.read(self.work)
            except (LandmarksError, *self.target.others) as error:
                if name is None:
                    raise
                assert str(error).strip(), "an error that says nothing"

    def case(self, dice: random.Random) -> tuple[Path, bytes]:
        """One of the files, and damaged content for it."""
        name = dice.choice(self.names)
        return name, (self.target.damage or damaged)(dice, (self.whole / name).read_bytes())


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
