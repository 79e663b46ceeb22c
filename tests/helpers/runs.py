"""Runs with photographs that are drawn, for the tests of what is made of a run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from landmarks.batch.options import RunOptions
from landmarks.batch.run import annotate
from landmarks.clock import Clock
from landmarks.errors import ImageError
from landmarks.faces import Faces
from landmarks.images import most_bytes, take
from landmarks.record import NO_FACE, OK, Record
from landmarks.schemes import ATTRIBUTES, POINTS_5
from landmarks.scores import AttributeScores
from landmarks.sources.find import expand, find
from landmarks.sources.named import Named
from tests.helpers.faces import draw_face


class Eye:
    """Like an Annotator: it finds the face that `draw_face` drew for the number in an image's name, scaled with it.

    A name with `none` in it has no face. Qualities and probabilities follow from the number.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.empty = Faces.empty(POINTS_5, tuple(ATTRIBUTES), calibrated=True)

    def settings(self) -> dict:
        return {"max_pixels": 10**7, "detector": {"name": "eye"}, "tasks": list(ATTRIBUTES)}

    def stream(self, sources):
        for source in expand(sources):
            try:
                image = take(source.load(most_bytes(10**7)), source.name, 10**7)
            except ImageError as error:
                yield Record(source.name, error.status, self.empty, error.reason)
                continue
            number = int("".join(filter(str.isdigit, source.name)) or 0) % 1000
            faces = self.empty if "none" in source.name else face_of(number, image.width / 160)
            status = OK if len(faces) else NO_FACE
            yield Record(
                source.name, status, faces, "", image.width, image.height, image.orientation,
                source.frame, source.time, image.pixels,
            )  # fmt: skip


def face_of(number: int, zoom: float = 1.0) -> Faces:
    """The one face of `draw_face(number)` in a picture that was enlarged."""
    _, points, labels = draw_face(number)
    points = ((points + 0.5) * zoom - 0.5)[None]
    margin = np.ptp(points[0, :2, 0])
    boxes = np.concatenate([points.min(axis=1) - margin, points.max(axis=1) + margin], axis=1)
    attributes = {
        name: AttributeScores(one, (0.9 * np.eye(len(one)) + 0.1 / len(one))[[labels[name]]].astype(np.float32))
        for name, one in ATTRIBUTES.items()
    }
    errors = np.full((1, 5), 0.01 + 0.01 * (number % 5))
    return Faces(boxes, points, [0.9], attributes, POINTS_5, errors, np.array([(number % 10 + 0.5) / 10]))


def run_over(sources: str | Path | list, out: Path, formats: tuple[str, ...] = ("csv",), **found) -> Path:
    """Annotate with an Eye. found: as for `find`."""
    named = Named.here(sources if isinstance(sources, list) else [sources], found.get("recursive", False), 1)
    annotate(Eye(), find(sources, **found), out, RunOptions(formats, workers=0), named=named)
    return out


def table_of(page: Path) -> dict:
    """The numbers of a run's page, still packed."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.split('id="table">')[1].split("</script>")[0])
