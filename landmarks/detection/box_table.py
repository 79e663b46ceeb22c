"""A table of face boxes as spreadsheets and other tools write it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from landmarks.errors import DataError

WANTED = "image,x0,y0,x1,y1"
MOST = 10_000_000
"""No picture has more pixels a side."""

_IMAGE = ("image", "file", "filename", "file_name", "path", "filepath", "file_path", "image_path", "image_name")
_SCORE = ("score", "confidence", "conf", "probability")
_CORNERS = (
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
_SIZED = tuple((*corner, *size) for corner in (("x", "y"), ("left", "top"), ("xmin", "ymin"), ("x_min", "y_min"),
               ("x0", "y0"), ("x1", "y1")) for size in (("w", "h"), ("width", "height")))  # fmt: skip
"""Names of the coordinates, in lower case: two corners, or the upper left one and the size. The first that fit hold."""

Box = tuple[float, float, float, float, float]
"""x0, y0, x1, y1 in pixels, and the score or NaN."""


@dataclass(frozen=True)
class _Columns:
    """Where in a row what stands."""

    count: int
    image: int
    box: tuple[int, ...]
    is_sized: bool
    """Whether width and height stand in the place of the second corner."""
    score: int | None


def read_box_table(path: Path) -> dict[str, list[Box]]:
    """The boxes of each image that the file names, perhaps none. Raises DataError naming the line and the cure.

    Commas, semicolons (then numbers may have decimal commas) or tabs; UTF-8 or UTF-16; a header with common names.
    """
    try:
        text = _decode(path.read_bytes(), path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read as a CSV file of boxes ({error.strerror})") from error
    first_line = text.partition("\n")[0]
    separator = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    boxes: dict[str, list[Box]] = {}
    try:
        columns = _columns(next(reader, []), path)
        for row in reader:
            if any(cell.strip() for cell in row):
                where = f"{path} line {reader.line_num}"
                if any(cell.strip() for cell in row[columns.count :]):
                    cure = (
                        "numbers with decimal commas need semicolons between them" if separator == "," else "look at it"
                    )
                    raise DataError(f"{where}: has {len(row)} cells, the header {columns.count}; {cure}")
                image, box = _parse_row(row, columns, separator, where)
                boxes.setdefault(image, []).extend([box] if box else [])
    except csv.Error as error:
        raise DataError(f"{path}: cannot be read as a CSV file of boxes ({error})") from error
    every = [value for rows in boxes.values() for box in rows for value in box[:4]]
    if every and min(every) >= 0 and max(every) <= 1 and any(value % 1 for value in every):
        raise DataError(
            f"{path}: all coordinates lie between 0 and 1; multiply them by the image's size: pixels are wanted"
        )
    return boxes


def _decode(data: bytes, path: Path) -> str:
    """The text of a file. Raises DataError."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in data[:100]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        cure = "save it as UTF-8 (in Excel: CSV UTF-8)"
        raise DataError(f"{path}: cannot be read as a CSV file of boxes ({error}); {cure}") from error


def _columns(header: Sequence[str], path: Path) -> _Columns:
    """What the header says. Raises DataError."""
    names = [name.strip().strip("\"'").lower() for name in header]
    where = f"{path} line 1"
    image = next((name for name in _IMAGE if name in names), None)
    if image is None:
        raise DataError(f"{where}: the column image is missing; wanted {WANTED}")
    box = next((group for group in (*_CORNERS, *_SIZED) if set(group) <= set(names)), None)
    if box is None:
        lacking = [name for name in _CORNERS[0] if name not in names]
        raise DataError(f"{where}: the column {lacking[0]} is missing; wanted {WANTED}")
    score = next((names.index(name) for name in _SCORE if name in names), None)
    if twice := [name for name in (image, *box) if names.count(name) > 1]:
        raise DataError(f"{where}: the column {twice[0]} is there twice; wanted {WANTED}")
    return _Columns(len(names), names.index(image), tuple(map(names.index, box)), box in _SIZED, score)


def _parse_row(row: list[str], columns: _Columns, separator: str, where: str) -> tuple[str, Box | None]:
    """An image's name and its box; None in a row without coordinates. Raises DataError."""
    cells = dict(enumerate(cell.strip() for cell in row))
    image = row[columns.image] if columns.image in cells else ""
    texts = [cells.get(at, "") for at in columns.box]
    if image and not any(texts):
        return image, None
    try:
        x0, y0, x1, y1 = (_number(text, separator) for text in texts)
        score = _number(cells.get(columns.score, "") or "nan", separator) if columns.score is not None else math.nan
    except ValueError as error:
        raise DataError(f"{where}: a coordinate or the score is not a number ({error})") from error
    if columns.is_sized:
        x1, y1 = x0 + x1, y0 + y1
    if not (image.strip() and all(abs(value) <= MOST for value in (x0, y0, x1, y1)) and x0 < x1 and y0 < y1):
        raise DataError(f"{where}: a box needs an image name, finite numbers of at most {MOST:,}, x0 < x1 and y0 < y1")
    return image, (x0, y0, x1, y1, score)


def _number(text: str, separator: str) -> float:
    """Raises ValueError."""
    return float(text if separator == "," else text.replace(",", "."))
