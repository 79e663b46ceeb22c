"""`.pts` (version 1, as 300-W has it): a file a face under `pts/`, and `pts/index.csv`.

The largest face of an image has its file under the image's name, with `.pts` for the suffix: so menpo and 300-W's tools
pair the two. Further faces have their number before it. Pixels are counted from 1: 1 is added on writing and taken off
on reading. The format holds landmarks and nothing else.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from landmarks.atomic import PartialFile, PartialFolder
from landmarks.errors import DataError
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame
from landmarks.formats.plain import Plain, PlainFace, plain
from landmarks.formats.text import csv_text, from_csv_text, inside, safe_path
from landmarks.schemes import scheme_of_size

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record

_PTS = re.compile(r"\s*version:\s*1\s*\n\s*n_points:\s*(\d+)\s*\n\s*\{\s*\n(.*)\n\s*\}\s*", re.DOTALL)
LARGEST = 1 << 20
"""Bytes of a file that is read at all."""


class Pts:
    """`pts/STEM.pts` and `pts/STEM.FACE.pts`, in the image's folders; `index.csv` says which file is which face.

    Where another image has taken a name (`a.jpg` beside `a.png`), the suffix of the image stays in it.
    """

    def __init__(self, out: Path, layout: Layout) -> None:
        self.folder = PartialFolder(out / "pts")
        self.lines = PartialFile(self.folder.file("index.csv"))
        self.index = csv.writer(self.lines)
        self.index.writerow(("image", "face", "file"))

    def write(self, record: Record) -> None:
        for i, points in enumerate(plain(record.faces.points)):
            relative = self._free_name(record.image, i)
            self.folder.add(relative, pts_text(points))
            self.index.writerow((csv_text(record.image), i, csv_text(relative)))

    def _free_name(self, image: str, face: int) -> str:
        """Of the file of a face: the first that no other face has."""
        path = PurePosixPath(safe_path(image))
        number = f".{face}" if face else ""
        for attempt in range(100):
            stem = f"{path}{'~' * (attempt - 1)}" if attempt else path.with_suffix("")
            name = f"{stem}{number}.pts"
            if not self.folder.file(name).exists():
                return name
        raise DataError(f"{image}: more than 100 images have the same .pts file; rename them")

    def close(self) -> None:
        self.lines.close()
        self.folder.close()


def pts_text(points: Sequence[Sequence[Plain]]) -> str:
    """The file of one face, of x and y of each landmark; one without coordinates is `nan nan`."""
    rows = ("nan nan" if x is None or y is None else f"{x + 1:.4f} {y + 1:.4f}" for x, y in points)
    return "\n".join(["version: 1", f"n_points: {len(points)}", "{", *rows, "}", ""])


def read_pts(path: Path) -> PlainFace:
    """One `.pts` file of a known number of landmarks. Raises DataError if it is not."""
    try:
        with open(path, encoding="utf-8") as file:
            match = _PTS.fullmatch(file.read(LARGEST))
        if not match:
            raise ValueError("wanted are version: 1, n_points: K and K lines in braces")
        rows: list[list[Plain]] = [[float(value) - 1 for value in line.split()] for line in match[2].splitlines()]
        if len(rows) != int(match[1]) or any(len(row) != 2 for row in rows):
            raise ValueError(f"n_points is {match[1]}, but there are {len(rows)} lines, or not of x and y each")
        return PlainFace(dict(zip(scheme_of_size(len(rows)).points, rows)))
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: is not a .pts file ({error})") from error


def read_pts_folder(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """All faces of a `pts` folder, or that of one `.pts` file. Raises DataError."""
    if path.is_file():
        return as_frame([read_pts(path).row(path.stem, 0)], layout, ("points",))
    rows = []
    try:
        with open(path / "index.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                face = read_pts(inside(path, from_csv_text(row["file"])))
                rows.append(face.row(from_csv_text(row["image"]), int(row["face"])))
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error, OSError) as error:
        raise DataError(f"{path / 'index.csv'}: does not list faces ({error!r})") from error
    return as_frame(rows, layout, ("points",))


FORMAT = Format(
    "pts",
    Pts,
    read_pts_folder,
    "pts/: version 1, a file a face, IMAGE.pts for the largest, pixels counted from 1; 4 decimals; landmarks only",
)
