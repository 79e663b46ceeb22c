"""Which of several boxes is the face that an image was cut out for."""

from __future__ import annotations

import numpy as np


def middle_box(boxes: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Of boxes (N, 4), at least one, that nearest to the middle of the picture (H, W, 3) in units of its size -> (4,).

    Neighbours may be larger than the face that an image was cut out for.
    """
    height, width = picture.shape[:2]
    offset = (boxes[:, :2] + boxes[:, 2:]) / 2 - [(width - 1) / 2, (height - 1) / 2]
    size = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-6))
    return boxes[(np.linalg.norm(offset, axis=1) / size).argmin()]
