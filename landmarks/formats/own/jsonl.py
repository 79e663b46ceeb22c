"""JSON lines: `faces.jsonl`, one object an image with its status and its faces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmarks.atomic import PartialFile
from landmarks.errors import DataError
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame
from landmarks.formats.plain import PlainFace, plain_faces
from landmarks.formats.records import record_facts
from landmarks.schemes import UNCERTAIN

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record


class FacesJsonl:
    """`faces.jsonl`: numbers with 4 decimals, null where there is none; all classes' probabilities."""

    def __init__(self, out: Path, layout: Layout) -> None:
        self.lines = PartialFile(out / "faces.jsonl")

    def write(self, record: Record) -> None:
        document = {**record_facts(record), "faces": _faces(record)}
        self.lines.write(json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self.lines.close()


def _faces(record: Record) -> list[dict[str, Any]]:
    classes = {name: scores.attribute.labels for name, scores in record.faces.attributes.items()}
    return [
        {
            "box": face.box,
            **face.numbers,
            "points": face.points,
            **{f"points_{column}": values for column, values in face.point_numbers.items()},
            "attributes": {
                name: {"label": label, "probabilities": dict(zip(classes[name], face.classes[name]))}
                for name, (label, _) in face.labels.items()
            },
            **({"quantities": face.quantities} if face.quantities else {}),
        }
        for face in plain_faces(record.faces)
    ]


def read_faces_jsonl(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`faces.jsonl` as a DataFrame, a row a face. Raises DataError, which names the line that is wrong."""
    rows: list[dict[str, Any]] = []
    number = 1
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                rows += [_read(face).row(record["image"], i) for i, face in enumerate(record["faces"])]
                number += 1
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: line {number} is not a record of this package ({error!r})") from error
    return as_frame(rows, layout, ("box", "numbers", "points", "attributes"))


def _read(face: dict[str, Any]) -> PlainFace:
    return PlainFace(
        {name: [x, y] for name, (x, y) in face["points"].items()},
        face["box"],
        {number.column: face[number.column] for number in PER_FACE if number.column in face},
        {n.column: face[f"points_{n.column}"] for n in PER_POINT if f"points_{n.column}" in face},
        {name: (task["label"], _probability(**task)) for name, task in face["attributes"].items()},
        quantities=face.get("quantities", {}),
    )


def _probability(label: str | None, probabilities: dict[str, float]) -> float | None:
    """Of the label; of an uncertain one, of the most probable class."""
    return max(probabilities.values()) if label == UNCERTAIN else probabilities.get(str(label))


FORMAT = Format(
    "faces.jsonl",
    FacesJsonl,
    read_faces_jsonl,
    "faces.jsonl: JSON lines, an object an image; 4 decimals",
)
