"""No detector: every image is one face."""

from __future__ import annotations

from typing import Any

import numpy as np

from landmarks.detection.base import Detections
from landmarks.geometry import BoxRule


class WholeImage:
    """Takes every image for one face, cut out already."""

    name = "whole-image"
    least_side = None
    rule = BoxRule()

    def __call__(self, image: np.ndarray, name: str = "") -> Detections:
        height, width = image.shape[:2]
        return Detections(np.array([[-0.5, -0.5, width - 0.5, height - 0.5]]), np.array([np.nan]))

    def settings(self) -> dict[str, Any]:
        return {}
