"""The faces of a dataset that cannot be used: counted by reason, named in a file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

from landmarks.atomic import write_text

FILE = "left_out.csv"
COPY, MEASURED, NOWHERE, UNSEEN = "copy", "measured", "nowhere", "unseen"
MEANINGS = {
    "missing": "without their image",
    "unreadable": "in images that cannot be read",
    "too_large": "in images that are too large",
    COPY: "in copies of an earlier image",
    MEASURED: "in copies of images that something is measured on",
    NOWHERE: "without a box or points from an eye to a mouth corner",
    UNSEEN: "in which the detector finds no face",
}
"""What is said of the faces of each reason."""


class LeftOut:
    """Faces that are not used, in order: image, reason (a key of MEANINGS or a status of ImageError), sentence."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, image: str, reason: str, sentence: str) -> None:
        self.rows.append((image, reason, sentence))

    def counts(self) -> str:
        """`3 without their image (a.jpg, ...), 1 in copies of an earlier image (b.jpg)`, the most frequent first."""
        told = []
        for reason, count in Counter(reason for _, reason, _ in self.rows).most_common():
            first = next(image for image, other, _ in self.rows if other == reason)
            told.append(f"{count} {MEANINGS.get(reason, reason)} ({first}{', ...' if count > 1 else ''})")
        return ", ".join(told)

    def write(self, folder: Path) -> None:
        """Write `left_out.csv`, a row a face; without any, take away that of an earlier call."""
        path = folder / FILE
        if not self.rows:
            path.unlink(missing_ok=True)
            return
        text = io.StringIO(newline="")
        csv.writer(text).writerows([("image", "reason", "sentence"), *self.rows])
        write_text(path, text.getvalue())
