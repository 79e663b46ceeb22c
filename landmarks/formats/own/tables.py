"""CSV (RFC 4180, UTF-8): `faces.csv`, a row a face; `images.csv`, a row an image; `failures.csv`, the failed ones.

Text is guarded against spreadsheets that would run it as a formula: where a name begins with one of = + - @ or the
like, an apostrophe goes before it, and `read_faces_csv` takes it off again.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.atomic import PartialFile
from landmarks.errors import DataError
from landmarks.formats.format import Format
from landmarks.formats.layout import IMAGE_COLUMNS, Layout, as_frame, face_columns, image_row, is_label
from landmarks.formats.plain import DECIMALS, plain
from landmarks.formats.text import csv_text, from_csv_text
from landmarks.record import FAILED, Record

if TYPE_CHECKING:
    import pandas as pd

BATCH = 512
"""Records that wait for each other, since a table is written far faster by column."""


class FacesCsv:
    """`faces.csv`: image, then the columns of `Faces.columns`, numbers with 4 decimals, empty where there is none."""

    def __init__(self, out: Path, layout: Layout) -> None:
        self.lines = PartialFile(out / "faces.csv")
        self.writer = csv.writer(self.lines)
        self.writer.writerow(column.name for column in layout.columns())
        self.waiting: list[Record] = []

    def write(self, record: Record) -> None:
        if len(record.faces):
            self.waiting.append(without_pixels(record))
        if len(self.waiting) >= BATCH:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self.waiting:
            columns = face_columns(self.waiting).values()
            self.writer.writerows(zip(*(_cells(column) for column in columns)))
            self.waiting.clear()

    def close(self) -> None:
        self._write_waiting()
        self.lines.close()


class ImagesCsv:
    """`images.csv`, a row for every image, and `failures.csv`, the failed ones among them."""

    def __init__(self, out: Path) -> None:
        self.files = [PartialFile(out / "images.csv"), PartialFile(out / "failures.csv")]
        self.writers = [csv.writer(lines) for lines in self.files]
        for writer in self.writers:
            writer.writerow(IMAGE_COLUMNS)

    def write(self, record: Record) -> None:
        row = [csv_text(value) if isinstance(value, str) else value for value in image_row(record)]
        self.writers[0].writerow(row)
        if record.status in FAILED:
            self.writers[1].writerow(row)

    def close(self) -> None:
        for lines in self.files:
            lines.close()


def read_faces_csv(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`faces.csv` as a DataFrame, a row a face. Raises DataError if it is not such a file."""
    import pandas as pd

    try:
        columns = pd.read_csv(path, nrows=0).columns
        texts = ["image", *(name for name in columns if is_label(name, columns))]
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, str))
        for name in frame.columns.intersection(texts):
            frame[name] = frame[name].map(from_csv_text, na_action="ignore")
        if "image" not in frame or "face" not in frame:
            raise ValueError("there is no column image or face")
        return as_frame(frame, layout, ())
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: not a table of faces ({error})") from error


def read_images_csv(path: Path) -> pd.DataFrame:
    """`images.csv` as a DataFrame, a row an image. Raises DataError if it is not such a file."""
    import pandas as pd

    texts = [name for name, (type, _) in IMAGE_COLUMNS.items() if type == "string"]
    counts = ["faces", "width", "height", "orientation"]
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(texts, str))
        frame[texts] = frame[texts].fillna("")
        for name in texts:
            frame[name] = frame[name].map(from_csv_text)
        frame[counts] = frame[counts].fillna(0).astype("int64")
        return frame[list(IMAGE_COLUMNS)]
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{path}: not a table of images ({error})") from error


def without_pixels(record: Record) -> Record:
    """The record without its image, which must not be kept alive while records wait."""
    return record if record.pixels is None else replace(record, pixels=None)


def _cells(column: np.ndarray) -> list[Any]:
    """A column as the csv module takes it."""
    if column.dtype.kind == "f":
        return plain(column, DECIMALS)
    return [csv_text(v) if isinstance(v, str) else v for v in column.tolist()]


FORMAT = Format(
    "faces.csv",
    FacesCsv,
    read_faces_csv,
    "faces.csv: RFC 4180, UTF-8; 4 decimals; an apostrophe before text that begins with = + - @ or the like",
)
