"""What a table of faces holds: its columns, and faces as plain values for the formats that nest them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import pandas as pd

from landmarks.faces import PER_FACE, PER_POINT, Faces
from landmarks.schemes import ATTRIBUTES, SCHEMES, Scheme

if TYPE_CHECKING:
    from landmarks.inference.record import Record

DECIMALS = 4
"""Of every number in a text format, unless the format says otherwise: far below what a pixel or probability means."""
BOX = ("x0", "y0", "x1", "y1")
IMAGE_COLUMNS: dict[str, tuple[str, str]] = {
    "image": ("string", "name of the image: its path relative to the folder it was found in, unique in the run"),
    "status": ("string", "ok, no_face, or why there is nothing: missing, unreadable, too_large, ..."),
    "faces": ("int32", "number of faces in the table of faces"),
    "width": ("int32", "of the image in pixels, in the frame of the coordinates; 0 if it could not be read"),
    "height": ("int32", "likewise"),
    "orientation": ("int32", "EXIF orientation of the stored file, 1 to 8; 1 is upright"),
    "frame": ("int32", "number of a video's frame, from 0; empty for an image"),
    "time": ("float32", "its seconds from the start of the video"),
    "reason": ("string", "one sentence for a failed image, or about what was left out of another one"),
}
"""The table of images, a row for every image: column -> type, meaning. Values come from the record's fields."""


@dataclass(frozen=True)
class Column:
    """A column of the table of faces."""

    name: str
    type: str
    """`string`, `int32` or `float32`."""
    unit: str
    meaning: str
    part: str
    """What it says something about: `face`, `box`, `numbers`, `points` or `attributes`."""


@dataclass(frozen=True)
class Layout:
    """What every result of a run holds, known before the first face is found."""

    scheme: Scheme
    attributes: tuple[str, ...]
    per_face: tuple[str, ...] = ("score",)
    """Columns of those numbers of a face that the run has."""
    per_point: tuple[str, ...] = ()

    @classmethod
    def of(cls, faces: Faces) -> Layout:
        """The layout of a result, perhaps an empty one."""
        return cls(
            faces.scheme, tuple(faces.attributes), tuple(faces.numbers(PER_FACE)), tuple(faces.numbers(PER_POINT))
        )

    def columns(self) -> list[Column]:
        """The table of faces: image, then the columns of `Faces.columns`."""
        pixel, meanings = "pixel", {number.column: number.meaning for number in (*PER_FACE, *PER_POINT)}
        columns = [
            Column("image", "string", "", IMAGE_COLUMNS["image"][1], "face"),
            Column("face", "int32", "", "number of the face in its image, from 0, the largest box first", "face"),
            *(
                Column(name, "float32", pixel, f"{side} border of the face box", "box")
                for name, side in zip(BOX, ("left", "upper", "right", "lower"))
            ),
            *(Column(name, "float32", "", meanings[name], "numbers") for name in self.per_face),
        ]
        for point in self.scheme.points:
            columns += [Column(f"{point}_{axis}", "float32", pixel, f"{axis} of {point}", "points") for axis in "xy"]
            columns += [Column(f"{point}_{name}", "float32", "", meanings[name], "numbers") for name in self.per_point]
        for name in self.attributes:
            attribute = ATTRIBUTES[name]
            meaning = f"one of: {', '.join(attribute.labels)}. {attribute.note}".strip()
            columns.append(Column(name, "string", "", meaning, "attributes"))
            columns.append(
                Column(f"{name}_probability", "float32", "0 to 1", f"the network's probability of {name}", "attributes")
            )
        return columns

    def as_dict(self) -> dict[str, Any]:
        return {
            "scheme": self.scheme.name,
            "attributes": list(self.attributes),
            "per_face": list(self.per_face),
            "per_point": list(self.per_point),
        }

    @classmethod
    def from_dict(cls, document: dict) -> Layout:
        """The inverse of `as_dict`; raises KeyError for a scheme, attribute or number that is not known."""
        known = {
            "attributes": {name: name for name in ATTRIBUTES},
            "per_face": {number.column: number.column for number in PER_FACE},
            "per_point": {number.column: number.column for number in PER_POINT},
        }
        lists = {name: tuple(names[column] for column in document[name]) for name, names in known.items()}
        return cls(SCHEMES[document["scheme"]], **lists)


Plain = Optional[float]
"""A number, or None where there is none."""


