"""`corrections.jsonl` in a run's folder: a line a correction, added at the end and never changed.

A line counts once it is on the disk. A process that is killed leaves at most a last line without its end, which nobody
was told is kept: readers pass over it and say so, the next writer takes it away.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from landmarks.atomic import Lock, naming, sync
from landmarks.corrections.correction import MOST, Correction, correction_from
from landmarks.errors import DataError, LandmarksError

FILE = "corrections.jsonl"


def read_corrections(run: str | Path) -> list[Correction]:
    """The corrections of a run, in order; none if there is no file.

    A line that is none costs itself and a warning that names it. Raises OSError if the file cannot be read.
    """
    path = Path(run) / FILE
    found: list[Correction] = []
    try:
        with open(path, "rb") as file:
            for number, line, reason in _lines(file.read()):
                if line is not None:
                    found.append(line)
                elif reason:
                    warnings.warn(f"{path}: line {number} is left out: {reason}", stacklevel=2)
    except FileNotFoundError:
        pass
    return found


def _lines(data: bytes) -> Iterator[tuple[int, Correction | None, str]]:
    """Number, correction, or why it is none."""
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip():
            try:
                yield number, parse(line), ""
            except DataError as error:
                unfinished = not data.endswith(b"\n") and number == data.count(b"\n") + 1
                yield number, None, "it was never finished" if unfinished else str(error)


def parse(line: bytes) -> Correction:
    """A correction from its line. Raises DataError."""
    if len(line) > MOST:
        raise DataError(f"it has {len(line):,} bytes, more than a correction can have")
    try:
        return correction_from(json.loads(line))
    except (ValueError, RecursionError) as error:
        raise DataError(f"it is not JSON ({error})") from error


class CorrectionLog:
    """The open file of a run; nobody else can open it to write meanwhile, and the lock dies with the process."""

    def __init__(self, run: str | Path) -> None:
        """Raises LandmarksError if another process writes corrections here, OSError if the file cannot be written."""
        self.path = Path(run) / FILE
        try:
            self._lock = Lock(self.path.with_suffix(".lock"))
        except LandmarksError:
            raise LandmarksError(
                f"{self.path}: another process is writing corrections of this run, such as `landmarks review`; end it "
                "first, or work in its page"
            ) from None
        try:
            self.corrections = read_corrections(run)
            self._file = open(self.path, "a+b", buffering=0)  # noqa: SIM115
            sync(self.path.parent)
            self._mend()
        except BaseException:
            self._lock.release()
            raise

    def _mend(self) -> None:
        """Give the last line an end, or take it away if it is none."""
        data = self.path.read_bytes()
        start = data.rfind(b"\n") + 1
        if start == len(data):
            return
        try:
            parse(data[start:])
        except DataError:
            self._file.truncate(start)
            os.fsync(self._file.fileno())
        else:
            self._write(b"\n")

    def append(self, correction: Correction) -> None:
        """Write a line and have it survive a power cut. Raises OSError; the file is then as it was before."""
        self._write(correction.line().encode() + b"\n")
        self.corrections.append(correction)

    def _write(self, line: bytes) -> None:
        end = self._file.seek(0, os.SEEK_END)
        try:
            with naming(self.path):
                left = memoryview(line)
                while left:
                    left = left[self._file.write(left) :]
                os.fsync(self._file.fileno())
        except OSError:
            with suppress(OSError):
                self._file.truncate(end)
            raise

    def close(self) -> None:
        self._file.close()
        self._lock.release()

    def __enter__(self) -> CorrectionLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
