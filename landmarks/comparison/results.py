"""What a comparison leaves in its folder, and how it is read.

`grid.json` has the arms and the questions, as they were last given; `faces.parquet` has a row a test face,
`rows/ARM-SEED.parquet` a row for each training that has finished, with the error of every face kept; `results.parquet`
is all of those rows in one file. `runs/ARM-SEED/log.jsonl` has a row an epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from landmarks.atomic import replacing, write_text
from landmarks.comparison.grid.arms import LATER, Arm, Grid
from landmarks.config import build
from landmarks.errors import LandmarksError, told
from landmarks.schemes import (
    ATTRIBUTES,
    RECONSTRUCTION,
    SCHEMES,
    Attribute,
    Declared,
    Quantity,
    Reconstruction,
    known_attributes,
    known_tasks,
)

GRID, FACES, RESULTS, ROWS, RUNS = "grid.json", "faces.parquet", "results.parquet", "rows", "runs"
SETTINGS = "compare.json"
"""What the results are of: dataset, split, detector."""
VECTORS = ("vectors", "vectors_2", "vectors_level_1", "vectors_level_2")
GUESS = "guess_"
"""What the columns of guesses begin with, an attribute, a quantity or the reconstruction each."""
GUESSES = tuple(f"{GUESS}{name}" for name in ATTRIBUTES)
NUMBERS = ("train_error", "val_error", "parameters", "multiply_adds", "train_seconds", "ms_face", "epochs_run")
CURE = "give `landmarks compare` the same folder again to make it anew"

ROW_SCHEMA = pa.schema(
    [
        ("arm", pa.string()),
        ("group", pa.string()),
        ("seed", pa.int64()),
        ("config", pa.string()),
        *((name, pa.list_(pa.float32())) for name in VECTORS),
        *((name, pa.list_(pa.int8())) for name in GUESSES),
        ("train_error", pa.float64()),
        ("val_error", pa.float64()),
        ("train_loss", pa.string()),
        ("val_loss", pa.string()),
        ("parameters", pa.int64()),
        ("multiply_adds", pa.int64()),
        ("train_seconds", pa.float64()),
        ("epochs_run", pa.int64()),
    ]
)
"""A finished training. `vectors`: (predicted - true) / inter-ocular distance, (N, 5, 2) flattened, of the test faces in
the order of `faces.parquet`, empty without landmarks; `config`, `train_loss`, `val_loss`: JSON objects. Declared tasks
and the reconstruction have columns of guesses of their own, after these."""

RESULTS_SCHEMA = ROW_SCHEMA.append(pa.field("ms_face", pa.float64()))
"""All finished trainings. `ms_face`: milliseconds of one pass of the arm's network, null where not taken."""

FACES_SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        *((name, pa.int8()) for name in ATTRIBUTES),
        ("source", pa.string()),
        ("interocular", pa.float64()),
        ("fallback", pa.bool_()),
    ]
)
"""A test face. `interocular`: pixels; `fallback`: the detector found nothing, the whole crop was taken."""


@dataclass(frozen=True)
class ArmResults:
    """One arm with all its seeds; S seeds, N test faces."""

    name: str
    group: str
    """The question that it belongs to."""
    varies: str
    """What that question's arms vary, one of the grid's VARIES or empty."""
    against: str
    """Arm that it is held against besides the landmarks alone; empty: none."""
    config: dict[str, Any]
    seeds: tuple[int, ...]
    vectors: np.ndarray
    """(S, N, K, 2) float32: error vectors as shares of the inter-ocular distance; (S, 0, K, 2) without landmarks."""
    second: np.ndarray
    """The same after a second pass; (S, 0, K, 2) where there was none."""
    levels: tuple[np.ndarray, ...]
    """The same after each level of a cascade, the last one included; () for other networks."""
    guesses: dict[str, np.ndarray]
    """By attribute: (S, N) int8 predicted classes. By quantity: (S, N) float32 predicted numbers. Of the
    reconstruction: (S, N) float32, whose mean over the faces is the share of the variance that was explained."""
    numbers: pd.DataFrame
    """(S rows): the columns NUMBERS."""

    @property
    def locates(self) -> bool:
        """Whether the landmarks are among its tasks."""
        return self.config["landmarks"] in self.config["tasks"]

    @property
    def auxiliary(self) -> frozenset[str]:
        """Its tasks other than the landmarks."""
        return frozenset(self.config["tasks"]) - {self.config["landmarks"]}

    @property
    def stopping(self) -> str:
        """`none`, `task_wise` or `global`."""
        return self.config["stopping"]["kind"]


