"""CVAT for images 1.1, as CVAT exports it: skeletons `face` and boxes `face_box`, joined by group or place."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from landmarks.corrections.correction import Box, Point
from landmarks.formats.tools.cvat import BOX_LABEL
from landmarks.formats.tools.shared import CATEGORY, EDGE
from landmarks.review.exports.exported import ExportedFace, ExportedImage, around, box_of, said

TOOL = "cvat"
HEAD = 1 << 16
"""Bytes at the start of a file in which a document type could stand."""


def read(path: Path) -> list[ExportedImage]:
    """Raises ElementTree.ParseError, KeyError, ValueError or OSError for what is none."""
    with open(path, "rb") as file:
        if b"<!DOCTYPE" in file.read(HEAD).upper():
            raise ValueError("it declares a document type, which CVAT does not")
    images = []
    for _, element in ElementTree.iterparse(path):
        if element.tag == "image":
            images.append(ExportedImage((element.attrib["name"],), _faces(element)))
            element.clear()
    return images


def _faces(image: ElementTree.Element) -> list[ExportedFace]:
    boxes = [(box.attrib.get("group_id"), _box(box)) for box in image.iter("box") if box.attrib["label"] == BOX_LABEL]
    faces = []
    for skeleton in image.iter("skeleton"):
        if skeleton.attrib["label"] != CATEGORY:
            continue
        face = ExportedFace(points={point.attrib["label"]: _point(point) for point in skeleton.iter("points")})
        for child in skeleton:
            if child.tag == "attribute":
                face.attributes[child.attrib["name"]] = said(child.text)
        face.box = _own_box(face, skeleton.attrib.get("group_id"), boxes)
        faces.append(face)
    return faces


def _own_box(face: ExportedFace, group: str | None, boxes: list[tuple[str | None, Box | None]]) -> Box | None:
    """The box of the same group, if shapes were grouped; else the one whose corners are nearest."""
    same = [box for number, box in boxes if group not in (None, "", "0") and number == group]
    if same:
        return same[0]
    extent = around(face.points)
    known = [box for _, box in boxes if box is not None]
    if extent is None or not known:
        return None
    return min(known, key=lambda box: sum(abs(a - b) for a, b in zip(box, extent)))


def _box(element: ElementTree.Element) -> Box | None:
    x0, y0, x1, y1 = (float(element.attrib[name]) - EDGE for name in ("xtl", "ytl", "xbr", "ybr"))
    return box_of(x0, y0, x1, y1)


def _point(element: ElementTree.Element) -> Point:
    if element.attrib.get("outside") == "1":
        return None
    x, y = map(float, element.attrib["points"].split(","))
    return x - EDGE, y - EDGE
