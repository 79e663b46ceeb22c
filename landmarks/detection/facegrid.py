"""The face detector that comes with the package; see weights/detector.md."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landmarks import shipped
from landmarks.detection.base import Detections
from landmarks.detection.overlap import agree
from landmarks.detection.search import MOST_ENLARGED, fit
from landmarks.errors import DetectorError, WeightsError
from landmarks.geometry import BoxRule, grid_cells
from landmarks.sessions import open_session
from landmarks.shipped import intact

FILE = "detector.int8.onnx"
STRIDES = (8, 16, 32, 64)
"""Pixels between the cells of its grids."""
GRIDS = [f"grid{stride}" for stride in STRIDES]
LOGIT, BOX = 0, slice(1, 5)
"""Where a cell's 15 numbers say the score, the distances of the box's sides, in strides, before softplus."""
MAX_CELLS = 3000
"""The cells of the highest scores are looked at, and no more: in noise all might be."""
LEAST_SAID = 0.02
"""Score from which a cell has a say in a face that another one sees better."""
MAX_OVERLAP = 0.45
"""Of two boxes whose intersection over union is larger, the one with the lower score goes. Chosen on WIDER
FACE's validation events: at 0.3 the faces of crowds hid each other."""


class FaceGrid:
    """Finds faces in one look at one copy of a picture; its card says of which sizes. Threads may share it.

    Raises DetectorError if its file is missing or no face detector of this package.
    """

    name = "facegrid"
    # landmarks.studies.detectors.fit_rule on 1,500 training faces of MTFL.
    rule = BoxRule(shift_y=0.075, extent=0.436)

    def __init__(self, model: str | Path | None = None, threshold: float = 0.5, max_side: int = 640) -> None:
        """model: an exported detector; None: the one that comes with the package."""
        self.threshold, self.max_side = threshold, max_side
        path = Path(model or shipped.SHIPPED / FILE)
        cure = "install the package again" if model is None else "give a file that `landmarks export` wrote"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DetectorError(f"{path}: cannot be read ({error.strerror}); {cure}") from error
        if not intact(path, data):
            raise DetectorError(f"{path}: does not have the checksum in SHA256SUMS; {cure}")
        try:
            self._session = open_session(data, str(path))
        except WeightsError as error:
            raise DetectorError(f"{path}: cannot be run; {cure}") from error
        if [output.name for output in self._session.get_outputs()] != GRIDS:
            raise DetectorError(f"{path}: holds no face detector; {cure}")
        self._sha256 = hashlib.sha256(data).hexdigest()

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        copy, factors = fit(image, self.max_side)
        boxes, scores = agree(*self.find(copy), self.threshold, MAX_OVERLAP)
        return Detections(boxes * np.tile(factors, 2) - 0.5, scores)

    @property
    def least_side(self) -> int:
        return self.max_side

    def settings(self) -> dict[str, Any]:
        looks = {"max_side": self.max_side, "most_enlarged": MOST_ENLARGED}
        return {"threshold": self.threshold, **looks, "weights": self._sha256}

    def find(self, copy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the cells find in a picture (H, W, 3) uint8 RGB: boxes (N, 4) measured from its corner, scores (N,) from
        LEAST_SAID on."""
        height, width = copy.shape[:2]
        step = STRIDES[-1]
        canvas = cv2.copyMakeBorder(copy, 0, -height % step, 0, -width % step, cv2.BORDER_CONSTANT)
        height, width = canvas.shape[:2]
        grids = self._session.run(GRIDS, {"pixels": canvas.reshape(1, height, width // 4, 12)})
        logits = np.concatenate([grid[0, LOGIT].ravel() for grid in grids])
        seen = np.flatnonzero(logits >= np.log(LEAST_SAID / (1 - LEAST_SAID)))
        if len(seen) > MAX_CELLS:
            seen = seen[np.argpartition(-logits[seen], MAX_CELLS)[:MAX_CELLS]]
        centre, stride = np.split(grid_cells(height, width, STRIDES)[seen], [2], axis=1)
        told = np.concatenate([grid[0, BOX].reshape(4, -1) for grid in grids], axis=1)[:, seen].T
        away = np.logaddexp(0, told) * stride
        return np.concatenate([centre - away[:, :2], centre + away[:, 2:]], axis=1), 1 / (1 + np.exp(-logits[seen]))
