"""The worst faces of an evaluation: each cut out, with its labels and what was predicted in the cut-out's pixels."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from landmarks.datasets.dataset import read_dataset
from landmarks.errors import ImageError, LandmarksError
from landmarks.evaluation.per_face import PerFace
from landmarks.images import from_array
from landmarks.report.thumbnails import cut, squares_around

SIDE = 224
"""Of a picture in pixels."""


@dataclass(frozen=True)
class Worst:
    """One of the worst faces."""

    image: str
    scheme: str
    error: float
    """Mean error in % of the inter-ocular distance; NaN where nothing was predicted."""
    quality: float
    picture: str
    """A JPEG file in base64; empty where the image is gone."""
    view: str
    """`x y width height` of the picture in the image, as an SVG takes it."""
    side: float
    """Its side in pixels of the image."""
    true: list[list[float]]
    """x, y of the labels; those that do not exist are left out. Likewise of the predicted points."""
    predicted: list[list[float]]


def worst_faces(faces: PerFace, data: str, most: int, progress: Callable[[int, int], None]) -> tuple[list[Worst], str]:
    """At most `most` faces, the worst first, and a sentence if they lack pictures. Of the scheme with most labels.

    data: the dataset. Faces without a prediction, whose images could not be read, are left out.
    """
    name = max(faces.schemes, key=lambda one: _count(faces, one))
    errors = faces.table[f"{name}_error"].to_numpy()
    order = np.argsort(-np.nan_to_num(errors, nan=-1.0), kind="stable")[:most]
    order = order[np.isfinite(errors[order])]
    note, dataset = "", None
    try:
        dataset = read_dataset(data)
    except (LandmarksError, OSError) as error:
        note = f"The worst faces are shown without pictures: {error}; --images names the dataset where it is now."
    found = []
    for done, at in enumerate(order.tolist()):
        progress(done, len(order))
        row = faces.table.iloc[at]
        true, predicted = (np.asarray(row[key], np.float64) for key in (name, f"{name}_predicted"))
        square = squares_around(np.full((1, 4), np.nan), np.concatenate([true, predicted])[None])
        picture = ""
        if dataset is not None:
            try:
                same = dataset.table["image"].iloc[row["row"]] == row["image"]
                image = from_array(dataset.image(int(row["row"])), row["image"]) if same else None
                picture = base64.b64encode(cut(image, square, SIDE)[0]).decode() if image else ""
            except (ImageError, IndexError):
                pass
        x, y, side = square[0, :3]
        view = f"{x - side / 2:.2f} {y - side / 2:.2f} {side:.2f} {side:.2f}"
        quality = float(row["quality"]) if "quality" in faces.table else float("nan")
        pairs = (points[np.isfinite(points).all(axis=1)].round(2).tolist() for points in (true, predicted))
        found.append(Worst(row["image"], name, 100 * float(errors[at]), quality, picture, view, float(side), *pairs))
    progress(len(order), len(order))
    return found, note


def _count(faces: PerFace, name: str) -> int:
    """Labelled faces of a scheme."""
    return int(np.isfinite(faces.table[f"{name}_error"].to_numpy()).sum())
