"""Everything that a run leaves behind, behind one `write` and one `close`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landmarks import images
from landmarks.atomic import naming
from landmarks.faces import Faces
from landmarks.formats.doubts import Review
from landmarks.formats.format import Sink
from landmarks.formats.layout import Layout
from landmarks.formats.own.tables import ImagesCsv
from landmarks.formats.registry import FORMATS
from landmarks.formats.schema import FRAMES, NAME, schema, write_schema

if TYPE_CHECKING:
    from landmarks.record import Record


def places(formats: Sequence[str]) -> list[str]:
    """The files and folders that `Results` leaves in a run's folder."""
    found = ["images.csv", "failures.csv", "review.csv", NAME]
    return found + [place for name in formats for place in (FORMATS[name].place, *FORMATS[name].beside)]


class Results:
    """All files of a run: its formats, `images.csv`, `failures.csv`, `review.csv` and `schema.json`.

    like: a result of the run, perhaps an empty one, which says what every result holds; formats: names in FORMATS;
    coords: the frame of the coordinates in the files, a name in FRAMES. Records need no pixels. Raises ValueError for
    an unknown name, OSError if `out` cannot be written.
    """

    def __init__(self, out: Path, like: Faces, formats: Sequence[str] = ("csv",), coords: str = "upright") -> None:
        for names, known in ((formats, list(FORMATS)), ((coords,), list(FRAMES))):
            for name in names:
                if name not in known:
                    raise ValueError(f"{name!r} is none of {', '.join(known)}")
        layout = Layout.of(like)
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.original = out, coords == "original"
        self.schema = schema(layout, formats, coords)
        self.sinks: list[tuple[Path, Sink]] = [(out / "images.csv", ImagesCsv(out))]
        self.review = Review(out, layout)
        self.sinks.append((out / "review.csv", self.review))
        for name in dict.fromkeys(formats):
            path = out / FORMATS[name].place
            with naming(path):
                self.sinks.append((path, FORMATS[name].write(out, layout)))

    def write(self, record: Record) -> None:
        if self.original:
            record = to_original(record)
        for path, sink in self.sinks:
            with naming(path):
                sink.write(record)

    def close(self) -> None:
        for path, sink in self.sinks:
            with naming(path):
                sink.close()
        write_schema(self.out, self.schema)


def to_original(record: Record) -> Record:
    """A record in the pixels that its file stores: points, boxes, width and height, and without the upright pixels.

    Left and right stay in the names of landmarks: those of the upright image.
    """
    if record.orientation == 1 or not record.width:
        return replace(record, pixels=None)
    # One value stands for all pixels: only the size of the image counts.
    image = images.Image(np.broadcast_to(np.uint8(0), (record.height, record.width, 3)), record.orientation)
    corners = images.to_stored(record.faces.boxes.reshape(-1, 2, 2), image)
    boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    faces = replace(record.faces, boxes=boxes, points=images.to_stored(record.faces.points, image))
    width, height = image.stored_size
    return replace(record, faces=faces, width=width, height=height, pixels=None)
