"""A run with boxes from a file: which images are meant, and which boxes and images were left without each other."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from landmarks.atomic import PartialFile
from landmarks.batch.engines.worker import AnnotatorFactory, ImageAnnotator
from landmarks.detection.boxes import BoxFile
from landmarks.formats.text import csv_text
from landmarks.inference.config import AnnotatorConfig
from landmarks.record import NO_FACE, OK, Record
from landmarks.sources.source import Container, Source

FILE = "boxes_unmatched.csv"


def with_boxes(
    annotator: ImageAnnotator | AnnotatorFactory, sources: Sequence[Source]
) -> tuple[ImageAnnotator | AnnotatorFactory, BoxFile | None]:
    """The same, its boxes matched to the names of the sources; and the boxes, None if there is a detector.

    Says how names were understood that are not the same. Raises DataError.
    """
    detector = getattr(annotator, "detector", None)
    if isinstance(detector, (str, Path)) and str(detector).lower().endswith(".csv"):
        detector = BoxFile(detector)
    if not isinstance(detector, BoxFile):
        return annotator, None
    matching = detector.match(source.name for source in sources if not isinstance(source, Container))
    if matching.ways:
        ways = ", ".join(f"{count} {way}" for way, count in matching.ways.items())
        warnings.warn(f"{detector.path}: names of images were found {ways}", stacklevel=3)
    if isinstance(annotator, AnnotatorConfig):
        annotator = replace(annotator, detector=detector)
    return annotator, detector


class BoxReport:
    """Sees all records of a run; then writes `boxes_unmatched.csv`, unless all is matched."""

    def __init__(self, boxes: BoxFile, sources: Sequence[Source], all_members: bool) -> None:
        """all_members: whether the records are those of all members of the archives among the sources."""
        self._boxes = boxes
        names = (boxes.resolve(source.name) for source in sources if not isinstance(source, Container))
        self._used = {name for name in names if name is not None}
        folders = [] if all_members else [f"{one.name}/" for one in sources if isinstance(one, Container)]
        self._unknown = tuple(folders)
        self._images: list[str] = []

    def see(self, record: Record) -> None:
        name = self._boxes.resolve(record.image)
        if name is not None:
            self._used.add(name)
        elif record.status in (OK, NO_FACE):
            self._images.append(record.image)

    def write(self, out: Path) -> tuple[int, int]:
        """Numbers of names in the file that no image has, and of images that the file does not name."""
        unused = [name for name in self._boxes.names if name not in self._used and not name.startswith(self._unknown)]
        if not (unused or self._images):
            (out / FILE).unlink(missing_ok=True)
            return 0, 0
        lines = PartialFile(out / FILE)
        writer = csv.writer(lines)
        writer.writerow(("name", "boxes", "reason"))
        for name in unused:
            several = name in self._boxes.matching.ambiguous
            reason = "several images or names could be meant" if several else "no image has this name"
            writer.writerow((csv_text(name), self._boxes.count(name), reason))
        for image in self._images:
            writer.writerow((csv_text(image), 0, "this image has no row in the file of boxes"))
        lines.close()
        return len(unused), len(self._images)
