"""A run of `annotate` as it is corrected: its images and its faces, upright, with their doubts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks import images
from landmarks.corrections import Corrected
from landmarks.corrections.correction import Box
from landmarks.corrections.fold import keys
from landmarks.errors import DataError
from landmarks.faces import PER_FACE, PER_POINT, WHOLE, Faces
from landmarks.formats import read_results
from landmarks.formats.corrected import turned_images
from landmarks.formats.doubts import doubts
from landmarks.formats.layout import Layout
from landmarks.formats.own.tables import read_images_csv
from landmarks.formats.schema import read_layout
from landmarks.geometry import BOX
from landmarks.scores import AttributeScores, QuantityValues
from landmarks.sources.named import Named
from landmarks.sources.source import Source

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """N faces in M images. Coordinates are upright pixels."""

    path: Path
    layout: Layout
    names: list[str]
    """(M,) of the images that could be read, in order of the run."""
    sizes: np.ndarray
    """(M, 2) int64: width and height."""
    faces: Faces
    owners: np.ndarray
    """(N,) int64: the image of each face."""
    numbers: np.ndarray
    """(N,) int64: its number in its image."""
    doubt: np.ndarray
    """(N,) float64, 0 to 1; see `landmarks.formats.doubts`."""

    def found(self, face: int) -> Box | None:
        """The box of a face, by which its corrections know it; None if it has none."""
        box = self.faces.boxes[face].round(4).tolist()
        whole = np.isfinite(box).all() and box[0] < box[2] and box[1] < box[3]
        return (box[0], box[1], box[2], box[3]) if whole else None


def read_run(path: str | Path) -> Run:
    """A run's folder. Raises DataError if it is none."""
    path = Path(path)
    layout = read_layout(path) if path.is_dir() else None
    if layout is None or not (path / "images.csv").is_file():
        what = "holds no finished run" if path.exists() else "is not there"
        raise DataError(f"{path}: {what}; name the folder given to `landmarks annotate --out`")
    table, listed = read_results(path), read_images_csv(path / "images.csv")
    listed = listed[listed["width"] > 0]
    turned = turned_images(path)
    names = listed["image"].tolist()
    sizes = listed[["width", "height"]].to_numpy()
    for i, name in enumerate(names):
        if name in turned:
            sizes[i] = turned[name].size
    places = {name: i for i, name in enumerate(names)}
    owners = table["image"].map(places)
    if owners.isna().any():
        missing = table["image"][owners.isna()].iloc[0]
        raise DataError(f"{path}: images.csv does not list {missing}, which has faces; annotate it again with --fresh")
    faces = _upright(faces_of(table, layout), table["image"], turned)
    return Run(path, layout, names, sizes, faces, owners.to_numpy(np.int64), table["face"].to_numpy(), doubts(faces))


def rows_of(run: Run, said: Mapping[tuple[str, str], Corrected]) -> dict[tuple[str, str], int]:
    """Under which name each face of a run is corrected: image and face -> row in `run.faces`. See `keys`."""
    by_image: dict[str, dict[str, Corrected]] = {}
    for (image, face), one in said.items():
        by_image.setdefault(image, {})[face] = one
    found: dict[tuple[str, str], int] = {}
    starts = np.flatnonzero(np.diff(run.owners, prepend=-1, append=-1))
    for first, last in zip(starts[:-1].tolist(), starts[1:].tolist()):
        image = run.names[run.owners[first]]
        rows = {int(run.numbers[row]): row for row in range(first, last)}
        names = keys({number: run.found(row) for number, row in rows.items()}, by_image.get(image, {}))
        found |= {(image, names[number]): row for number, row in rows.items()}
    return found


def faces_of(table: pd.DataFrame, layout: Layout) -> Faces:
    """The faces of a table as `read_results` gives it. Of classes that are not the label the probability is not known:
    they share what is left; one that does not exist, or is `uncertain`, has NaN."""

    def numbers(column: str) -> np.ndarray:
        given = column in table
        return table[column].to_numpy(np.float32) if given else np.full(len(table), np.nan, np.float32)

    attributes = {}
    for name in layout.attributes:
        attribute, sure = layout.attribute(name), numbers(f"{name}_probability")
        labels = table[name] if name in table else [None] * len(table)
        sure = np.where(np.isin(np.array(labels, object), attribute.labels), sure, np.float32("nan"))
        codes = np.array([attribute.labels.index(label) if label in attribute.labels else 0 for label in labels], int)
        probabilities = np.repeat((1 - sure[:, None]) / (len(attribute) - 1), len(attribute), axis=1)
        probabilities[np.arange(len(table)), codes] = sure
        attributes[name] = AttributeScores(attribute, probabilities.astype(np.float32))
    names = layout.scheme.points
    points = [np.stack([numbers(f"{point}_x"), numbers(f"{point}_y")], axis=1) for point in names]
    optional: dict[str, Any] = {}
    for number in (*PER_FACE, *PER_POINT):
        if number.column in WHOLE:
            continue  # Nothing that is said of a face depends on its number among others.
        if number in PER_FACE and number.column in (*layout.per_face, "score"):
            optional[number.field] = numbers(number.column)
        elif number in PER_POINT and number.column in layout.per_point:
            optional[number.field] = np.stack([numbers(f"{point}_{number.column}") for point in names], axis=1)
    boxes = np.stack([numbers(name) for name in BOX], axis=1)
    return Faces(
        boxes,
        np.stack(points, axis=1),
        attributes=attributes,
        scheme=layout.scheme,
        quantities={name: QuantityValues(one, numbers(name)) for name, one in layout.quantities.items()},
        **optional,
    )


def _upright(faces: Faces, owners: pd.Series, turned: dict[str, images.Image]) -> Faces:
    """Faces whose numbers are in the pixels of the run's files, in upright ones."""
    boxes, points = faces.boxes.copy(), faces.points.copy()
    for at in np.flatnonzero(owners.isin(turned)).tolist():
        image = turned[owners.iloc[at]]
        corners = images.to_upright(boxes[at].reshape(2, 2), image)
        boxes[at] = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        points[at] = images.to_upright(points[at], image)
    return replace(faces, boxes=boxes, points=points)


def sources_of(path: Path, given: Sequence[str] = ()) -> dict[str, Source]:
    """Where the images of a run are, by name; archives and videos by their own names.

    given: what was annotated, if it lies elsewhere now. Raises LandmarksError.
    """
    named = None
    for start in reversed(manifest(path)["starts"]):
        with suppress(KeyError, TypeError, ValueError):
            named = Named.from_dict(start["named"])
            break
    if given:
        return dict(Named.here(list(given), True, named.every if named else 1).find())
    if named is None:
        raise DataError(f"{path}: run.json does not say where the images are; name them with --images")
    return dict(named.find())


def manifest(path: Path) -> dict[str, Any]:
    """What `run.json` says: `settings` and `starts`. Raises DataError if it is none."""
    try:
        content = json.loads((path / "run.json").read_text(encoding="utf-8"))
        return {"settings": dict(content["settings"]), "starts": list(content["starts"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path / 'run.json'}: does not tell how the run was made ({error})") from error
