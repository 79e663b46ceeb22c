"""OpenCV's YuNet, for those who have its file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landmarks.detection.any_size import of_any_size
from landmarks.detection.base import Detections
from landmarks.detection.model_file import read_verified
from landmarks.detection.search import search, shrink
from landmarks.errors import DetectorError
from landmarks.geometry import BoxRule, grid_cells
from landmarks.sessions import open_session

SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
STRIDES = (8, 16, 32)
"""Pixels between the cells of its grids."""
VARIABLE = "LANDMARKS_YUNET"
URL = "https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"


class YuNet:
    """OpenCV's YuNet (MIT licence), many times faster than CenterFace; its file is the user's to fetch.

    Raises DetectorError if the file is missing or another one.
    """

    name = "yunet"
    # landmarks.studies.detectors.fit_rule on 1,500 training faces of MTFL.
    rule = BoxRule(shift_y=0.072, extent=0.428)

    def __init__(self, model: str | Path | None = None, threshold: float = 0.7, max_side: int = 640) -> None:
        """model: its ONNX file; None: the one that the environment variable LANDMARKS_YUNET names."""
        self.threshold, self.max_side = threshold, max_side
        cure = f"fetch face_detection_yunet_2023mar.onnx from {URL} and name it in {VARIABLE}"
        model = model or os.environ.get(VARIABLE)
        if not model:
            raise DetectorError(f"YuNet needs its model file; {cure}")
        # onnxruntime takes a quarter of the time that OpenCV does.
        graph = of_any_size(read_verified(Path(model), SHA256, cure))
        # One thread: a photograph takes some milliseconds, which more of them do not shorten by what they cost others.
        self._network = open_session(graph, str(model), threads=1)

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        small, factors = shrink(image, self.max_side)
        found = search(small, self._find, self.max_side)
        return Detections((found.boxes + 0.5) * np.tile(factors, 2) - 0.5, found.scores)

    @property
    def least_side(self) -> int:
        return self.max_side

    def settings(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "max_side": self.max_side}

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in STRIDES]
        found = self._network.run(names, {"input": cv2.dnn.blobFromImage(canvas, swapRB=True)})
        # Of each cell of the three grids: (n, 1), (n, 1) and (n, 4).
        of_class, of_object, box = (np.concatenate(found[i : i + 3], axis=1)[0] for i in (0, 3, 6))
        scores = np.sqrt(of_class.clip(0, 1) * of_object.clip(0, 1))[:, 0]
        seen = np.flatnonzero(scores >= self.threshold)
        height, width = canvas.shape[:2]
        centre, strides = np.split(grid_cells(height, width, STRIDES)[seen], [2], axis=1)
        # It measures from the first pixel of a cell, and that from its centre.
        centre = centre + (box[seen, :2] - 0.5) * strides + 0.5
        half = np.exp(box[seen, 2:]) * strides / 2
        return np.concatenate([centre - half, centre + half], axis=1), scores[seen]
