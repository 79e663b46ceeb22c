"""One file of an annotation tool, whichever it is."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from landmarks.errors import DataError, told
from landmarks.review.exports import coco, cvat, labelstudio
from landmarks.review.exports.exported import Export
from landmarks.schemes import Scheme


def read_export(path: Path, scheme: Scheme) -> Export:
    """Label Studio's JSON export, CVAT for images or COCO keypoints. Raises DataError for anything else."""
    try:
        if path.suffix.lower() == ".xml":
            return Export(cvat.TOOL, cvat.read(path))
        document = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(document, list):
            return Export(labelstudio.TOOL, labelstudio.read(document))
        return Export(coco.TOOL, coco.read(document, scheme))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({told(error)})") from error
    except (ElementTree.ParseError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: is none of Label Studio's JSON export, CVAT for images 1.1 (.xml) and COCO keypoints ({error!r})"
        ) from error
