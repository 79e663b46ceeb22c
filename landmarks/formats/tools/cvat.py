"""CVAT for images 1.1: `cvat/annotations.xml`, and `cvat/labels.json` for the raw label editor of a new task.

A face is a skeleton `face` with a point for each landmark, and a box `face_box` of the same group. The skeleton's
attributes are the numbers of the face, each attribute's label and its probability, and each quantity. Coordinates are
measured from the corner of the image, with 4 decimals; a landmark without coordinates is marked as outside. XML cannot
hold control characters: in a name they are written as \\x01.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from landmarks.atomic import PartialFile, PartialFolder
from landmarks.errors import DataError
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame, is_label
from landmarks.formats.plain import Plain, PlainFace, plain_faces
from landmarks.formats.text import xml_text
from landmarks.formats.tools.shared import CATEGORY, box_or_zero, edges, from_corner, to_centres
from landmarks.schemes import UNCERTAIN

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record

BOX_LABEL = "face_box"
escape = partial(html.escape, quote=False)
_CORNERS = ("xtl", "ytl", "xbr", "ybr")


class Cvat:
    """`cvat/annotations.xml`. Images that could not be read have no size and are left out."""

    def __init__(self, out: Path, layout: Layout) -> None:
        self.folder = PartialFolder(out / "cvat")
        labels = json.dumps(label_specs(layout), indent=1)
        self.folder.file("labels.json").write_text(labels, encoding="utf-8")
        self.lines = PartialFile(self.folder.file("annotations.xml"))
        self.lines.write(_head(layout))
        self.images = 0

    def write(self, record: Record) -> None:
        if not record.width:
            return
        image = _attributes(id=self.images, name=record.image, width=record.width, height=record.height)
        self.lines.write(f"  <image{image}>\n")
        for group, face in enumerate(plain_faces(record.faces), start=1):
            self.lines.write("".join(_face_xml(face, group)))
        self.lines.write("  </image>\n")
        self.images += 1

    def close(self) -> None:
        self.lines.write("</annotations>\n")
        self.lines.close()
        self.folder.close()


def label_specs(layout: Layout) -> list[dict[str, Any]]:
    """The labels of a CVAT task in the form of its raw editor."""
    of_points = [_text_spec(column) for column in layout.per_point]
    points = [{"name": name, "type": "points", "attributes": of_points} for name in layout.scheme.points]
    attributes = [_text_spec(column) for column in layout.per_face]
    for name in layout.attributes:
        labels = ["", *layout.attribute(name).labels, UNCERTAIN]
        attributes.append(
            {"name": name, "mutable": False, "input_type": "select", "default_value": "", "values": labels}
        )
        attributes.append(_text_spec(f"{name}_probability"))
    attributes += [_text_spec(name) for name in layout.quantities]
    return [
        {"name": CATEGORY, "type": "skeleton", "attributes": attributes, "sublabels": points, "svg": _svg(layout)},
        {"name": BOX_LABEL, "type": "rectangle", "attributes": []},
    ]


def _text_spec(name: str) -> dict[str, Any]:
    # Numbers are text, since CVAT's numeric attributes need a smallest, a largest and a step, and cannot be empty. Its
    # editor refuses attributes without values.
    return {"name": name, "mutable": False, "input_type": "text", "default_value": "", "values": [""]}


def _svg(layout: Layout) -> str:
    """The skeleton's picture in CVAT's editor, 100 units wide: landmarks on a plain grid, joined as they are drawn."""
    count = len(layout.scheme)
    places = [(10 + 80 * (i % 9) / 8, 10 + 10 * (i // 9)) for i in range(count)]
    if count == 5:
        places = [(30, 30), (70, 30), (50, 52), (35, 75), (65, 75)]
    lines = [
        f'<line x1="{places[a][0]:g}" y1="{places[a][1]:g}" x2="{places[b][0]:g}" y2="{places[b][1]:g}" '
        f'stroke="black" data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}" stroke-width="0.5"></line>'
        for a, b in edges(layout.scheme)
    ]
    circles = [
        f'<circle r="1.5" cx="{x:g}" cy="{y:g}" stroke="black" fill="#b3b3b3" stroke-width="0.1" '
        f'data-type="element node" data-element-id="{i}" data-node-id="{i}" data-label-name="{name}"></circle>'
        for i, ((x, y), name) in enumerate(zip(places, layout.scheme.points), start=1)
    ]
    return "".join(lines + circles)


def _head(layout: Layout) -> str:
    """Everything before the first image."""
    labels = []
    for label in label_specs(layout):
        labels.append(_label_xml(label))
        labels += [_label_xml(point, label["name"]) for point in label.get("sublabels", ())]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
        "      <name>landmarks</name>\n      <mode>annotation</mode>\n      <labels>\n"
        + "".join(labels)
        + "      </labels>\n    </task>\n  </meta>\n"
    )


def _label_xml(label: dict[str, Any], parent: str = "") -> str:
    attributes = "".join(
        f"<attribute><name>{escape(spec['name'])}</name><mutable>False</mutable>"
        f"<input_type>{spec['input_type']}</input_type><default_value></default_value>"
        f"<values>{escape(chr(10).join(spec['values']))}</values></attribute>"
        for spec in label["attributes"]
    )
    extra = f"<svg>{escape(label['svg'])}</svg>" if "svg" in label else ""
    extra += f"<parent>{escape(parent)}</parent>" if parent else ""
    name = escape(label["name"])
    return (
        f"        <label><name>{name}</name><type>{label['type']}</type>"
        f"<attributes>{attributes}</attributes>{extra}</label>\n"
    )


def _attributes(**values: Any) -> str:
    from xml.sax.saxutils import quoteattr  # Here, since it imports what fetches URLs.

    return "".join(
        f" {name}={quoteattr(xml_text(value))}" if isinstance(value, str) else f' {name}="{value}"'
        for name, value in values.items()
    )


def _face_xml(face: PlainFace, group: int) -> Iterator[str]:
    corners = dict(zip(_CORNERS, box_or_zero(face.box)))
    yield f"    <box{_attributes(label=BOX_LABEL, source='auto', occluded=0, **corners, z_order=0, group_id=group)}>"
    yield "</box>\n"
    yield f"    <skeleton{_attributes(label=CATEGORY, source='auto', z_order=0, group_id=group)}>\n"
    for name, point in face.points.items():
        outside = None in point
        place = "0,0" if outside else ",".join(map(str, from_corner(point)))
        # By hand, since there are so many; the names of landmarks need no escaping.
        yield f'      <points label="{name}" source="auto" outside="{outside:d}" occluded="0" points="{place}">'
        yield from (_value(column, values[name]) for column, values in face.point_numbers.items())
        yield "</points>\n"
    yield from (_value(column, number) for column, number in face.numbers.items())
    for name, (label, probability) in face.labels.items():
        yield _value(name, label)
        yield _value(f"{name}_probability", probability)
    yield from (_value(name, number) for name, number in face.quantities.items())
    yield "    </skeleton>\n"


def _value(name: str, value: str | Plain) -> str:
    return f"<attribute{_attributes(name=name)}>{'' if value is None else escape(str(value))}</attribute>\n"


def read_cvat(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`annotations.xml` as a DataFrame, a row a face. Raises DataError if it is not such a file."""
    path = path / "annotations.xml" if path.is_dir() else path
    rows = []
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "image":
                boxes = {
                    box.attrib["group_id"]: to_centres([float(box.attrib[corner]) for corner in _CORNERS])
                    for box in element.iter("box")
                }
                for i, skeleton in enumerate(element.iter("skeleton")):
                    face = _face(skeleton, boxes[skeleton.attrib["group_id"]], layout)
                    rows.append(face.row(element.attrib["name"], i))
                element.clear()
    except (ElementTree.ParseError, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path}: is not CVAT for images 1.1 as this package writes it ({error!r})") from error
    return as_frame(rows, layout, ("box", "numbers", "points", "attributes"))


