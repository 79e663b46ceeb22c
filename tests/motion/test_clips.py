"""Tracks and smoothing on clips made of photographs, with the shipped network and detector."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from landmarks import Annotator, RunOptions, images, read_results
from landmarks.batch.run import annotate
from landmarks.motion.smooth import Smoother
from landmarks.motion.tracks import Tracks
from landmarks.record import OK, Record
from landmarks.sources.find import find
from tests.helpers.faces import SAMPLES
from tests.helpers.packages import needs
from tests.helpers.videos import write_frames

needs("trackers", "video")
SIDE = 84
"""Of the heads that are moved, in pixels."""


@pytest.fixture(scope="module")
def annotator() -> Annotator:
    return Annotator("compact", device="cpu")


@pytest.fixture(scope="module")
def heads(annotator) -> list[np.ndarray]:
    """Two people, cut out of photographs with some room: (SIDE, SIDE, 3)."""
    found = []
    for name in ("astronaut.png", "grace_hopper.jpg"):
        pixels = images.read(SAMPLES / name).pixels
        x0, y0, x1, y1 = annotator(pixels).boxes[0]
        half = 0.8 * max(x1 - x0, y1 - y0)
        left, upper = int((x0 + x1) / 2 - half), int((y0 + y1) / 2 - half)
        cut = pixels[max(0, upper) : upper + int(2 * half), max(0, left) : left + int(2 * half)]
        found.append(cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    return found


def crossing(heads, count=48):
    """Frames in which one passes behind the other, who is hidden for a while; x of both, (count, 2)."""
    x = np.stack([np.linspace(10, 320 - SIDE - 10, count), np.linspace(320 - SIDE - 10, 10, count)], axis=1)
    frames = []
    for i, (first, second) in enumerate(x.astype(int)):
        frame = np.full((200, 320, 3), 120, np.uint8)
        for head, left, top in ((heads[1], second, 70), (heads[0], first, 50)):
            frame[top : top + SIDE, left : left + SIDE] = head
        if 34 <= i < 40:
            frame[:, first : first + SIDE] = 90
        frames.append(frame)
    return frames, x + SIDE / 2


def test_people_who_cross_keep_their_tracks(tmp_path, annotator, heads):
    frames, truth = crossing(heads)
    clip = write_frames(tmp_path / "clip.mp4", frames)
    annotate(annotator, find([clip]), tmp_path / "out", RunOptions(track=True))
    table = read_results(tmp_path / "out")
    at = table["image"].str[-6:].astype(int).to_numpy()
    middle = (table["x0"] + table["x1"]).to_numpy() / 2
    who = np.abs(truth[at] - middle[:, None]).argmin(axis=1)
    clear = np.abs(truth[at, 0] - truth[at, 1]) > 20  # In the middle of the crossing nobody can tell by the place.
    pairs = set(zip(who[clear], table["track"][clear]))
    assert len(pairs) == 2 == len({track for _, track in pairs})
    assert clear.sum() > 60


def test_a_still_photograph_with_noise(annotator):
    """Noise of 4 grey levels, 60 frames, a small face: points tremble a third as much, and no label flips."""
    rng, still = np.random.default_rng(0), images.read(SAMPLES / "astronaut.png").pixels
    boxes = annotator(still).boxes
    noisy = (np.clip(still + rng.normal(0, 4, still.shape), 0, 255).astype(np.uint8) for _ in range(60))
    follow, smoother = Tracks(), Smoother()
    before, after = [], []
    for i, pixels in enumerate(noisy):
        (faces,) = annotator.predict([pixels], [boxes + rng.normal(0, 1, boxes.shape)])
        record = follow(Record(f"a.mp4/{i:06}", OK, faces, frame=i, time=i / 25))
        before.append(record.faces)
        after.append(smoother(record).faces)

    def tremble(found) -> float:
        return np.stack([faces.points for faces in found]).std(axis=0).mean()

    assert tremble(after) <= tremble(before) / 3
    for name in after[0].attributes:
        assert len({faces.attributes[name].labels[0] for faces in after}) == 1
