"""What a run of `landmarks annotate` left, as arrays: the tables, and what `run.json` says."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.errors import DataError, LandmarksError, told
from landmarks.formats import read_results
from landmarks.formats.layout import is_label
from landmarks.formats.own.tables import read_images_csv
from landmarks.formats.schema import NAME, read_layout
from landmarks.geometry import BOX, face_squares
from landmarks.images import Image, to_upright
from landmarks.schemes import SCHEMES, UNCERTAIN, Attribute, Scheme, known_attributes
from landmarks.sources.named import Named

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A run: N faces of M images. Pixels are those of upright images."""

    folder: Path
    settings: dict[str, Any]
    """All that its results depend on."""
    starts: list[dict[str, Any]]
    """One for each time that it was started."""
    images: pd.DataFrame
    """(M rows) The table of images."""
    faces: pd.DataFrame
    """(N rows) image, face, and the attributes' labels and probabilities."""
    scheme: Scheme
    boxes: np.ndarray
    """(N, 4); NaN where the results hold none."""
    points: np.ndarray
    """(N, K, 2)"""
    errors: np.ndarray | None
    """(N, K): expected errors as shares of the face size; None if the network was not calibrated."""
    quality: np.ndarray | None
    """(N,), likewise."""
    scores: np.ndarray | None
    """(N,)"""
    attributes: dict[str, tuple[str, ...]]
    """The labels of each attribute, by its name."""
    named: Named | None
    """Where the images were; None where `run.json` does not say."""

    @property
    def sizes(self) -> np.ndarray:
        """(N,): sides of the boxes, sqrt(w h), in pixels; of the landmarks' extent where there is no box."""
        with np.errstate(invalid="ignore"):
            sides = np.sqrt(np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0).prod(axis=1))
        return np.where(np.isfinite(sides), sides, self.face_sizes)

    @property
    def face_sizes(self) -> np.ndarray:
        """(N,): the larger side of the extent of eyes, nose and mouth corners: what errors are shares of."""
        return face_squares(self.points, self.scheme, 1.0)[:, 2] if len(self.points) else np.zeros(0)


def read_run(folder: Path) -> Run:
    """Read a run's folder. Raises LandmarksError for a run that has not ended, or files that are not of a run."""
    manifest = _manifest(folder / "run.json")
    if not (folder / "images.csv").is_file():
        raise LandmarksError(f"{folder}: the run has not ended; give its `landmarks annotate` again to go on with it")
    images = read_images_csv(folder / "images.csv")
    frame = read_results(folder)
    layout = read_layout(folder)
    scheme = layout.scheme if layout else _scheme(frame, folder)
    start = manifest["starts"][-1] if manifest["starts"] else {}
    try:
        named = Named.from_dict(start["named"])
    except (KeyError, TypeError, ValueError):
        named = None
    known = known_attributes(layout.declared if layout else ())
    attributes = {name: _labels(frame, name, known.get(name)) for name in frame if is_label(str(name), frame.columns)}
    errors = _columns(frame, [f"{point}_error" for point in scheme.points])
    run = Run(
        folder=folder,
        settings=manifest["settings"],
        starts=manifest["starts"],
        images=images,
        faces=frame,
        scheme=scheme,
        boxes=_filled(frame, BOX),
        points=_filled(frame, [f"{point}_{axis}" for point in scheme.points for axis in "xy"]).reshape(
            len(frame), len(scheme), 2
        ),
        errors=errors,
        quality=frame["quality"].to_numpy(np.float32) if "quality" in frame else None,
        scores=frame["score"].to_numpy(np.float32) if "score" in frame else None,
        attributes=attributes,
        named=named,
    )
    return _upright(run) if _frame_of(folder) == "original" else run


def _labels(frame: pd.DataFrame, name: str, attribute: Attribute | None) -> tuple[str, ...]:
    """The labels of an attribute; those that the faces have where nothing tells more."""
    if attribute is not None:
        return attribute.labels
    return tuple(sorted(set(frame[name].dropna()) - {UNCERTAIN}))


def _manifest(path: Path) -> dict[str, Any]:
    """`run.json`. Raises DataError if it is not that."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not (isinstance(content["settings"], dict) and isinstance(content["starts"], list)):
            raise TypeError("it lacks settings or starts")
        return content
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: does not tell of a run ({told(error)})") from error


def _frame_of(folder: Path) -> str:
    """The frame of the coordinates, as `schema.json` says."""
    try:
        return json.loads((folder / NAME).read_text(encoding="utf-8"))["coordinates"]["frame"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "upright"


def _scheme(frame: pd.DataFrame, folder: Path) -> Scheme:
    """The scheme whose landmarks a table of faces has. Raises DataError if it has none."""
    for scheme in SCHEMES.values():
        if all(f"{point}_x" in frame for point in scheme.points):
            return scheme
    raise DataError(f"{folder}: there is no schema.json, and the faces have no landmarks of a known scheme")


def _columns(frame: pd.DataFrame, names: list[str]) -> np.ndarray | None:
    """Columns of numbers, (N, C) float32; None where they are not there."""
    return frame[names].to_numpy(np.float32) if set(names) <= set(frame.columns) else None


def _filled(frame: pd.DataFrame, names: list[str] | tuple[str, ...]) -> np.ndarray:
    """Columns of numbers, (N, C) float32, NaN where a column is not there."""
    return frame.reindex(columns=list(names)).to_numpy(np.float32)


def _upright(run: Run) -> Run:
    """A run whose coordinates are of stored pixels, with those of upright images."""
    images, boxes, points = run.images.copy(), run.boxes.copy(), run.points.copy()
    places = run.faces.groupby("image").indices
    for row in np.flatnonzero(images["orientation"].between(2, 8)).tolist():
        name, width, height, orientation = images.iloc[row][["image", "width", "height", "orientation"]]
        size = (height, width) if orientation >= 5 else (width, height)
        stored = Image(np.zeros((1, 1, 3), np.uint8), orientation, size=size)
        images.loc[images.index[row], ["width", "height"]] = size
        at = places.get(name, [])
        points[at] = to_upright(points[at], stored)
        corners = to_upright(boxes[at].reshape(-1, 2, 2), stored)
        boxes[at] = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
    return replace(run, images=images, boxes=boxes, points=points)
