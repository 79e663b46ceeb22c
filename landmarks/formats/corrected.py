"""The table of faces of a run with what people have said of them since."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks import images
from landmarks.corrections import Corrected, Correction, fold, read_corrections
from landmarks.corrections.correction import Box, Point
from landmarks.corrections.fold import REMOVED, keys
from landmarks.errors import DataError
from landmarks.faces import PER_POINT
from landmarks.formats.layout import Layout, as_frame
from landmarks.formats.own.tables import read_images_csv
from landmarks.formats.schema import read_frame, read_layout
from landmarks.geometry import BOX
from landmarks.head_pose import head_angles
from landmarks.schemes import Scheme

if TYPE_CHECKING:
    import pandas as pd

REVIEW = "review"
"""The column that says what a person said of a face."""

ANGLES = ("yaw", "pitch", "roll")
"""Columns that follow from the landmarks: of a face whose landmarks were moved they are told anew."""
ROUNDED = 1e-3
"""Pixels by which a line of the corrections may differ from the number it was made from."""


def with_corrections(run: Path, table: pd.DataFrame) -> pd.DataFrame:
    """The table of faces of a run's folder, as `read_results` gives it, with its corrections; see `read_results`.

    A number is the network's word on its own answer: scores and qualities stay. Of a face with landmarks that were
    moved their expected errors are NaN and its angles follow from them; a label that a
    person gave has the probability 1; the value of a quantity is the one that a person gave, NaN where it cannot be
    told. Raises DataError if this is no run.
    """
    layout, lines = read_layout(run), read_corrections(run)
    if layout is None or not run.is_dir():
        raise DataError(f"{run}: holds no schema.json; corrections belong to the folder given to `annotate --out`")
    turned = turned_images(run)
    return corrected_table(table, layout, fold(of_scheme(lines, layout.scheme)).values(), turned)


def of_scheme(lines: Iterable[Correction], scheme: Scheme) -> Iterator[Correction]:
    """The corrections that fit a run with these landmarks; the others are counted in a warning."""
    others = 0
    for line in lines:
        if line.points and line.scheme != scheme:
            others += 1
        else:
            yield line
    if others:
        warnings.warn(
            f"{others} corrections are left out: they are of other landmarks than this run's {len(scheme)}",
            stacklevel=3,
        )


def turned_images(run: Path) -> dict[str, images.Image]:
    """What maps the pixels of a run's files to upright ones: by name, the images in which the two differ.

    Empty unless the run was told `--coords original`.
    """
    if read_frame(run) != "original":
        return {}
    table = read_images_csv(run / "images.csv")
    turned = table[(table["orientation"] != 1) & (table["width"] > 0)]
    found = {}
    for name, width, height, orientation in turned[["image", "width", "height", "orientation"]].itertuples(index=False):
        size = (height, width) if orientation >= 5 else (width, height)
        found[name] = images.Image(np.broadcast_to(np.uint8(0), (*size[::-1], 3)), orientation)
    return found


def corrected_table(
    table: pd.DataFrame, layout: Layout, faces: Iterable[Corrected], turned: dict[str, images.Image]
) -> pd.DataFrame:
    """A table of faces with corrections. turned: see `turned_images`."""
    import pandas as pd

    by_image: dict[str, dict[str, Corrected]] = {}
    for face in faces:
        by_image.setdefault(face.image, {})[face.face] = face
    touched = table["image"].isin(by_image)
    found = dict(iter(table[touched].groupby("image", sort=False)))
    rows: list[dict[str, Any]] = []
    for image, said in by_image.items():
        own = found[image].to_dict("records") if image in found else []
        rows += _image_rows(image, own, said, turned.get(image), layout)
    reviews = [row.pop(REVIEW, "") for row in rows]
    fresh = as_frame(pd.DataFrame(rows, columns=table.columns), layout, ()).copy().assign(**{REVIEW: reviews})
    together = pd.concat([table[~touched].assign(**{REVIEW: ""}), fresh], ignore_index=True)
    # An image keeps its place in the table; one in which no face was found goes to the end.
    place = {image: i for i, image in enumerate(dict.fromkeys(table["image"]))}
    order = np.lexsort([together["face"].to_numpy(), [place.get(image, len(place)) for image in together["image"]]])
    together = together.iloc[order].reset_index(drop=True)
    return together.assign(**{REVIEW: together[REVIEW].astype("str")})


def _image_rows(
    image: str, rows: list[dict[str, Any]], said: dict[str, Corrected], turned: images.Image | None, layout: Layout
) -> Iterator[dict[str, Any]]:
    """The rows of one image's faces."""
    names = keys({row["face"]: upright_box(row, turned) for row in rows}, said)
    for row in rows:
        face = said.get(names[row["face"]])
        if face is None:
            yield row
        elif face.status != REMOVED:
            yield _corrected_row(row, face, turned, layout)
    number = max((row["face"] for row in rows), default=-1) + 1
    for face in said.values():
        if face.face in names.values() or face.labels is None or face.status in ("", REMOVED):
            continue
        yield _corrected_row({"image": image, "face": number}, face, turned, layout)
        number += 1


