"""Smoothing over the frames of a video: steady points for faces that are still, no lag for faces that move.

Points: the One-Euro filter (Casiez, Roussel and Vogel, 1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy
Input in Interactive Systems, CHI 2012), a low pass whose cut-off rises with the speed. Labels: probabilities are
averaged over time, and a label changes only when another one is clearly more probable (hysteresis). Quantities follow
as fast as the points do on average: what turns or opens moves these, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from landmarks.faces import Faces
from landmarks.geometry import face_squares
from landmarks.motion.tracks import LOST_SECONDS, seconds_of, video_of
from landmarks.record import Record
from landmarks.scores import AttributeScores, QuantityValues

REST_HZ = 0.1
"""Cut-off for a point at rest."""
HZ_PER_SPEED = 5.0
"""By how much the cut-off rises with the speed, which is in face sizes a second."""
SPEED_HZ = 0.8
"""Cut-off of the speed itself."""
LABEL_HZ = 0.4
"""Cut-off of the probabilities of labels."""
ANGLES = ("yaw", "pitch", "roll")
MAYBE, VALUE = " is uncertain", " in its unit"
MARGIN = 0.1
"""By so much another label must be more probable than the one that holds."""


@dataclass
class _Past:
    """What is remembered of a track."""

    time: float
    raw: np.ndarray
    """(2 + K + A, 2) as they came: the corners of the box, the points, and A angles."""
    smooth: np.ndarray
    speed: np.ndarray
    """(2 + K + A, 2) face sizes a second."""
    probabilities: dict[str, np.ndarray]
    """By attribute: (C,)."""
    labels: dict[str, int]
    frames: int = 1
    """For so many it was followed."""


class Smoother:
    """Smooths the faces of records in the order of the frames, each track by itself.

    Faces without a track stay as they are. What is remembered does not grow with the video.
    """

    def __init__(self) -> None:
        self._video = ""
        self._tracks: dict[int, _Past] = {}

    def __call__(self, record: Record) -> Record:
        """The record with smooth boxes, points, angles and probabilities."""
        faces, video, time = record.faces, video_of(record), seconds_of(record)
        if video != self._video:
            self._video, self._tracks = video, {}
        self._tracks = {t: past for t, past in self._tracks.items() if time - past.time <= LOST_SECONDS}
        if not len(faces) or faces.track is None:
            return record
        sizes = _sizes(faces)
        angles = {name: value for name in ANGLES if (value := getattr(faces, name)) is not None}
        # An angle is a point on a circle as large as the face: it has no end at 180 degrees, and the speed of a place.
        turns = [sizes[:, None] * _on_circle(value) for value in angles.values()]
        places = np.concatenate([faces.boxes.reshape(-1, 2, 2), faces.points, *(t[:, None] for t in turns)], axis=1)
        classes = _classes(faces)
        for i, track in enumerate(faces.track):
            if np.isfinite(track):
                now = {name: values[i].copy() for name, values in classes.items()}
                past = self._tracks[int(track)] = _follow(self._tracks.get(int(track)), time, places[i], sizes[i], now)
                places[i] = past.smooth
                for name, values in classes.items():
                    values[i] = _holding(past.probabilities[name], past.labels[name])
        last = 2 + len(faces.scheme)
        smooth = replace(
            faces,
            boxes=places[:, :2].reshape(-1, 4),
            points=places[:, 2:last],
            attributes={name: _scores(scores, name, classes) for name, scores in faces.attributes.items()},
            quantities={
                name: QuantityValues(one.quantity, classes[name + VALUE][:, 0])
                for name, one in faces.quantities.items()
            },
            **{
                name: np.degrees(np.arctan2(places[:, last + i, 1], places[:, last + i, 0]))
                for i, name in enumerate(angles)
            },
        )
        return replace(record, faces=smooth)


def _classes(faces: Faces) -> dict[str, np.ndarray]:
    """By attribute: (N, C) probabilities, a copy; and (N, 2) of whether it is uncertain, where that is told. By
    quantity: (N, 1) values."""
    classes = {name: scores.probabilities.copy() for name, scores in faces.attributes.items()}
    for name, scores in faces.attributes.items():
        if scores.uncertain is not None:
            classes[name + MAYBE] = np.eye(2, dtype=np.float32)[scores.uncertain.astype(int)]
    classes |= {name + VALUE: one.values[:, None].copy() for name, one in faces.quantities.items()}
    return classes


def _scores(scores: AttributeScores, name: str, classes: dict[str, np.ndarray]) -> AttributeScores:
    """The scores of an attribute with what `classes` holds of it in their place."""
    uncertain = classes.get(name + MAYBE)
    return AttributeScores(
        scores.attribute, classes[name], None if uncertain is None else uncertain.argmax(axis=1) == 1
    )


def _on_circle(degrees: np.ndarray) -> np.ndarray:
    """(N,) -> (N, 2) points of the circle of radius 1."""
    radians = np.radians(degrees.astype(np.float64))
    return np.stack([np.cos(radians), np.sin(radians)], axis=-1)


def _follow(
    past: _Past | None, time: float, raw: np.ndarray, size: float, probabilities: dict[str, np.ndarray]
) -> _Past:
    """A track one frame later. raw: (2 + K + A, 2) pixels; size: of the face, pixels."""
    if past is None or time <= past.time:
        labels = {name: int(values.argmax()) for name, values in probabilities.items()}
        return _Past(time, raw, raw, np.zeros_like(raw), probabilities, labels)
    step = time - past.time
    moved = np.nan_to_num((raw - past.raw) / (size * step))
    speed = past.speed + _share(SPEED_HZ, step) * (moved - past.speed)
    cut_off = REST_HZ + HZ_PER_SPEED * np.linalg.norm(speed, axis=1, keepdims=True)
    frames = past.frames + 1
    mean = 1 / frames  # The first frames are averaged, so that the very first counts no more than the others.
    follow = np.maximum(_share(cut_off, step), mean)
    smooth = past.smooth + follow * (raw - past.smooth)
    smooth = np.where(np.isfinite(smooth), smooth, raw)  # A point that did not exist begins anew.
    of_labels, of_values = np.maximum(_share(LABEL_HZ, step), mean), follow.mean()
    average = {}
    for name, new in probabilities.items():
        old, share = past.probabilities[name], of_values if name.endswith(VALUE) else of_labels
        average[name] = np.where(np.isfinite(old), old + share * (new - old), new)
    labels = {}
    for name, values in average.items():
        held = past.labels[name]
        labels[name] = int(values.argmax()) if values.max() - values[held] > MARGIN else held
    return _Past(time, raw, smooth, speed, average, labels, frames)


def _share(cut_off: float | np.ndarray, step: float) -> float | np.ndarray:
    """The weight of the newest value in a low pass. cut_off: Hz; step: seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cut_off * step))


def _holding(probabilities: np.ndarray, label: int) -> np.ndarray:
    """(C,) with `label` the most probable class, by a hair if it is not; they still sum to 1."""
    if not np.isfinite(probabilities).all() or probabilities.argmax() == label:
        return probabilities
    held = probabilities.copy()
    held[label] = probabilities.max() + 1e-3
    return held / held.sum()


def _sizes(faces: Faces) -> np.ndarray:
    """The size of each face in pixels, of its points or else of its box: (N,), above 0."""
    boxes = np.sqrt(np.maximum((faces.boxes[:, 2:] - faces.boxes[:, :2]).prod(axis=1), 1))
    sizes = face_squares(faces.points, faces.scheme, 1.0)[:, 2]
    return np.where(np.isfinite(sizes) & (sizes > 1), sizes, np.where(np.isfinite(boxes), boxes, 1.0))
