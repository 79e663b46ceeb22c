from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.motion.tracks import Tracks
from landmarks.record import Record
from tests.helpers.packages import needs
from tests.helpers.results import record, some_faces

needs("trackers", "video")


def frame(number: int, boxes, video: str = "clip.mp4", step: float = 0.04) -> Record:
    """The record of a frame with faces in these boxes: (N, 4)."""
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    faces = replace(some_faces(len(boxes)), boxes=boxes)
    return record(faces, f"{video}/{number:06}", frame=number, time=step * number)


def tracks_of(records) -> list[list[float]]:
    follow = Tracks()
    return [follow(one).faces.track.tolist() for one in records]


def paths(count: int) -> np.ndarray:
    """Boxes of four people, (count, 4, 4): two cross, one comes nearer, one stands behind."""
    t = np.arange(count)[:, None]
    side = np.array([60, 56, 40, 50]) * np.where(np.arange(4) == 2, 1 + t / count, 1)
    x = np.concatenate([20 + 2.6 * t, 330 - 2.6 * t, 150 + 0 * t, 280 + 0.3 * t], axis=1)
    y = np.concatenate([60 + 0 * t, 70 + 0.1 * t, 190 - 0.2 * t, 160 + 0 * t], axis=1)
    centres = np.stack([x, y], axis=-1)
    return np.concatenate([centres - side[..., None] / 2, centres + side[..., None] / 2], axis=-1)


def overlap(a, b) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


@pytest.mark.parametrize("seed", range(4))
def test_crossings_and_short_losses(seed):
    """Boxes tremble as a detector's do, a face behind another is hidden, and any face is lost now and then."""
    rng, boxes = np.random.default_rng(seed), paths(110)
    seen: list[list[int]] = []
    records = []
    for i, at in enumerate(boxes):
        here = [k for k in range(4) if not (k == 1 and overlap(at[0], at[1]) > 0.3) and (i < 5 or rng.random() > 0.05)]
        if 40 <= i < 52:
            here = [k for k in here if k != 2]
        rng.shuffle(here)
        seen.append(here)
        records.append(frame(i, at[here] + rng.normal(0, 1.5, (len(here), 4))))
    pairs = {(k, track) for here, tracks in zip(seen, tracks_of(records)) for k, track in zip(here, tracks)}
    assert len(pairs) == 4 == len({track for _, track in pairs})


def test_few_frames_of_a_fast_face():
    """Of a video of which one frame in ten is taken: it moves by a third, then by half of its width."""
    records = [frame(i, [[20 * i + i * i, 50, 60 + 20 * i + i * i, 110]], step=0.4) for i in range(8)]
    assert tracks_of(records) == [[0]] * 8


def test_each_video_begins_at_0_and_images_have_none():
    box = [10, 10, 60, 60]
    records = [frame(0, [box], "b.mp4"), record(some_faces(2)), frame(0, [box, box], "a.mp4"), frame(1, [box], "a.mp4")]
    first, image, *second = tracks_of(records)
    assert first == [0] and np.isnan(image).all() and sorted(second[0]) == [0, 1] and second[1][0] in (0, 1)


@pytest.mark.parametrize(
    ("step", "gap", "same"), [(0.04, 20, True), (0.04, 40, False), (0.2, 4, True), (0.2, 8, False)]
)
def test_a_face_keeps_its_track_for_a_second(step, gap, same):
    box = [10, 10, 60, 60]
    records = [frame(i, [box] if i < 5 or i >= 5 + gap else [], step=step) for i in range(6 + gap)]
    tracks = tracks_of(records)
    assert tracks[4] == [0] and tracks[-1] == [0 if same else 1]


def test_boxes_that_are_none():
    nan = float("nan")
    (tracks,) = tracks_of([frame(0, [[nan] * 4, [5, 5, 5, 9], [0, 0, 50, 50], [9, 9, 2, 2]])])
    assert tracks[2] == 0 and np.isnan([tracks[0], tracks[1], tracks[3]]).all()


def test_no_faces_at_all():
    empty = Faces.empty(calibrated=True)
    assert tracks_of([record(empty, "a.mp4/000000", frame=0), record(empty, "a.mp4")]) == [[], []]


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "trackers", None)
    with pytest.raises(LandmarksError, match=r"pip install 'landmarks\[video\]'"):
        Tracks()
