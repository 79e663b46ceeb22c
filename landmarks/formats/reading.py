"""Read back what a run wrote, whatever the format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from landmarks.errors import DataError
from landmarks.formats.format import Reader
from landmarks.formats.own.jsonl import read_faces_jsonl
from landmarks.formats.own.parquet import read_parquet
from landmarks.formats.own.tables import read_faces_csv
from landmarks.formats.registry import FORMATS
from landmarks.formats.schema import read_formats, read_layout
from landmarks.formats.tools.coco import read_coco
from landmarks.formats.tools.cvat import read_cvat
from landmarks.formats.tools.labelstudio import read_labelstudio
from landmarks.formats.tools.pts import read_pts_folder
from landmarks.formats.tools.yolo import read_yolo

if TYPE_CHECKING:
    import pandas as pd

_KEY_FILES = {
    "labels.csv": read_yolo,
    "index.csv": read_pts_folder,
    "annotations.xml": read_cvat,
    "tasks.json": read_labelstudio,
}
_SUFFIXES: dict[str, Reader] = {
    ".parquet": read_parquet,
    ".jsonl": read_faces_jsonl,
    ".csv": read_faces_csv,
    ".xml": read_cvat,
    ".pts": read_pts_folder,
}


def formats_in(out: str | Path) -> list[str]:
    """Names of the formats that a run's folder holds, the richest first.

    What an earlier run left there in a format that the last one did not write is not of that run, and not named.
    """
    written = read_formats(Path(out)) or FORMATS
    return [name for name, one in FORMATS.items() if name in written and (Path(out) / one.place).exists()]


def read_results(path: str | Path, format: str | None = None, corrected: bool = False) -> pd.DataFrame:
    """What `annotate` wrote, a row a face.

    path: the run's folder, the folder of one of its formats, or one file; format: which of several formats in the
    run's folder to read, if not the richest. Columns: image, face, x0 y0 x1 y1, score, NAME_x NAME_y a landmark, label
    and its probability an attribute, as far as the format holds them; text, int64 and float32; missing values are NaN.

    corrected: with what people have said of the faces of a run since (`corrections.jsonl`): removed faces are left out,
    added ones follow those of their image, and a column `review` says of each face whether it was `accepted`,
    `corrected`, `added`, `put off` or, if it is empty, not looked at.

    Raises DataError if there is nothing to read or it is not what its name says.
    """
    path = Path(path)
    if corrected:
        from landmarks.formats.corrected import with_corrections  # Here: few need it.

        return with_corrections(path, read_results(path, format))
    place, reader = _place_and_reader(path, format)
    try:
        return reader(place, read_layout(path))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        # Some wrong values show only when all of them become one table; an unknown encoding is a LookupError.
        raise DataError(f"{place}: holds what this package does not write there ({error!r})") from error


def _place_and_reader(path: Path, format: str | None) -> tuple[Path, Reader]:
    """What to read and who does it. Raises DataError."""
    if format is not None:
        if format not in FORMATS:
            raise DataError(f"unknown format {format!r}; known: {', '.join(FORMATS)}")
        place = FORMATS[format].place
        if not (path / place).exists():
            raise DataError(f"{path}: holds no {place}; it holds {', '.join(formats_in(path)) or 'no results'}")
        return path / place, FORMATS[format].read
    if path.is_file():
        return path, _reader_of_file(path)
    for name in formats_in(path):
        return path / FORMATS[name].place, FORMATS[name].read
    for name, reader in _KEY_FILES.items():
        if (path / name).is_file():
            return path, reader
    if reader_of_place := _reader_of_place(path):
        return path, reader_of_place
    if next(path.glob("*.parquet"), None):
        return path, read_parquet
    places = ", ".join(one.place for one in FORMATS.values())
    raise DataError(f"{path}: holds none of {places}; name the folder given to `landmarks annotate --out`")


def _reader_of_place(path: Path) -> Reader | None:
    """The reader of the format that has its file or folder under this name; None if none has."""
    return next((one.read for one in FORMATS.values() if one.place == path.name), None)


def _reader_of_file(path: Path) -> Reader:
    """Who reads a single file. Raises DataError for one that nobody does."""
    if reader := _reader_of_place(path):
        return reader
    if path.suffix == ".json":
        with open(path, encoding="utf-8", errors="replace") as file:
            return read_labelstudio if file.read(64).lstrip().startswith("[") else read_coco
    if path.suffix == ".txt":
        raise DataError(f"{path}: a label file does not know its image; name the folder that holds labels.csv")
    if path.suffix not in _SUFFIXES:
        raise DataError(f"{path}: unknown kind of file; known: {', '.join(_SUFFIXES)} and .json")
    return _SUFFIXES[path.suffix]
