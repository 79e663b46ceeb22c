"""Label Studio (tasks with predictions, as its SDK 2.1.2 takes them): `tasks.json` and `config.xml` in `labelstudio/`.

A face is a rectangle `face` and a keypoint for each landmark whose `parentID` is the rectangle. Attributes are
choices, numbers are numbers of the rectangle or keypoint (`perRegion`). Coordinates are percent of the image measured
from its corner, with 6 decimals. Newer versions refuse whole files for one coordinate outside 0 to 100: boxes are cut
at the border of the image, and a landmark outside it, or without coordinates, is left out. The score of a prediction is
the lowest quality of the image's faces. Images are named as Label Studio's local file storage serves them from a folder
`images` of its document root, since a storage may not be the document root itself; `data.name` is the image's own name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from landmarks.atomic import PartialFile, PartialFolder
from landmarks.errors import DataError
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame
from landmarks.formats.plain import Plain, PlainFace, plain_faces
from landmarks.formats.tools.shared import CATEGORY, EDGE, box_in_image, in_image, joined, json_text, read_json
from landmarks.schemes import UNCERTAIN

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record

IMAGES = "images"
"""The folder of Label Studio's document root that leads to the images."""
POINT_WIDTH = 0.5
"""Size of a keypoint on the screen, in percent of the image's width."""


class LabelStudio:
    """`labelstudio/tasks.json`: a task an image. Images that could not be read are left out."""

    def __init__(self, out: Path, layout: Layout) -> None:
        self.names = layout.scheme.points
        self.folder = PartialFolder(out / "labelstudio")
        self.folder.file("config.xml").write_text(config_xml(layout), encoding="utf-8")
        self.lines = PartialFile(self.folder.file("tasks.json"))
        self.between, self.count = joined("[\n"), 0

    def write(self, record: Record) -> None:
        if not record.width:
            return
        faces = plain_faces(record.faces, decimals=6)
        results = [result for i, face in enumerate(faces) for result in self._results(face, i, record)]
        qualities = [quality for face in faces if (quality := face.numbers.get("quality")) is not None]
        prediction: dict[str, Any] = {"model_version": "landmarks", "result": results}
        if qualities:
            prediction["score"] = min(qualities)  # Sorted by it, images with a doubtful face come first.
        served = f"/data/local-files/?d={IMAGES}/{quote(record.image, errors='backslashreplace')}"
        data = {"image": served, "name": record.image}
        self.lines.write(next(self.between) + json_text({"data": data, "predictions": [prediction]}))
        self.count += 1

    def close(self) -> None:
        self.lines.write("\n]\n" if self.count else "[]\n")
        self.lines.close()
        self.folder.close()

    def _results(self, face: PlainFace, index: int, record: Record) -> list[dict[str, Any]]:
        """The regions of a face: first its rectangle, then its landmarks, each with what is said of it."""
        common = {
            "to_name": "image",
            "original_width": record.width,
            "original_height": record.height,
            "image_rotation": 0,
        }
        width, height = record.width, record.height
        x0, y0, x1, y1 = box_in_image(face.box, width, height)
        place = {
            "x": _percent(x0, width), "y": _percent(y0, height),
            "width": _percent(x1 - x0, width), "height": _percent(y1 - y0, height), "rotation": 0,
        }  # fmt: skip
        parent = f"{self.count}-{index}"
        box = {"id": parent, **common}
        results = [box | _result("box", "rectanglelabels", place | {"rectanglelabels": [CATEGORY]})]
        if (score := face.numbers.get("score")) is not None:
            results[0]["score"] = score
        for name, (label, probability) in face.labels.items():
            if label is not None:
                chosen = _result(name, "choices", place | {"choices": [label]})
                results.append(box | chosen | {"score": probability})
        results += _numbers(box, place, {n: v for n, v in face.numbers.items() if n != "score"} | face.quantities)
        for k, (name, (x, y)) in enumerate(face.points.items()):
            if x is None or y is None or not in_image(x, y, width, height):
                continue
            spot = {"x": _percent(x + EDGE, width), "y": _percent(y + EDGE, height), "width": POINT_WIDTH}
            point = {"id": f"{parent}-{k}", "parentID": parent, **common}
            results.append(point | _result("points", "keypointlabels", spot | {"keypointlabels": [name]}))
            results += _numbers(point, spot, {column: values[name] for column, values in face.point_numbers.items()})
        return results


