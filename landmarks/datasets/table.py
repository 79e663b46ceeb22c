"""The one table every reader fills: a row a face, labels that a dataset does not have left empty.

Columns: `image` (path under the dataset's root), `split` (train, val, test), `source`, `x0 y0 x1 y1` (face box,
NaN where there is none), one column of (K, 2) float arrays a scheme, NaN for points that are not labelled, one column
of nullable small integers an attribute, built-in or declared, one column of floats a declared quantity, NaN where
absent, one column of texts for each of GROUPS, empty where absent. Where a network labelled points, one column a scheme
more says how far off each may be. Kept as Parquet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmarks import geometry
from landmarks.atomic import replacing
from landmarks.errors import DataError, told
from landmarks.schemes import (
    ABSENT,
    ATTRIBUTES,
    LARGEST,
    POSE,
    SCHEMES,
    Attribute,
    Declared,
    Quantity,
    Scheme,
    known_attributes,
    known_quantities,
)

SPLITS = ("train", "val", "test")
BOX = list(geometry.BOX)
GROUPS = ("race", "age")
"""Groups of people, as annotators perceived them: training is balanced and figures are given by them; no network is
taught to tell them."""
BALANCED = ("source", *ATTRIBUTES, *GROUPS)
"""Columns of groups in which faces can be drawn alike."""

LABEL_ERRORS = {name: f"{name}_label_error" for name in SCHEMES}
"""By scheme the column of (K,) floats, pixels: how far off each point of a row may be whose points a network labelled
(`landmarks.teaching.label`). None where people did."""


def make_table(rows: list[dict[str, Any]], declared: Iterable[Declared] = ()) -> pd.DataFrame:
    """A complete table from rows that may lack any column but `image` and `split`. declared: tasks beside the built-in
    ones, here and in what follows."""
    declared = tuple(declared)
    attributes, quantities = known_attributes(declared), known_quantities(declared)
    taught = [
        column for column in LABEL_ERRORS.values() if any(isinstance(row.get(column), np.ndarray) for row in rows)
    ]
    names = ["image", "split", "source", *BOX, *SCHEMES, *taught, *attributes, *quantities, *GROUPS]
    table = pd.DataFrame(rows, columns=names)
    for name in ("source", *GROUPS):
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    table[BOX] = table[BOX].astype(float)
    for name in quantities:
        table[name] = table[name].astype(float)
    for name in (*SCHEMES, *taught):
        table[name] = pd.Series([p if isinstance(p, np.ndarray) else None for p in table[name]], dtype=object)
    for name in attributes:
        table[name] = table[name].astype("Int8")
    return table


def points_of(table: pd.DataFrame, scheme: Scheme) -> np.ndarray:
    """(N, K, 2) float64 pixels; NaN where a face has no such points."""
    absent = np.full((len(scheme), 2), np.nan)
    column = table[scheme.name]
    return np.stack([absent if p is None else p for p in column]) if len(column) else absent[None][:0]


def label_errors_of(table: pd.DataFrame, scheme: Scheme) -> np.ndarray | None:
    """(N, K) float64 pixels: how far off the points of a scheme may be, 0 where people made them; None where they made
    all."""
    column = LABEL_ERRORS[scheme.name]
    if column not in table or not len(table):
        return None
    own = np.zeros(len(scheme))
    return np.stack([errors if isinstance(errors, np.ndarray) else own for errors in table[column]])


def labels_of(table: pd.DataFrame, attribute: Attribute) -> np.ndarray:
    """(N,) int64; ABSENT where a face has no label, as all have that are of data without such a column."""
    if attribute.name not in table:
        return np.full(len(table), ABSENT)
    return table[attribute.name].fillna(ABSENT).to_numpy(np.int64)


def values_of(table: pd.DataFrame, quantity: Quantity) -> np.ndarray:
    """(N,) float64 in the quantity's unit; NaN where a face has no label, as all have that are of data without such a
    column."""
    if quantity.name not in table:
        return np.full(len(table), np.nan)
    return table[quantity.name].to_numpy(float, na_value=np.nan)


def task_labels(table: pd.DataFrame, task: Declared) -> np.ndarray:
    """(N,): `labels_of` an attribute, `values_of` a quantity."""
    return labels_of(table, task) if isinstance(task, Attribute) else values_of(table, task)


def is_known(labels: np.ndarray) -> np.ndarray:
    """Which faces have a label. labels: (N,) classes of an attribute, or a quantity's numbers -> (N,) bool."""
    return np.isfinite(labels) if labels.dtype.kind == "f" else labels != ABSENT


