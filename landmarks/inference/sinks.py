"""Files that a run leaves behind, and reading them back.

`images.csv` has a row for every image, `failures.csv` one for every image that failed, `faces.csv` and `faces.jsonl`
the faces. Pixels are those of the upright image, pixel centres at integers.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import pandas as pd

from landmarks.errors import DataError
from landmarks.faces import Faces
from landmarks.inference.annotator import FAILED, Record
from landmarks.schemes import ATTRIBUTES


class Sink(Protocol):
    """Takes records one by one."""

    def write(self, record: Record) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """A text file that appears under its name only when it is whole; until then it ends in `.partial`."""

    def __init__(self, path: Path) -> None:
        self.path, self.partial = path, path.with_name(path.name + ".partial")
        self.file = open(self.partial, "w", encoding="utf-8", newline="")  # noqa: SIM115

    def close(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        os.replace(self.partial, self.path)


class FacesCsv:
    """`faces.csv`: image, then the columns of `Faces.to_frame`; a row a face."""

    def __init__(self, out: Path, nothing: Faces) -> None:
        self.lines = _Lines(out / "faces.csv")
        self.writer = csv.writer(self.lines.file)
        self.writer.writerow(["image", *nothing.to_frame().columns])

    def write(self, record: Record) -> None:
        for row in record.faces.to_frame().itertuples(index=False):
            self.writer.writerow([record.image, *(_cell(value) for value in row)])

    def close(self) -> None:
        self.lines.close()


class FacesJsonl:
    """`faces.jsonl`: one JSON object an image, with its status and a list of its faces."""

    def __init__(self, out: Path, nothing: Faces) -> None:
        self.lines = _Lines(out / "faces.jsonl")

    def write(self, record: Record) -> None:
        self.lines.file.write(json.dumps(record_to_dict(record), ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        self.lines.close()


class ImagesCsv:
    """`images.csv`, a row for every image, and `failures.csv`, the failed ones among them."""

    COLUMNS = ("image", "status", "faces", "width", "height", "orientation", "reason")

    def __init__(self, out: Path) -> None:
        self.files = [_Lines(out / "images.csv"), _Lines(out / "failures.csv")]
        self.writers = [csv.writer(lines.file) for lines in self.files]
        for writer in self.writers:
            writer.writerow(self.COLUMNS)

    def write(self, record: Record) -> None:
        row = [
            record.image, record.status, len(record.faces),
            record.width, record.height, record.orientation, record.reason,
        ]  # fmt: skip
        self.writers[0].writerow(row)
        if record.status in FAILED:
            self.writers[1].writerow(row)

    def close(self) -> None:
        for lines in self.files:
            lines.close()


FORMATS: dict[str, Callable[[Path, Faces], Sink]] = {"csv": FacesCsv, "jsonl": FacesJsonl}
"""Each takes the folder and a result without faces, which has all fields of those to come."""


def record_to_dict(record: Record) -> dict:
    """A record as JSON takes it; numbers that do not exist are null."""
    faces = record.faces
    return {
        "image": record.image,
        "status": record.status,
        "reason": record.reason,
        "width": record.width,
        "height": record.height,
        "orientation": record.orientation,
        "faces": [
            {
                "box": [_number(v) for v in faces.boxes[i]],
                "score": _number(faces.scores[i]),
                **({} if faces.quality is None else {"quality": _number(faces.quality[i])}),
                "points": {
                    name: [_number(v) for v in point] for name, point in zip(faces.scheme.points, faces.points[i])
                },
                **({} if faces.point_errors is None else {"point_errors": [_number(v) for v in faces.point_errors[i]]}),
                "attributes": {
                    name: {
                        "label": str(scores.labels[i]),
                        "probabilities": {
                            label: _number(p) for label, p in zip(scores.attribute.labels, scores.probabilities[i])
                        },
                    }
                    for name, scores in faces.attributes.items()
                },
            }
            for i in range(len(faces))
        ],
    }


def read_results(out: str | Path) -> pd.DataFrame:
    """What `annotate` wrote to a folder, a row a face. Raises DataError if there is nothing to read.

    Columns: image, face, then those of `Faces.to_frame`.
    """
    out = Path(out)
    if (out / "faces.csv").is_file():
        try:
            return pd.read_csv(out / "faces.csv", keep_default_na=False, na_values=[""], dtype={"image": str})
        except ValueError as error:
            raise DataError(f"{out / 'faces.csv'}: not a table of faces ({error})") from error
    if (out / "faces.jsonl").is_file():
        with open(out / "faces.jsonl", encoding="utf-8") as file:
            return _frame_of_lines(file, out / "faces.jsonl")
    raise DataError(
        f"{out}: holds no faces.csv and no faces.jsonl; name the folder given to `landmarks annotate --out`"
    )


def _frame_of_lines(lines: Iterable[str], path: Path) -> pd.DataFrame:
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            for index, face in enumerate(record["faces"]):
                row = {"image": record["image"], "face": index}
                row |= dict(zip(("x0", "y0", "x1", "y1"), face["box"])) | {"score": face["score"]}
                row |= {"quality": face["quality"]} if "quality" in face else {}
                errors = face.get("point_errors", [])
                for (name, (x, y)), error in itertools.zip_longest(face["points"].items(), errors):
                    row |= {f"{name}_x": x, f"{name}_y": y} | ({f"{name}_error": error} if errors else {})
                for name in (name for name in ATTRIBUTES if name in face["attributes"]):
                    label = face["attributes"][name]["label"]
                    row |= {name: label, f"{name}_probability": face["attributes"][name]["probabilities"][label]}
                rows.append(row)
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: line {number} is not a record of this package ({error})") from error
    return pd.DataFrame(rows)


def _number(value: float) -> float | None:
    """Four decimals are far below what any pixel or probability means; NaN is null."""
    return None if value != value else round(float(value), 4)


def _cell(value) -> str | int | float | None:
    return (
        _number(value) if isinstance(value, float) or (hasattr(value, "dtype") and value.dtype.kind == "f") else value
    )
