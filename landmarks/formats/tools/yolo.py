"""YOLO-pose (Ultralytics, labels with visibility): `yolo/labels/IMAGE.txt`, `yolo/data.yaml`, `yolo/labels.csv`.

A line a face: class 0, centre x, centre y, width, height, then x y v for each landmark; shares of the image's width and
height, measured from its corner, with 7 decimals. Ultralytics refuses a whole image for one coordinate outside it, so
boxes are cut at the border and a landmark outside, or without coordinates, is `0 0 0` (not labelled); v is else 2.
"""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from landmarks.atomic import PartialFile, PartialFolder
from landmarks.errors import DataError
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame
from landmarks.formats.plain import Plain, PlainFace, plain
from landmarks.formats.text import csv_text, from_csv_text, inside, safe_path
from landmarks.formats.tools.shared import CATEGORY, EDGE, box_in_image, in_image
from landmarks.schemes import scheme_of_size

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record


class Yolo:
    """A label file for every image that could be read, an empty one for an image without faces."""

    def __init__(self, out: Path, layout: Layout) -> None:
        self.folder = PartialFolder(out / "yolo")
        self.lines = PartialFile(self.folder.file("labels.csv"))
        self.index = csv.writer(self.lines)
        self.index.writerow(("image", "labels", "width", "height"))
        self.folder.file("data.yaml").write_text(data_yaml(layout), encoding="utf-8")

    def write(self, record: Record) -> None:
        if not record.width:
            return
        boxes, points = plain(record.faces.boxes, decimals=6), plain(record.faces.points, decimals=6)
        text = "".join(_line(*face, record.width, record.height) for face in zip(boxes, points))
        relative = self._write_label(record.image, text)
        self.index.writerow((csv_text(record.image), csv_text(relative), record.width, record.height))

    def _write_label(self, image: str, text: str) -> str:
        """Write the label file under the name where Ultralytics looks for it, or else under one that is free."""
        path = PurePosixPath(safe_path(image))
        stem = path.with_suffix("") if path.suffix else path
        for attempt in range(100):
            name = f"labels/{path}{'~' * (attempt - 1)}.txt" if attempt else f"labels/{stem}.txt"
            try:
                with open(self.folder.file(name), "x", encoding="ascii") as file:
                    file.write(text)
            except FileExistsError:
                continue
            if attempt:
                warnings.warn(f"{image}: another image has its label file; it is in yolo/{name}", stacklevel=2)
            return name
        raise DataError(f"{image}: more than 100 images have the same YOLO label file; rename them")

    def close(self) -> None:
        self.lines.close()
        self.folder.close()


def data_yaml(layout: Layout) -> str:
    """The dataset file of Ultralytics. JSON lists and strings are YAML too."""
    scheme = layout.scheme
    return (
        "# Ultralytics YOLO pose. Copy the images to images/ beside labels/, or hard-link: `cp -al PHOTOS images`.\n"
        "# A symbolic link does not do: Ultralytics follows it and looks for the labels beside the photographs.\n"
        "train: images\nval: images\n"
        f"kpt_shape: [{len(scheme)}, 3]\nflip_idx: {list(scheme.swap)}\n"
        f"names:\n  0: {CATEGORY}\nkpt_names:\n  0: {json.dumps(scheme.points)}\n"
    )


def _line(box: list[Plain], points: list[list[Plain]], width: int, height: int) -> str:
    x0, y0, x1, y1 = (v / side for v, side in zip(box_in_image(box, width, height), (width, height) * 2))
    values = [f"0 {(x0 + x1) / 2:.7f} {(y0 + y1) / 2:.7f} {x1 - x0:.7f} {y1 - y0:.7f}"]
    for px, py in points:
        if px is None or py is None or not in_image(px, py, width, height):
            values.append("0 0 0")
        else:
            values.append(f"{(px + EDGE) / width:.7f} {(py + EDGE) / height:.7f} 2")
    return " ".join(values) + "\n"


def read_yolo(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """All faces of a `yolo` folder. Raises DataError."""
    rows, name = [], "labels.csv"
    try:
        with open(path / "labels.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                name = from_csv_text(row["labels"])
                lines = inside(path, name).read_text(encoding="ascii").splitlines()
                image, width, height = from_csv_text(row["image"]), int(row["width"]), int(row["height"])
                rows += [_face(line, width, height).row(image, i) for i, line in enumerate(lines)]
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error, OSError) as error:
        raise DataError(f"{path / name}: is not of YOLO-pose as this package writes it ({error!r})") from error
    return as_frame(rows, layout, ("box", "points"))


def _face(line: str, width: int, height: int) -> PlainFace:
    _, x, y, w, h, *flat = (float(value) for value in line.split())
    points: list[list[Plain]] = [
        [px * width - EDGE, py * height - EDGE] if v > 0 else [None, None]
        for px, py, v in zip(flat[::3], flat[1::3], flat[2::3])
    ]
    box = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
    return PlainFace(dict(zip(scheme_of_size(len(points)).points, points)), [value - EDGE for value in box])


FORMAT = Format(
    "yolo",
    Yolo,
    read_yolo,
    "yolo/: Ultralytics YOLO pose (8.4); shares of width and height from the image's corner, 7 decimals; boxes cut at "
    "the border; landmarks outside the image are 0 0 0; no scores, no attributes",
)
