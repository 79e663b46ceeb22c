"""Faces in the terms of other libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from landmarks.errors import LandmarksError
from landmarks.faces import PER_FACE, PER_POINT

if TYPE_CHECKING:
    from landmarks.faces import Faces


def to_supervision(faces: Faces) -> Any:
    """See `Faces.to_supervision`."""
    try:
        from supervision import Detections
    except ImportError as error:
        raise LandmarksError(f"to_supervision needs supervision ({error}); pip install supervision") from error
    labels = {name: scores.labels for name, scores in faces.attributes.items()}
    labels |= {name: quantity.values for name, quantity in faces.quantities.items()}
    return Detections(
        xyxy=faces.boxes,
        confidence=None if np.isnan(faces.scores).any() else faces.scores,
        class_id=np.zeros(len(faces), int),
        tracker_id=None if faces.track is None else np.nan_to_num(faces.track, nan=-1).astype(int),
        data={"points": faces.points, **labels},
    )


def to_fiftyone(faces: Faces, width: int, height: int) -> dict[str, Any]:
    """See `Faces.to_fiftyone`."""
    try:
        from fiftyone import Detection, Detections, Keypoint, Keypoints
    except ImportError as error:
        raise LandmarksError(f"to_fiftyone needs fiftyone ({error}); pip install fiftyone") from error
    if min(width, height) < 1:
        raise ValueError(f"there is no image of {width} x {height} pixels")
    # Shares of the image's sides, from its corner, where its first pixel begins.
    corners, places = (
        (array.astype(float) + 0.5) / (width, height) for array in (faces.boxes.reshape(-1, 2, 2), faces.points)
    )
    seen = ((places >= 0) & (places <= 1)).all(axis=2, keepdims=True)
    places = np.where(seen, places, np.nan)
    detections, keypoints = [], []
    for number, face in enumerate(faces):
        facts: dict[str, Any] = {name: _plain(values[0]) for name, values in face.numbers(PER_FACE).items()}
        for name, scores in face.attributes.items():
            facts |= {name: str(scores.labels[0]), f"{name}_probability": _plain(scores.confidence[0])}
        facts |= {name: _plain(quantity.values[0]) for name, quantity in face.quantities.items()}
        track = facts.pop("track", None)
        common = {"label": "face", "index": None if track is None else int(track)}
        low, high = corners[number]
        box = [*low.tolist(), *(high - low).tolist()]
        detections.append(Detection(bounding_box=box, confidence=facts.pop("score"), **common, **facts))
        of_points = {f"{name}s": list(map(_plain, values[0])) for name, values in face.numbers(PER_POINT).items()}
        keypoints.append(Keypoint(points=places[number].tolist(), **common, **of_points))
    return {"faces": Detections(detections=detections), "landmarks": Keypoints(keypoints=keypoints)}


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
