"""What the tables of a run hold: their columns, and the rows that readers give back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.declared import declared_from_dict
from landmarks.faces import PER_FACE, PER_POINT, WHOLE, Faces
from landmarks.geometry import BOX
from landmarks.schemes import (
    ATTRIBUTES,
    SCHEMES,
    UNCERTAIN,
    Attribute,
    Declared,
    Quantity,
    Scheme,
    known_attributes,
    known_quantities,
)

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record

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
    """What it says something about: `face`, `box`, `numbers`, `points` or `attributes`, quantities among them."""


@dataclass(frozen=True)
class Layout:
    """What every result of a run holds, known before the first face is found."""

    scheme: Scheme
    attributes: tuple[str, ...]
    per_face: tuple[str, ...] = ("score",)
    """Columns of those numbers of a face that the run has."""
    per_point: tuple[str, ...] = ()
    declared: tuple[Declared, ...] = ()
    """Those of the attributes that are not built in, and the quantities."""

    @classmethod
    def of(cls, faces: Faces) -> Layout:
        """The layout of a result, perhaps an empty one."""
        return cls(
            faces.scheme, tuple(faces.attributes), tuple(faces.numbers(PER_FACE)), tuple(faces.numbers(PER_POINT)),
            declared_of(faces),
        )  # fmt: skip

    def attribute(self, name: str) -> Attribute:
        """The attribute of a name, built-in or declared."""
        return known_attributes(self.declared)[name]

    @property
    def quantities(self) -> dict[str, Quantity]:
        """By name, what the results hold beside the attributes."""
        return known_quantities(self.declared)

    def columns(self) -> list[Column]:
        """The table of faces: image, then the columns of `Faces.columns`."""
        pixel, numbers = "pixel", {number.column: number for number in (*PER_FACE, *PER_POINT)}
        meanings = {column: number.meaning for column, number in numbers.items()}
        columns = [
            Column("image", "string", "", IMAGE_COLUMNS["image"][1], "face"),
            Column("face", "int32", "", "number of the face in its image, from 0, the largest box first", "face"),
            *(
                Column(name, "float32", pixel, f"{side} border of the face box", "box")
                for name, side in zip(BOX, ("left", "upper", "right", "lower"))
            ),
            *(Column(name, numbers[name].type, "", meanings[name], "numbers") for name in self.per_face),
        ]
        for point in self.scheme.points:
            columns += [Column(f"{point}_{axis}", "float32", pixel, f"{axis} of {point}", "points") for axis in "xy"]
            columns += [Column(f"{point}_{name}", "float32", "", meanings[name], "numbers") for name in self.per_point]
        for name in self.attributes:
            attribute = self.attribute(name)
            told = ", ".join((*attribute.labels, UNCERTAIN))
            meaning = f"one of: {told}. {attribute.note}".strip()
            columns.append(Column(name, "string", "", meaning, "attributes"))
            columns.append(
                Column(f"{name}_probability", "float32", "0 to 1", f"the network's probability of {name}", "attributes")
            )
        for name, quantity in self.quantities.items():
            meaning = f"the network's estimate of {name}. {quantity.note}".strip()
            columns.append(Column(name, "float32", quantity.unit, meaning, "attributes"))
        return columns

    def as_dict(self) -> dict[str, Any]:
        return {
            "scheme": self.scheme.name,
            "attributes": list(self.attributes),
            "per_face": list(self.per_face),
            "per_point": list(self.per_point),
            **({"declared": [asdict(task) for task in self.declared]} if self.declared else {}),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Layout:
        """The inverse of `as_dict`; raises KeyError for a scheme, attribute or number that is not known, ValueError for
        a declared task that is none."""
        declared = tuple(declared_from_dict(values) for values in document.get("declared", []))
        known = {
            "attributes": {name: name for name in known_attributes(declared)},
            "per_face": {number.column: number.column for number in PER_FACE},
            "per_point": {number.column: number.column for number in PER_POINT},
        }
        lists = {name: tuple(names[column] for column in document[name]) for name, names in known.items()}
        return cls(SCHEMES[document["scheme"]], **lists, declared=declared)


def declared_of(faces: Faces) -> tuple[Declared, ...]:
    """The attributes of a result that are not built in, and its quantities."""
    own = (scores.attribute for name, scores in faces.attributes.items() if name not in ATTRIBUTES)
    return (*own, *(values.quantity for values in faces.quantities.values()))


def is_label(name: str, columns: Collection[str]) -> bool:
    """Whether a column of the table of faces is an attribute's: it is built in, or it has a probability."""
    return name in ATTRIBUTES or f"{name}_probability" in columns


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
    import pandas as pd  # Here and in other readers: runs write without it.

    if isinstance(rows, pd.DataFrame):
        frame = rows
    elif layout:
        frame = pd.DataFrame(list(rows), columns=[c.name for c in layout.columns() if c.part in ("face", *parts)])
    else:
        frame = pd.DataFrame(list(rows))
        frame = frame if len(frame) else pd.DataFrame(columns=["image", "face"])
    columns, numbers = list(frame.columns), []
    for name in columns:
        if name == "image" or is_label(name, columns):
            texts = frame[name].astype(object).where(frame[name].notna(), None)
            frame[name] = pd.Series(texts.tolist(), index=frame.index, dtype="str")
        elif name in WHOLE:
            frame[name] = pd.to_numeric(frame[name]).astype("Int64")
        elif name == "face":
            frame[name] = frame[name].astype("int64")
        else:
            numbers.append(name)
    with np.errstate(over="ignore"):  # A number beyond float32 is infinite.
        # Together: one by one takes most of the time of reading hundreds of columns.
        measured = frame[numbers].astype("float32")
    return pd.concat([frame.drop(columns=numbers), measured], axis=1)[columns]
