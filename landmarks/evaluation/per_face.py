"""What an evaluation keeps of each face: its labels, what was predicted, and how far off that is. One Parquet file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmarks import metrics
from landmarks.atomic import replacing
from landmarks.datasets.table import points_of
from landmarks.errors import DataError, told
from landmarks.evaluation.measures import Predictions
from landmarks.schemes import SCHEMES

VERSION = 1


@dataclass(frozen=True)
class PerFace:
    """The faces of an evaluation, as read from its file."""

    table: pd.DataFrame
    """`row` of the dataset's table, `image`, `quality`; by scheme NAME and NAME_predicted, (K, 2) pixels a face, and
    NAME_error, the mean error over the inter-ocular distance."""
    data: str
    """The dataset, by its path at that time."""

    @property
    def schemes(self) -> list[str]:
        return [name for name in SCHEMES if f"{name}_error" in self.table]


def per_face_path(report: Path) -> Path:
    """Where the faces of an evaluation's report lie: beside it."""
    return report.with_suffix(".faces.parquet")


def write_per_face(path: Path, predictions: Predictions, rows: np.ndarray, data: str | Path) -> None:
    """Write the faces of an evaluation, whole or not at all. rows: (N,) of the dataset's table; data: the dataset.

    Raises OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        "row": pa.array(rows, pa.int64()),
        "image": pa.array(predictions.table["image"].tolist(), pa.string()),
    }
    if predictions.quality is not None:
        columns["quality"] = pa.array(predictions.quality, pa.float32(), from_pandas=True)
    for name, predicted in predictions.points.items():
        true = points_of(predictions.table, SCHEMES[name])
        normaliser = metrics.interocular(true, SCHEMES[name])
        known = np.isfinite(normaliser)
        if not known.any():
            continue
        errors = np.full(len(rows), np.nan)
        errors[known] = metrics.nme(metrics.point_errors(predicted[known], true[known], normaliser[known]))
        columns[f"{name}_error"] = pa.array(errors, pa.float32(), from_pandas=True)
        for column, points in ((name, true), (f"{name}_predicted", predicted)):
            flat = points.reshape(len(rows), -1).astype(np.float32)
            columns[column] = pa.array(list(flat), pa.list_(pa.float32()))
    facts = {"version": VERSION, "data": os.path.abspath(data)}
    table = pa.table(columns).replace_schema_metadata({"landmarks": json.dumps(facts)})
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_per_face(path: Path) -> PerFace:
    """What `write_per_face` wrote. Raises DataError for anything else."""
    import pyarrow
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        facts = json.loads(table.schema.metadata[b"landmarks"])
        if facts["version"] != VERSION:
            raise ValueError(f"has version {facts['version']}, not {VERSION}")
        frame = table.select(["row", "image"]).to_pandas()
        if "quality" in table.column_names:
            frame["quality"] = table["quality"].to_numpy().astype(np.float32)
        for name, scheme in SCHEMES.items():
            if f"{name}_error" in table.column_names:
                frame[f"{name}_error"] = table[f"{name}_error"].to_numpy().astype(np.float32)
                for column in (name, f"{name}_predicted"):
                    frame[column] = [np.reshape(row.as_py(), (len(scheme), 2)) for row in table[column]]
        return PerFace(frame, str(facts["data"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: does not hold the faces of an evaluation ({told(error)}); make it anew") from error
