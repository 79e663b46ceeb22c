"""A server that is down ends a run early, with one sentence instead of a million rows."""

from __future__ import annotations

from landmarks.errors import LandmarksError
from landmarks.record import UNREACHABLE, Record

MOST = 25
"""Images in a row that could not be reached, as they are done; any other one between them starts the count anew."""


class Outage:
    """Counts what could not be reached."""

    def __init__(self) -> None:
        self._count = 0

    def see(self, record: Record) -> None:
        """Raises LandmarksError when it is enough."""
        self._count = self._count + 1 if record.status == UNREACHABLE else 0
        if self._count >= MOST:
            cure = "give the same command again when it can be reached: what is done is kept"
            last = f"last: {record.image}: {record.reason}"
            raise LandmarksError(f"{MOST} images in a row could not be reached, so the run stops; {cure} ({last})")