def groups_of(table: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """(N,) int64: a number for each group that the columns (of BALANCED) make together; ABSENT where one is empty."""
    chosen = table[list(columns)].astype(object)
    absent = (chosen.isna() | (chosen == "")).any(axis=1).to_numpy()
    groups = chosen.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy()
    return np.where(absent, ABSENT, groups)


def check_table(table: pd.DataFrame, declared: Iterable[Declared] = ()) -> None:
    """Raise DataError, naming the row, for the first thing that breaks the table's rules."""
    bad = ~table["split"].isin(SPLITS)
    if bad.any():
        raise DataError(
            f"row {bad.idxmax()}: split must be one of {', '.join(SPLITS)}, not {table['split'][bad].iloc[0]!r}"
        )
    declared = tuple(declared)
    for quantity in known_quantities(declared).values():
        values = values_of(table, quantity)
        bad = np.abs(values) > LARGEST  # NaN is not
        if bad.any():
            raise DataError(
                f"row {bad.argmax()} ({table.image.iloc[bad.argmax()]}): {quantity.name} must be a number from "
                f"-{LARGEST:g} to {LARGEST:g}, not {values[bad][0]:g}"
            )
    for attribute in known_attributes(declared).values():
        labels = labels_of(table, attribute)
        bad = (labels < ABSENT) | (labels >= len(attribute))
        if bad.any():
            raise DataError(
                f"row {bad.argmax()} ({table.image.iloc[bad.argmax()]}): {attribute.name} must be 0 to "
                f"{len(attribute) - 1} ({', '.join(attribute.labels)}), not {labels[bad][0]}"
            )
    for scheme in SCHEMES.values():
        rows = np.flatnonzero(table[scheme.name].notna())
        points = points_of(table.iloc[rows], scheme)
        half = (np.isnan(points).any(axis=2) & ~np.isnan(points).all(axis=2)).any(axis=1) | np.isinf(points).any((1, 2))
        if half.any():
            row = rows[half.argmax()]
            raise DataError(f"row {row} ({table.image.iloc[row]}): a {scheme.name} value is missing or infinite")
        low, high = np.fmin.reduce(points, axis=1), np.fmax.reduce(points, axis=1)
        flat = ((high - low).max(axis=1) <= 0) & (np.isfinite(points[:, :, 0]).sum(axis=1) > 1)
        if flat.any():
            row = rows[flat.argmax()]
            raise DataError(f"row {row} ({table.image.iloc[row]}): all {scheme.name} coincide")
    boxes = table[BOX].to_numpy(float)
    part = np.isnan(boxes).any(axis=1) & ~np.isnan(boxes).all(axis=1)
    if part.any():
        raise DataError(f"row {part.argmax()} ({table.image.iloc[part.argmax()]}): the box is not complete")
    bad = (boxes[:, 2] <= boxes[:, 0]) | (boxes[:, 3] <= boxes[:, 1])
    if bad.any():
        raise DataError(f"row {bad.argmax()} ({table.image.iloc[bad.argmax()]}): the box needs x0 < x1 and y0 < y1")


def split_validation(table: pd.DataFrame, share: float, seed: int = 0) -> pd.DataFrame:
    """The same table with `share` of its training rows moved to `val`, stratified by source and pose.

    The choice depends on the rows and the seed alone. Rows of one image stay together.
    """
    table = table.copy()
    train = table[table["split"] == "train"]
    first = train.drop_duplicates("image")
    generator = np.random.default_rng(seed)
    chosen: list[str] = []
    for _, group in first.groupby(["source", labels_of(first, POSE)], sort=True):
        count = round(share * len(group))
        chosen += list(generator.permutation(np.sort(group["image"].to_numpy(dtype=str)))[:count])
    table.loc[(table["split"] == "train") & table["image"].isin(chosen), "split"] = "val"
    return table


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, points flattened to lists; written whole or not at all."""
    flat = table.copy()
    for name in (*SCHEMES, *(column for column in LABEL_ERRORS.values() if column in table)):
        flat[name] = [np.asarray(p, float).ravel() if isinstance(p, np.ndarray) else None for p in table[name]]
    with replacing(path) as partial:
        flat.to_parquet(partial, index=False)


def load_table(path: Path, declared: Iterable[Declared] = ()) -> pd.DataFrame:
    """Read what `save_table` wrote. Raises DataError if the file is missing or is something else."""
    try:
        flat = pd.read_parquet(path)
        rows = flat.to_dict("records")
        for row in rows:
            for name in SCHEMES:
                # A table written before a scheme was added has no column for it.
                row[name] = None if row.get(name) is None else np.array(row[name], float).reshape(-1, 2)
            for column in LABEL_ERRORS.values():
                row[column] = None if row.get(column) is None else np.array(row[column], float)
        table = make_table(rows, declared)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a table of annotated faces ({told(error)}); make it with `landmarks data prepare`"
        ) from error
    check_table(table, declared)
    return table


def counts(table: pd.DataFrame, declared: Iterable[Declared] = ()) -> pd.DataFrame:
    """How many faces, boxes, points and labels each split has: a row a fact, a column a split."""
    splits = [split for split in SPLITS if (table["split"] == split).any()]
    parts = {split: table[table["split"] == split] for split in splits}
    declared = tuple(declared)
    rows: dict[str, list[Any]] = {"faces": [len(part) for part in parts.values()]}
    for source in sorted(table["source"].unique()):
        rows[f"source {source or '(none)'}"] = [int((part["source"] == source).sum()) for part in parts.values()]
    for name in GROUPS:
        for value in sorted(set(table[name]) - {""}):
            rows[f"{name}: {value}"] = [int((part[name] == value).sum()) for part in parts.values()]
    rows["boxes"] = [int(part["x0"].notna().sum()) for part in parts.values()]
    for name in SCHEMES:
        rows[name] = [int(part[name].map(lambda p: p is not None).sum()) for part in parts.values()]
        partly = [
            int(np.isnan(points_of(part[part[name].notna()], SCHEMES[name])).any((1, 2)).sum())
            for part in parts.values()
        ]
        if any(partly):
            rows[f"{name}, not all points"] = partly
    for attribute in known_attributes(declared).values():
        for code, label in enumerate(attribute.labels):
            rows[f"{attribute.name}: {label}"] = [
                int((labels_of(part, attribute) == code).sum()) for part in parts.values()
            ]
    for quantity in known_quantities(declared).values():
        values = [known[is_known(known)] for known in (values_of(part, quantity) for part in parts.values())]
        rows[quantity.name] = [len(known) for known in values]
        unit = f", {quantity.unit}" if quantity.unit else ""
        rows[f"{quantity.name}: mean ± deviation{unit}"] = [
            f"{known.mean():.4g} ± {known.std():.2g}" if len(known) else "" for known in values
        ]
    return pd.DataFrame.from_dict(rows, orient="index", columns=splits)
