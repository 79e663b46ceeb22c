"""Tracks: which faces of a video's frames are the same one.

Association is SORT's (Bewley et al., Simple Online and Realtime Tracking, ICIP 2016), by the library trackers: each
track foretells its box with a constant speed, and boxes go to the tracks that they overlap most.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.record import Record

LOST_SECONDS = 1.0
"""For so long a face may be hidden and keep its track."""
LEAST_OVERLAP = 0.15
"""Intersection over union of a box and of what its track foretold; a face that turns its head changes its box."""
FRAME_SECONDS = 0.04
"""Between two frames, where a file does not say."""


class Tracks:
    """Gives faces their tracks, record by record in the order of the frames.

    Tracks of each video are numbered from 0 as they begin; faces of records that are no frames get NaN. Raises
    LandmarksError if the extra `video` is not installed.
    """

    def __init__(self) -> None:
        try:
            from supervision import Detections
            from trackers import SORTTracker
        except ImportError as error:
            cure = "pip install 'landmarks[video]'"
            raise LandmarksError(f"tracks need the library trackers ({error}); {cure}") from error
        self._detections = Detections
        self._tracker = SORTTracker(
            track_activation_threshold=0, minimum_consecutive_frames=1, minimum_iou_threshold=LEAST_OVERLAP
        )
        self._video = ""
        self._time = 0.0
        self._numbers: dict[int, int] = {}

    def __call__(self, record: Record) -> Record:
        """The record with the tracks of its faces."""
        faces = record.faces
        track = np.full(len(faces), np.nan, np.float32)
        if record.frame is not None:
            self._move_on(record)
            whole = np.flatnonzero(_has_area(faces))
            found = self._tracker.update(self._detections(xyxy=faces.boxes[whole].astype(np.float64)))
            for place, number in zip(whole, found.tracker_id):
                if number >= 0:
                    track[place] = self._numbers.setdefault(int(number), len(self._numbers))
        return replace(record, faces=replace(faces, track=track))

    def _move_on(self, record: Record) -> None:
        """Begin anew with a new video, and tell the tracker how many frames it may miss a face."""
        video, time = video_of(record), seconds_of(record)
        if video != self._video:
            self._tracker.reset()
            self._numbers = {}
        step = time - self._time if video == self._video else FRAME_SECONDS
        self._tracker.maximum_frames_without_update = max(1, round(LOST_SECONDS / max(step, 1e-3)))
        self._video, self._time = video, time


def video_of(record: Record) -> str:
    """The name of the video that a record's frame belongs to; empty for an image."""
    return "" if record.frame is None else record.image.rpartition("/")[0]


def seconds_of(record: Record) -> float:
    """When a frame is shown; by its number, where its file does not say."""
    return record.time if record.time is not None else (record.frame or 0) * FRAME_SECONDS


def _has_area(faces: Faces) -> np.ndarray:
    """Which boxes can overlap anything: (N,) bool."""
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return np.isfinite(faces.boxes).all(axis=1) & (sides > 0).all(axis=1)