def _face(skeleton: ElementTree.Element, box: list[Plain], layout: Layout | None) -> PlainFace:
    points: dict[str, list[Plain]] = {}
    of_points: dict[str, dict[str, Plain]] = {}
    for point in skeleton.iter("points"):
        name, (x, y) = point.attrib["label"], map(float, point.attrib["points"].split(","))
        points[name] = [None, None] if point.attrib["outside"] == "1" else to_centres([x, y])
        for column, value in _values(point).items():
            of_points.setdefault(column, {})[name] = _number(value)
    values = _values(skeleton)
    labels = {
        name: (value, _number(values[f"{name}_probability"]))
        for name, value in values.items()
        if is_label(name, values)
    }
    numbers = {number.column: _number(values[number.column]) for number in PER_FACE if number.column in values}
    # Nothing but the layout tells them from what others have added.
    quantities = {name: _number(values.get(name)) for name in (layout.quantities if layout else ())}
    known = {number.column for number in PER_POINT}
    of_points = {column: found for column, found in of_points.items() if column in known}
    return PlainFace(points, box, numbers, of_points, labels, quantities=quantities)


def _values(element: ElementTree.Element) -> dict[str, str | None]:
    return {child.attrib["name"]: child.text or None for child in element if child.tag == "attribute"}


def _number(text: str | None) -> Plain:
    return None if text is None else float(text)


FORMAT = Format(
    "cvat",
    Cvat,
    read_cvat,
    "cvat/: CVAT for images 1.1, skeletons; from the image's corner, 4 decimals",
)
