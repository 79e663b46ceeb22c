"""COCO keypoints (the object keypoint format of COCO 2014 to 2017): `coco.json`.

Keypoints are x, y, v with pixel centres at integers, as COCO's annotators counted; v is 2 for every landmark in the
image, since the network says nothing of occlusion, and 0 0 0, not labelled, stands for one outside the image or without
coordinates: nobody can see it there, and COCO's evaluation counts what is labelled. bbox is x, y, width,
height from the corner of the image. Beside COCO's fields an annotation has `score`, the other numbers of a face,
`keypoints_error` and the like for those of its landmarks, `face` (its number in its image) and `attributes`, among them
quantities by their names.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmarks.atomic import PartialFile
from landmarks.errors import DataError
from landmarks.faces import PER_FACE, PER_POINT
from landmarks.formats.format import Format
from landmarks.formats.layout import Layout, as_frame, is_label
from landmarks.formats.plain import Plain, PlainFace, plain_faces
from landmarks.formats.tools.shared import CATEGORY, EDGE, box_or_zero, edges, in_image, joined, json_text, read_json

if TYPE_CHECKING:
    import pandas as pd

    from landmarks.record import Record


class Coco:
    """`coco.json`. Images that could not be read have no size and are left out."""

    def __init__(self, out: Path, layout: Layout) -> None:
        category = {
            "id": 1,
            "name": CATEGORY,
            "supercategory": "person",
            "keypoints": list(layout.scheme.points),
            "skeleton": [[a + 1, b + 1] for a, b in edges(layout.scheme)],  # COCO counts keypoints from 1.
        }
        info = {"description": "Faces found by landmarks", "version": "1.0"}
        self.names = layout.scheme.points
        # COCO lists images before annotations: the latter wait in a file of their own, not in memory.
        self.lines, self.annotations = PartialFile(out / "coco.json"), PartialFile(out / "coco.annotations")
        head = json_text({"info": info, "licenses": [], "categories": [category]})
        self.lines.write(f'{head[:-1]},\n"images":[\n')
        self.between_images, self.between_annotations = joined(), joined()
        self.images = self.faces = 0

    def write(self, record: Record) -> None:
        if not record.width:
            return
        self.images += 1
        image = {"id": self.images, "file_name": record.image, "width": record.width, "height": record.height}
        self.lines.write(next(self.between_images) + json_text(image))
        for index, face in enumerate(plain_faces(record.faces)):
            self.faces += 1
            annotation = {"id": self.faces, "image_id": self.images, "face": index, **_annotation(face, record)}
            self.annotations.write(next(self.between_annotations) + json_text(annotation))

    def close(self) -> None:
        self.lines.write('\n],\n"annotations":[\n')
        self.annotations.file.seek(0)
        shutil.copyfileobj(self.annotations.file, self.lines.file)
        self.lines.write("\n]}\n")
        self.annotations.discard()
        self.lines.close()


def _annotation(face: PlainFace, record: Record) -> dict[str, Any]:
    x0, y0, x1, y1 = box_or_zero(face.box)
    width, height = round(x1 - x0, 4), round(y1 - y0, 4)
    size = record.width, record.height
    seen = [in_image(x, y, *size) for x, y in face.points.values()]
    points = [[*point, 2] if one else [0, 0, 0] for point, one in zip(face.points.values(), seen)]
    attributes: dict[str, Any] = {}
    for name, (label, probability) in face.labels.items():
        if label is not None:  # Other tools' importers fail on null: what does not exist is left out.
            attributes |= {name: label, f"{name}_probability": probability}
    attributes |= {name: value for name, value in face.quantities.items() if value is not None}
    return {
        "category_id": 1,
        "iscrowd": 0,
        "segmentation": [],
        "bbox": [x0, y0, width, height],
        "area": round(width * height, 4),
        "num_keypoints": sum(seen),
        "keypoints": [value for point in points for value in point],
        **{f"keypoints_{column}": list(values.values()) for column, values in face.point_numbers.items()},
        **{column: value for column, value in face.numbers.items() if value is not None},
        "attributes": attributes,
    }


def read_coco(path: Path, layout: Layout | None = None) -> pd.DataFrame:
    """`coco.json` as a DataFrame, a row a face. Raises DataError if it is not such a file."""
    document = read_json(path, dict)
    try:
        images = {image["id"]: image["file_name"] for image in document["images"]}
        names = {category["id"]: category["keypoints"] for category in document["categories"]}
        rows = [
            _face(annotation, names[annotation["category_id"]]).row(images[annotation["image_id"]], annotation["face"])
            for annotation in document["annotations"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: is not COCO keypoints as this package writes them ({error!r})") from error
    return as_frame(rows, layout, ("box", "numbers", "points", "attributes"))


def _face(annotation: dict[str, Any], names: list[str]) -> PlainFace:
    x, y, width, height = annotation["bbox"]
    flat = annotation["keypoints"]
    points: dict[str, list[Plain]] = {
        name: [px, py] if v > 0 else [None, None] for name, px, py, v in zip(names, flat[::3], flat[1::3], flat[2::3])
    }
    attributes = annotation.get("attributes", {})
    return PlainFace(
        points,
        [x - EDGE, y - EDGE, x + width - EDGE, y + height - EDGE],
        {number.column: annotation[number.column] for number in PER_FACE if number.column in annotation},
        {
            number.column: dict(zip(names, annotation[f"keypoints_{number.column}"]))
            for number in PER_POINT
            if f"keypoints_{number.column}" in annotation
        },
        {
            name: (label, attributes.get(f"{name}_probability"))
            for name, label in attributes.items()
            if is_label(name, attributes)
        },
        quantities={
            name: value
            for name, value in attributes.items()
            if type(value) in (int, float) and not is_label(name.removesuffix("_probability"), attributes)
        },
    )


FORMAT = Format(
    "coco.json",
    Coco,
    read_coco,
    "coco.json: COCO keypoints (2014-2017); 4 decimals; bbox measured from the image's corner; v 2: has coordinates, "
    "0: has none; images that could not be read are left out, here and in the formats below",
)
