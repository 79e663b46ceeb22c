"""COCO keypoints, as FiftyOne and CVAT export them; in pixels as in `coco.json`, pixel centres at integers."""

from __future__ import annotations

from typing import Any

from landmarks.corrections.correction import Point
from landmarks.formats.tools.shared import EDGE
from landmarks.review.exports.exported import ExportedFace, ExportedImage, box_of, said
from landmarks.schemes import Scheme

TOOL = "coco"


def read(document: dict[str, Any], scheme: Scheme) -> list[ExportedImage]:
    """scheme: of categories that do not name their landmarks. Raises KeyError, TypeError, ValueError."""
    names = {one["id"]: tuple(one.get("keypoints") or scheme.points) for one in document["categories"]}
    images = {image["id"]: ExportedImage((image["file_name"],)) for image in document["images"]}
    for annotation in document["annotations"]:
        if annotation.get("keypoints"):
            images[annotation["image_id"]].faces.append(_face(annotation, names[annotation["category_id"]]))
    return list(images.values())


def _face(annotation: dict[str, Any], names: tuple[str, ...]) -> ExportedFace:
    flat = annotation["keypoints"]
    if len(flat) != 3 * len(names):
        raise ValueError(f"{len(flat)} numbers for {len(names)} keypoints")
    points: dict[str, Point] = {}
    for name, x, y, v in zip(names, flat[::3], flat[1::3], flat[2::3]):
        if v:  # One that is not labelled says nothing.
            points[name] = (float(x), float(y))
    x0, y0, width, height = (float(value) for value in annotation["bbox"])
    attributes = {name: said(label) for name, label in (annotation.get("attributes") or {}).items()}
    number = annotation.get("face")
    return ExportedFace(
        box_of(x0 - EDGE, y0 - EDGE, x0 + width - EDGE, y0 + height - EDGE), points, attributes,
        number if isinstance(number, int) else None,
    )  # fmt: skip
