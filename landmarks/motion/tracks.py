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
JITTER, DRIFT, START_SPEED = 1 / 15, 1 / 450, 1 / 4
"""Standard deviations in sides of a face's box: of a box about the true one, much of it where another face begins to
hide this one; of the change of place and speed from frame to frame; of the speed at first, a frame."""
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
            self._tune()
            for place, number in zip(whole, found.tracker_id):
                if number >= 0:
                    track[place] = self._numbers.setdefault(int(number), len(self._numbers))
        return replace(record, faces=replace(faces, track=track))

    def _tune(self) -> None:
        """Give new tracks the noise of faces, by parts of the library that may change: setup.cfg allows what was tried.

        The library's own is that of boxes that are true to a third of a pixel: a face that is lost while it goes behind
        another one would be looked for where its last halves were."""
        for one in self._tracker.trackers:
            if one.number_of_successful_updates == 1 and one.time_since_update == 0:
                box = one.get_state_bbox()
                variance = float(max(box[2] - box[0], box[3] - box[1])) ** 2
                place, speed = np.ones(4, np.float32), np.zeros(4, np.float32)
                one.R = np.diag(place) * JITTER**2 * variance
                one.Q = np.eye(8, dtype=np.float32) * DRIFT**2 * variance
                of_place, of_speed = np.concatenate([place, speed]), np.concatenate([speed, place])
                one.P = np.diag(of_place * JITTER**2 + of_speed * START_SPEED**2) * variance

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
