"""Parquet (format 2.6, zstd): `faces.parquet`, a row a face, and `images.parquet`, a row for every image.

Each is a folder of shards of bounded size, which pandas, pyarrow, DuckDB, Spark and polars read as one table. The
folder takes its name when the run has ended.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.atomic import PartialFolder
from landmarks.errors import DataError
from landmarks.formats.format import Format
from landmarks.formats.layout import IMAGE_COLUMNS, Layout, as_frame, face_columns, image_row
from landmarks.formats.own.tables import without_pixels

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record

SHARD_ROWS = 200_000
"""A shard ends with the row group that reaches this many rows: some 10 MB of 5 landmarks, 100 MB of 68."""
GROUP_ROWS = 8_192
"""Rows that wait in memory for each other."""


class Parquet:
    """Both tables. Numbers are float32, exactly those of `Faces`; NaN is null."""

    def __init__(self, out: Path, layout: Layout) -> None:
        types = {column.name: column.type for column in layout.columns()}
        self.faces = _Shards(out / "faces.parquet", types, layout)
        self.images = _Shards(out / "images.parquet", {name: type for name, (type, _) in IMAGE_COLUMNS.items()}, layout)
        self.waiting: list[Record] = []
        self.rows: list[list[Any]] = []
        self.count = 0

    def write(self, record: Record) -> None:
        self.rows.append(image_row(record))
        if len(record.faces):
            self.waiting.append(without_pixels(record))
            self.count += len(record.faces)
        if self.count >= GROUP_ROWS or len(self.rows) >= GROUP_ROWS:
            self._write_waiting()

    def _write_waiting(self) -> None:
        if self.waiting:
            self.faces.write(face_columns(self.waiting))
        if self.rows:
            self.images.write(dict(zip(IMAGE_COLUMNS, map(list, zip(*self.rows)))))
        self.waiting.clear()
        self.rows.clear()
        self.count = 0

    def close(self) -> None:
        self._write_waiting()
        self.faces.close()
        self.images.close()


class _Shards:
    """One table in shards; at least one, so that a table without rows has its columns."""

    def __init__(self, path: Path, types: dict[str, str], layout: Layout) -> None:
        import pyarrow

        metadata = {"landmarks": json.dumps(layout.as_dict())}
        self.schema = pyarrow.schema([(name, getattr(pyarrow, type)()) for name, type in types.items()], metadata)
        self.folder, self.number, self.rows = PartialFolder(path), 0, 0
        self._open()

    def _open(self) -> None:
        from pyarrow.parquet import ParquetWriter

        self.stream = open(self.folder.file(f"part-{self.number:05}.parquet"), "wb")  # noqa: SIM115
        self.writer, self.rows = ParquetWriter(self.stream, self.schema, compression="zstd"), 0

    def write(self, columns: dict[str, np.ndarray] | dict[str, list[Any]]) -> None:
        import pyarrow

        if self.rows >= SHARD_ROWS:
            self._finish()
            self.number += 1
            self._open()
        arrays = [pyarrow.array(columns[f.name], f.type, from_pandas=True) for f in self.schema]
        table = pyarrow.Table.from_arrays(arrays, schema=self.schema)
        self.writer.write_table(table, row_group_size=max(len(table), 1))
        self.rows += len(table)

    def _finish(self) -> None:
        self.writer.close()
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()

    def close(self) -> None:
        self._finish()
        self.folder.close()


def read_parquet(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`faces.parquet`, or one shard of it, as a DataFrame. Raises DataError if it is not such a table."""
    import pyarrow
    import pyarrow.parquet

    try:
        frame = pyarrow.parquet.read_table(path).to_pandas()
        if "image" not in frame or "face" not in frame:
            raise ValueError("there is no column image or face")
        return as_frame(frame, layout, ())
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        raise DataError(f"{path}: not a table of faces ({error})") from error


FORMAT = Format(
    "faces.parquet",
    Parquet,
    read_parquet,
    "faces.parquet/ and images.parquet/: Parquet 2.6, zstd; float32 as computed",
    ("images.parquet",),
)
