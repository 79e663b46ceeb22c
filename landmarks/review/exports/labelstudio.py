"""Label Studio's JSON export: tasks with `annotations`.

Regions keep the ids that `tasks.json` gave them, so a face is known by its number. A rectangle or keypoint that was
drawn there has an id of its own, and a new keypoint has no parent: it belongs to the rectangle around it that lacks it.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from landmarks.formats.tools.shared import EDGE
from landmarks.review.exports.exported import ExportedFace, ExportedImage, box_of, holds, said

TOOL = "labelstudio"
_OURS = re.compile(r"\d+-(\d+)")
"""Ids of rectangles in `tasks.json`: task and face."""


def read(tasks: list[Any]) -> list[ExportedImage]:
    """Raises KeyError, TypeError, ValueError, IndexError or AttributeError for what is none."""
    return [_image(task) for task in tasks]


def _image(task: dict[str, Any]) -> ExportedImage:
    finished = [one for one in task.get("annotations", []) if not one.get("was_cancelled")]
    image = ExportedImage(_names(task["data"]), submitted=bool(finished), looked_at=bool(finished))
    if finished:
        last = max(finished, key=lambda one: (str(one.get("updated_at") or ""), one.get("id") or 0))
        image.faces = _faces(last["result"])
    return image


def _names(data: dict[str, Any]) -> tuple[str, ...]:
    """The name that we gave; else what the address of the image says."""
    names = [data["name"]] if isinstance(data.get("name"), str) else []
    address = urlsplit(str(data.get("image", "")))
    names += parse_qs(address.query).get("d", [])
    path = unquote(address.path)
    return tuple(names + ([path.lstrip("/")] if path else []))


def _faces(results: list[dict[str, Any]]) -> list[ExportedFace]:
    faces: dict[str, ExportedFace] = {}
    for result in results:
        if result["type"] == "rectanglelabels":
            x, y, width, height = (result["value"][key] for key in ("x", "y", "width", "height"))
            x, y = _pixels(result, x, y)
            right, lower = _pixels(result, result["value"]["x"] + width, result["value"]["y"] + height)
            ours = _OURS.fullmatch(result["id"])
            faces[result["id"]] = ExportedFace(box_of(x, y, right, lower), number=int(ours[1]) if ours else None)
    strays = []
    for result in results:
        face = faces.get(result.get("parentID") or result["id"])
        if result["type"] == "keypointlabels":
            point = _pixels(result, result["value"]["x"], result["value"]["y"])
            name = result["value"]["keypointlabels"][0]
            if face is None:
                strays.append((name, point))
            else:
                face.points[name] = point
        elif result["type"] == "choices" and face is not None:
            face.attributes[result["from_name"]] = said(result["value"]["choices"][0])
        elif result["type"] == "number" and "parentID" not in result and face is not None:
            face.attributes[result["from_name"]] = said(result["value"]["number"])
    for name, point in strays:
        around = [face for face in faces.values() if face.box and holds(face.box, point) and name not in face.points]
        if around:
            around[0].points[name] = point
    return list(faces.values())


def _pixels(result: dict[str, Any], x: float, y: float) -> tuple[float, float]:
    """Percent of the image, from its corner -> pixels."""
    return x * result["original_width"] / 100 - EDGE, y * result["original_height"] / 100 - EDGE