def _corrected_row(row: dict[str, Any], face: Corrected, turned: images.Image | None, layout: Layout) -> dict[str, Any]:
    """A row as the line that holds says, in the pixels of the run's files."""
    row, quantities = {**row, REVIEW: face.status}, layout.quantities
    labels = face.labels
    if labels is None or not face.status:
        return row
    if labels.box is not None:
        _put(row, dict(zip(BOX, file_box(labels.box, turned))))
    moved = False
    for name, point in labels.points.items():
        if _put(row, dict(zip((f"{name}_x", f"{name}_y"), file_point(point, turned)))):
            moved = True
            row |= {f"{name}_{number.column}": np.nan for number in PER_POINT}
    if moved:
        points = np.array([(np.nan, np.nan) if point is None else point for point in labels.points.values()])
        angles = zip(ANGLES, head_angles(points[None], layout.scheme)[0].tolist())
        row |= {name: angle for name, angle in angles if name in layout.per_face}
    for name, label in labels.attributes.items():
        if name in layout.attributes and row.get(name) != label:
            row |= {name: label, f"{name}_probability": np.nan if label is None else 1.0}
    row |= {name: np.nan if value is None else value for name, value in labels.quantities.items() if name in quantities}
    return row


def _put(row: dict[str, Any], values: dict[str, float]) -> bool:
    """Set numbers of a row unless they are there already, rounded; whether one was not."""
    same = all(abs(row.get(name, np.nan) - value) < ROUNDED for name, value in values.items())
    row |= {} if same else values
    return not same


def upright_box(row: dict[str, Any], turned: images.Image | None) -> Box | None:
    """The box of a row in upright pixels; None where there is none."""
    box = np.array([row.get(name, np.nan) for name in BOX], float)
    if not np.isfinite(box).all() or box[0] >= box[2] or box[1] >= box[3]:
        return None
    return _box(box if turned is None else images.to_upright(box.reshape(2, 2), turned))


def file_box(box: Box, turned: images.Image | None) -> Box:
    """An upright box in the pixels of the run's files."""
    return box if turned is None else _box(images.to_stored(np.array(box).reshape(2, 2), turned))


def file_point(point: Point, turned: images.Image | None) -> tuple[float, float]:
    """An upright point in the pixels of the run's files; NaN for one that is not labelled."""
    if point is None:
        return np.nan, np.nan
    x, y = point if turned is None else images.to_stored(np.array(point), turned)
    return float(x), float(y)


def _box(corners: np.ndarray) -> Box:
    corners = corners.reshape(2, 2)
    (x0, y0), (x1, y1) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return x0, y0, x1, y1