@dataclass(frozen=True)
class Results:
    """A comparison as read from its folder."""

    folder: Path
    grid: Grid
    faces: pd.DataFrame
    """(N rows): the columns of FACES_SCHEMA, and one for each declared task."""
    arms: dict[str, ArmResults]
    """By name, in the order of `results.parquet`."""

    @property
    def attributes(self) -> dict[str, Attribute]:
        """By name, all that an arm may have learnt."""
        return known_attributes(self.grid.declared)

    @property
    def tasks(self) -> dict[str, Declared | Reconstruction]:
        """By name, the attributes and quantities that an arm may have learnt, and the reconstruction."""
        return {**known_tasks(self.grid.declared), RECONSTRUCTION.name: RECONSTRUCTION}


def write_grid(folder: Path, grid: Grid) -> None:
    """Write the arms and the questions, whole or not at all."""
    write_text(folder / GRID, json.dumps(asdict(grid), indent=1))


def read_grid_of(folder: Path) -> Grid:
    """What `write_grid` wrote. Raises LandmarksError."""
    path = folder / GRID
    try:
        return build(Grid, json.loads(path.read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError, LandmarksError, RecursionError) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else f"not of a comparison ({told(error)})"
        raise LandmarksError(f"{path}: {what}; {CURE}") from error


def write_faces(folder: Path, faces: pd.DataFrame) -> None:
    """Write the test faces. faces: the columns of FACES_SCHEMA, others are those of declared tasks, floats of
    quantities."""
    schema = _with_labels({name: faces[name].dtype.kind == "f" for name in faces if name not in FACES_SCHEMA.names})
    _write(folder / FACES, pa.Table.from_pandas(faces[schema.names], schema, preserve_index=False))


def row_path(folder: Path, arm: str, seed: int) -> Path:
    """The file of a finished training; it is there when and only when the training has finished.

    Raises ValueError for a name that is no file name.
    """
    if not arm or arm.startswith(".") or set(arm) & set('/\\:*?"<>|\0'):
        raise ValueError(f"an arm's name must do as a file name, not {arm!r}")
    return folder / ROWS / f"{arm}-{seed}.parquet"


def write_row(folder: Path, row: Mapping[str, Any]) -> None:
    """Write a finished training, whole or not at all. row: the columns of ROW_SCHEMA, arrays of any shape, JSON objects
    as dictionaries, and the guesses of declared tasks. Raises ValueError if one lacks or is unknown."""
    guesses = {name: values for name, values in row.items() if name.startswith(GUESS)}
    schema = _with_guesses(ROW_SCHEMA, {name: np.asarray(v).dtype.kind == "f" for name, v in guesses.items()})
    if set(row) != set(schema.names):
        odd = sorted(set(row) ^ set(schema.names))
        raise ValueError(f"a row must have the columns of ROW_SCHEMA; lacking or unknown: {', '.join(odd)}")
    plain = {name: _plain(schema.field(name).type, value) for name, value in row.items()}
    _write(row_path(folder, row["arm"], row["seed"]), pa.Table.from_pylist([plain], schema))


def collect(folder: Path, milliseconds: Mapping[str, float]) -> None:
    """Make `results.parquet` of all finished trainings. milliseconds: of a face, by the arms' names in the order in
    which they are to be shown; other arms follow.

    Raises LandmarksError for a row that cannot be read.
    """
    places = {name: place for place, name in enumerate(milliseconds)}
    paths = sorted((folder / ROWS).glob("*.parquet"))
    schema = _with_guesses(ROW_SCHEMA, {name: number for path in paths for name, number in _guesses(path).items()})
    tables = [_read(path, schema, "delete it and run again") for path in paths]
    tables.sort(key=lambda table: _place(table, places))
    table = pa.concat_tables([schema.empty_table(), *tables])
    times = pa.array([milliseconds.get(arm) for arm in table["arm"].to_pylist()], pa.float64())
    _write(folder / RESULTS, table.append_column(RESULTS_SCHEMA.field("ms_face"), times))


def read_results(folder: Path) -> Results:
    """Read a comparison. Raises LandmarksError if a file is missing or broken, or if they do not fit each other."""
    grid = read_grid_of(folder)
    declared = {task.name: isinstance(task, Quantity) for task in grid.declared}
    faces = _read(folder / FACES, _with_labels(declared), CURE)
    guesses = {f"{GUESS}{name}": number for name, number in {**declared, RECONSTRUCTION.name: True}.items()}
    table = _read(folder / RESULTS, _with_guesses(RESULTS_SCHEMA, guesses), CURE)
    names = list(dict.fromkeys(table["arm"].to_pylist()))
    numbers = table.select(["arm", "seed", *NUMBERS]).to_pandas()
    given = {arm.name: arm for arm in grid.arms}
    arms = {name: _arm(name, table, numbers, len(faces), folder / RESULTS, grid, given.get(name)) for name in names}
    integers = {name: pd.Int8Dtype() for name in known_attributes(grid.declared)}
    return Results(folder, grid, faces.to_pandas(types_mapper={pa.int8(): pd.Int8Dtype()}.get).astype(integers), arms)


def _with_labels(numbers: Mapping[str, bool]) -> pa.Schema:
    """FACES_SCHEMA with the columns of declared tasks. numbers: by name, whether it is a quantity."""
    return pa.schema([*FACES_SCHEMA, *((name, pa.float64() if n else pa.int8()) for name, n in numbers.items())])


def _with_guesses(schema: pa.Schema, numbers: Mapping[str, bool]) -> pa.Schema:
    """A schema with the columns of guesses that it lacks. numbers: by column, whether it is a quantity's."""
    types = {name: pa.list_(pa.float32() if numbers[name] else pa.int8()) for name in sorted(numbers)}
    return pa.schema([*schema, *((name, kind) for name, kind in types.items() if name not in schema.names)])


def _guesses(path: Path) -> dict[str, bool]:
    """The columns of guesses of a table, and whether they are a quantity's; none of one that cannot be read, which
    `_read` tells."""
    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException):
        return {}
    return {field.name: field.type == pa.list_(pa.float32()) for field in schema if field.name.startswith(GUESS)}