@dataclass
class PlainFace:
    """One face in plain Python values, rounded; None is a number that does not exist."""

    points: dict[str, list[Plain]]
    """x and y of each landmark."""
    box: list[Plain] | None = None
    """x0, y0, x1, y1; None where the format does not hold boxes."""
    numbers: dict[str, Plain] = dataclasses.field(default_factory=dict)
    """By column: the numbers of the face."""
    point_numbers: dict[str, dict[str, Plain]] = dataclasses.field(default_factory=dict)
    """By column: landmark -> number."""
    labels: dict[str, tuple[str | None, Plain]] = dataclasses.field(default_factory=dict)
    """By attribute: the label and its probability."""

    def row(self, image: str, index: int) -> dict[str, Any]:
        """The face as a row of the table of faces."""
        row: dict[str, Any] = {"image": image, "face": index}
        if self.box is not None:
            row.update(zip(BOX, self.box))
        row.update(self.numbers)
        for name, (x, y) in self.points.items():
            row[f"{name}_x"], row[f"{name}_y"] = x, y
            for column, values in self.point_numbers.items():
                row[f"{name}_{column}"] = values.get(name)
        for name in (name for name in ATTRIBUTES if name in self.labels):
            row[name], row[f"{name}_probability"] = self.labels[name]
        return row


def plain_faces(faces: Faces, decimals: int = DECIMALS) -> list[PlainFace]:
    """The faces of a result, one by one."""
    if not len(faces):
        return []
    names = faces.scheme.points
    boxes, points = plain(faces.boxes, decimals), plain(faces.points, decimals)
    numbers = {column: plain(values, decimals) for column, values in faces.numbers(PER_FACE).items()}
    of_points = {column: plain(values, decimals) for column, values in faces.numbers(PER_POINT).items()}
    labels = {}
    for name, scores in faces.attributes.items():
        probabilities = plain(scores.confidence, decimals)
        texts = [scores.attribute.labels[i] for i in scores.indices.tolist()]
        labels[name] = [(None if p is None else text, p) for text, p in zip(texts, probabilities)]
    return [
        PlainFace(
            dict(zip(names, points[i])),
            boxes[i],
            {column: values[i] for column, values in numbers.items()},
            {column: dict(zip(names, values[i])) for column, values in of_points.items()},
            {name: values[i] for name, values in labels.items()},
        )
        for i in range(len(faces))
    ]


def plain(array: np.ndarray, decimals: int | None = DECIMALS) -> list:
    """An array as nested lists of Python floats; None for what is not finite. decimals: None keeps them all."""
    values = array.astype(np.float64)
    if decimals is not None:
        values = values.round(decimals)
    if not math.isfinite(values.sum()):  # One look at all of them is enough in nearly every case.
        finite = np.isfinite(values)
        values = values.astype(object)
        values[~finite] = None
    return values.tolist()


def face_columns(records: Sequence[Record]) -> dict[str, np.ndarray]:
    """The table of faces of several records, at least one, column by column."""
    counts = [len(record.faces) for record in records]
    columns = Faces.concatenate([record.faces for record in records]).columns()
    columns["face"] = np.concatenate([np.arange(count) for count in counts])
    return {"image": np.repeat(np.array([record.image for record in records], object), counts), **columns}


def image_row(record: Record) -> list[Any]:
    """A row of the table of images."""
    return [len(record.faces) if name == "faces" else getattr(record, name, None) for name in IMAGE_COLUMNS]


def as_frame(
    rows: Iterable[dict[str, Any]] | pd.DataFrame, layout: Layout | None, parts: Iterable[str]
) -> pd.DataFrame:
    """Rows of the table of faces as every reader gives them: text, int64 and float32.

    parts: what the format holds (see Column.part); those columns of the layout are there, whether a row has them or
    not. Without a layout the columns are those of the rows.
    """
    if isinstance(rows, pd.DataFrame):
        frame = rows
    elif layout:
        frame = pd.DataFrame(list(rows), columns=[c.name for c in layout.columns() if c.part in ("face", *parts)])
    else:
        frame = pd.DataFrame(list(rows))
        frame = frame if len(frame) else pd.DataFrame(columns=["image", "face"])
    for name in frame.columns:
        if name == "image" or name in ATTRIBUTES:
            texts = frame[name].astype(object).where(frame[name].notna(), None)
            frame[name] = pd.Series(texts.tolist(), index=frame.index, dtype="str")
        else:
            with np.errstate(over="ignore"):  # A number beyond float32 is infinite.
                frame[name] = frame[name].astype("int64" if name == "face" else "float32")
    return frame
