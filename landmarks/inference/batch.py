"""A run over many images: every record to every sink, drawings on the side, a summary at the end."""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from landmarks.errors import LandmarksError
from landmarks.inference.annotator import FAILED, Annotator, Record
from landmarks.inference.draw import Style, draw
from landmarks.inference.sinks import FORMATS, ImagesCsv, Sink
from landmarks.sources import Source


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    statuses: dict[str, int]
    """Number of images by status."""
    faces: int
    seconds: float

    @property
    def images(self) -> int:
        return sum(self.statuses.values())

    @property
    def failed(self) -> int:
        """Images that could not be used; they are listed in `failures.csv`."""
        return sum(self.statuses.get(status, 0) for status in FAILED)


def annotate(
    annotator: Annotator,
    sources: Sequence[Source],
    out: str | Path,
    formats: Sequence[str] = ("csv",),
    drawings: bool = False,
    style: Style = Style(),
    report: Callable[[Record], None] = lambda record: None,
) -> Summary:
    """Annotate images and write the results to the folder `out`, which is made if need be.

    formats: names in FORMATS; drawings: also write each image with its faces to `out/drawings`. Files appear under
    their names when the run has ended; until then they end in `.partial`. Raises LandmarksError if `out` cannot be
    written.
    """
    out = Path(out)
    started = time.perf_counter()
    statuses: Counter[str] = Counter()
    faces = 0
    try:
        out.mkdir(parents=True, exist_ok=True)
        sinks: list[Sink] = [ImagesCsv(out)]
        sinks += [FORMATS[name](out, annotator.nothing) for name in formats]
    except OSError as error:
        raise LandmarksError(f"{out}: cannot be written ({error.strerror}); choose another --out") from error
    for record in annotator.stream(sources):
        for sink in sinks:
            sink.write(record)
        if drawings and record.pixels is not None:
            _write_drawing(record, record.pixels, out / "drawings", style)
        statuses[record.status] += 1
        faces += len(record.faces)
        report(record)
    for sink in sinks:
        sink.close()
    return Summary(dict(statuses), faces, time.perf_counter() - started)


def drawing_path(image: str) -> PurePosixPath:
    """Where an image's drawing lies under `drawings`: its own name, with `.jpg` after any other suffix."""
    path = PurePosixPath(image)
    parts = [part for part in path.parts if part not in ("..", "/")]
    name = parts[-1] if path.suffix.lower() == ".jpg" else f"{parts[-1]}.jpg"
    return PurePosixPath(*parts[:-1], name)


def _write_drawing(record: Record, pixels: np.ndarray, folder: Path, style: Style) -> None:
    """Write a drawing, whole or not at all. One that cannot be written costs a warning, not the run: a name may be too
    long with its new suffix, a side too long for JPEG."""
    path = folder / drawing_path(record.image)
    temporary = path.with_name(".drawing.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = draw(pixels, record.faces, style)
        written, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        if not written:
            raise OSError("too large for JPEG")
        temporary.write_bytes(data.tobytes())
        os.replace(temporary, path)
    except (OSError, cv2.error) as error:
        temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
        warnings.warn(f"{record.image}: no drawing ({reason})", stacklevel=2)