def _plain(kind: pa.DataType, value: Any) -> Any:
    if pa.types.is_list(kind):
        return np.asarray(value, kind.value_type.to_pandas_dtype()).ravel()
    return json.dumps(value) if isinstance(value, Mapping) else value


def _place(table: pa.Table, places: dict[str, int]) -> tuple[int, str, int]:
    arm, seed = table["arm"][0].as_py(), table["seed"][0].as_py()
    return places.get(arm, len(places)), arm, seed


def _arm(
    name: str, table: pa.Table, numbers: pd.DataFrame, faces: int, path: Path, grid: Grid, given: Arm | None
) -> ArmResults:
    """given: the arm as the grid has it; None for one that only an earlier grid had."""
    places = np.flatnonzero(numbers["arm"] == name)
    part = table.take(places)
    if len(set(part["config"].to_pylist())) > 1:
        raise LandmarksError(f"{path}: the seeds of the arm {name!r} differ in their settings; begin in a new folder")
    config = {**_usual(), **json.loads(part["config"][0].as_py())}
    points = (len(SCHEMES[config["landmarks"]]), 2)
    vectors = {column: _stack(part, column, points, faces, path) for column in VECTORS}
    learnt = (*known_tasks(grid.declared), RECONSTRUCTION.name)
    guesses = {task: _stack(part, f"{GUESS}{task}", (), faces, path) for task in learnt}
    levels = (vectors["vectors_level_1"], vectors["vectors_level_2"], vectors["vectors"])
    group = given.group if given else part["group"][0].as_py()
    question = grid.groups.get(group)
    return ArmResults(
        name=name,
        group=group,
        varies=question.varies if question else "",
        against=(given.against if given else "") or (question.against if question else ""),
        config=config,
        seeds=tuple(part["seed"].to_pylist()),
        vectors=vectors["vectors"],
        second=vectors["vectors_2"],
        levels=levels if levels[0].size else (),
        guesses={task: values for task, values in guesses.items() if values.size},
        numbers=numbers.loc[places, list(NUMBERS)].reset_index(drop=True),
    )


def _usual() -> dict[str, Any]:
    """The settings that an arm is written without where they are the usual ones."""
    arm = Arm("any")
    return {name: getattr(arm, name) for name in LATER}


def _stack(part: pa.Table, column: str, shape: tuple[int, ...], faces: int, path: Path) -> np.ndarray:
    """A list column as one array. -> (S, N, *shape), or (S, 0, *shape) where it is empty."""
    rows = [value.values.to_numpy(zero_copy_only=False) for value in part[column]]
    expected = faces * int(np.prod(shape))
    if {len(row) for row in rows} not in ({expected}, {0}):
        arm = part["arm"][0].as_py()
        raise LandmarksError(
            f"{path}: {column} of the arm {arm!r} does not fit the {faces} faces of {FACES}; begin in a new folder"
        )
    return np.stack(rows).reshape(len(rows), -1, *shape)


def _read(path: Path, schema: pa.Schema, cure: str) -> pa.Table:
    try:
        table = pq.read_table(path)
        for field in schema:  # an arm that does not know a declared task has no guesses of it
            if field.name.startswith(GUESS) and field.name not in table.column_names:
                table = table.append_column(field, pa.array([[]] * len(table), field.type))
        return table.select(schema.names).cast(schema)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else f"not of a comparison ({told(error)})"
        raise LandmarksError(f"{path}: {what}; {cure}") from error


def _write(path: Path, table: pa.Table) -> None:
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")