def _percent(value: float, side: int) -> float:
    return round(100 * value / side, 6)


def _result(control: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"from_name": control, "type": kind, "value": value}


def _numbers(region: dict[str, Any], place: dict[str, Any], numbers: dict[str, Plain]) -> list[dict[str, Any]]:
    return [
        region | _result(name, "number", place | {"number": value})
        for name, value in numbers.items()
        if value is not None
    ]


def config_xml(layout: Layout) -> str:
    """The labelling configuration that the tasks need."""
    from xml.sax.saxutils import quoteattr  # Here, since it imports what fetches URLs.

    lines = [
        "<View>",
        '  <Image name="image" value="$image" zoom="true" zoomControl="true"/>',
        '  <RectangleLabels name="box" toName="image">',
        f"    <Label value={quoteattr(CATEGORY)}/>",
        "  </RectangleLabels>",
        '  <KeyPointLabels name="points" toName="image" strokeWidth="2">',
        # The index is the landmark's place in Label Studio's own exports to COCO and YOLO.
        *(f'    <Label value="{name}" model_index="{i}"/>' for i, name in enumerate(layout.scheme.points)),
        "  </KeyPointLabels>",
    ]
    for name in layout.attributes:
        lines.append(f'  <Choices name="{name}" toName="image" perRegion="true" whenTagName="box" showInline="true">')
        labels = (*layout.attribute(name).labels, UNCERTAIN)
        lines += [f"    <Choice value={quoteattr(label)}/>" for label in labels]
        lines.append("  </Choices>")
    controls = [(name, "box") for name in (*layout.per_face, *layout.quantities) if name != "score"]
    controls += [(name, "points") for name in layout.per_point]
    lines += [f'  <Number name="{n}" toName="image" perRegion="true" whenTagName="{tag}"/>' for n, tag in controls]
    return "\n".join([*lines, "</View>", ""])


def read_labelstudio(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`tasks.json` as a DataFrame, a row a face. Raises DataError if it is not such a file."""
    path = path / "tasks.json" if path.is_dir() else path
    rows = []
    try:
        for task in read_json(path, list):
            faces: dict[str, list[dict[str, Any]]] = {}
            for result in task["predictions"][0]["result"]:
                faces.setdefault(result.get("parentID", result["id"]), []).append(result)
            rows += [_face(found, layout).row(task["data"]["name"], i) for i, found in enumerate(faces.values())]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: is not a Label Studio file as this package writes it ({error!r})") from error
    return as_frame(rows, layout, ("box", "numbers", "points", "attributes"))


def _face(results: list[dict[str, Any]], layout: Layout | None) -> PlainFace:
    """One face of its regions. What was left out because it does not exist is known from the layout alone."""
    per_face = layout.per_face if layout else [n.column for n in PER_FACE]
    face = PlainFace({name: [None, None] for name in layout.scheme.points} if layout else {})
    if layout:
        face.numbers = dict.fromkeys(layout.per_face)
        face.point_numbers = {column: {} for column in layout.per_point}
        face.labels = dict.fromkeys(layout.attributes, (None, None))
        face.quantities = dict.fromkeys(layout.quantities)
    of_face, of_points = ({number.column for number in numbers} for numbers in (PER_FACE, PER_POINT))
    names: dict[str, str] = {}
    for result in results:
        control, value = result["from_name"], result["value"]
        width, height = result["original_width"], result["original_height"]
        x, y = value["x"] * width / 100 - EDGE, value["y"] * height / 100 - EDGE
        if control == "box":
            face.box = [x, y, x + value["width"] * width / 100, y + value["height"] * height / 100]
            if "score" in per_face:
                face.numbers["score"] = result.get("score")
        elif control == "points":
            names[result["id"]] = value["keypointlabels"][0]
            face.points[names[result["id"]]] = [x, y]
        elif "choices" in value:
            face.labels[control] = (value["choices"][0], result["score"])
        elif control in of_points:
            face.point_numbers.setdefault(control, {})[names[result["id"]]] = value["number"]
        elif control in of_face:
            face.numbers[control] = value["number"]
        else:
            face.quantities[control] = value["number"]
    return face


FORMAT = Format(
    "labelstudio",
    LabelStudio,
    read_labelstudio,
    "labelstudio/: Label Studio predictions (SDK 2.1.2); percent from the image's corner, 6 decimals; "
    "boxes cut at the border; landmarks outside the image are left out",
)
