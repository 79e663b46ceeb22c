"""Boxes (x0, y0, x1, y1) of faces: how large they are, how much they overlap, and one of the many that tell a face."""

from __future__ import annotations

import numpy as np

from landmarks.detection.search import suppress

SAME = 0.6
"""Intersection over union from which boxes tell the same face."""
AT_ONCE = 256
"""Boxes that are compared with all others at a time, so that noise does not fill the memory."""


def sizes(boxes: np.ndarray) -> np.ndarray:
    """Root of the area. (N, 4) -> (N,)."""
    return np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1))


def overlaps(first: np.ndarray, second: np.ndarray, pixel: float = 0.0) -> np.ndarray:
    """Intersection over union of all pairs. (N, 4), (M, 4) -> (N, M); pixel: 1 where the last one belongs to a box."""
    low, high = np.maximum(first[:, None, :2], second[None, :, :2]), np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.maximum(high - low + pixel, 0).prod(axis=2)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2] + pixel, 0).prod(axis=1) for boxes in (first, second)]
    return common / np.maximum(areas[0][:, None] + areas[1][None, :] - common, 1e-9)


def agree(boxes: np.ndarray, scores: np.ndarray, least: float, max_overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """One box and one score a face, of what several cells say of it: (N, 4), (N,) -> (n, 4), (n,), best score first.

    Boxes that one of a higher score overlaps by more than `max_overlap` go, those with less than `least` say nothing of
    their own. A box becomes the mean of those that tell the same face, weighted by overlap and squared score (box
    voting: Gidaris and Komodakis, ICCV 2015, section 5). Its score is the mean of its own and of the mean of the two
    highest, a missing one 0: what no second cell saw is less sure.
    """
    own = np.flatnonzero(scores >= least)
    keep = own[suppress(boxes[own], scores[own], max_overlap)]
    places, means = [np.zeros((0, 4))], [np.zeros(0)]
    for part in np.array_split(keep, range(AT_ONCE, len(keep), AT_ONCE)):
        table = overlaps(boxes[part], boxes)
        told = np.where(table >= SAME, scores, 0.0)
        weights = table * told**2
        places.append(weights @ boxes / weights.sum(axis=1, keepdims=True))
        second = np.partition(told, -2, axis=1)[:, -2] if len(boxes) > 1 else np.zeros(len(part))
        means.append(0.75 * scores[part] + 0.25 * second)
    joined = np.concatenate(means)
    order = np.argsort(-joined, kind="stable")
    order = order[joined[order] >= least]
    return np.concatenate(places)[order], joined[order]
