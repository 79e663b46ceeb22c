from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from landmarks.motion.smooth import Smoother
from landmarks.record import Record
from landmarks.schemes import SMILE, Quantity
from landmarks.scores import AttributeScores, QuantityValues
from tests.helpers.results import record, some_faces

SHAPE = np.array([[-1, -1], [1, -1], [0, 0], [-0.8, 1], [0.8, 1]]) / 2  # As large as 1.
SIZE, BOX = 100.0, 180.0


def frames(centres, noise=0.0, smile=None, step=0.04, seed=0) -> list[Record]:
    """A face of SIZE pixels whose centre goes that way: (T, 2); smile: (T,) its probability."""
    rng, found = np.random.default_rng(seed), []
    for i, centre in enumerate(np.asarray(centres, float)):
        faces = replace(
            some_faces(1, attributes=("smile",)),
            boxes=np.concatenate([centre - BOX / 2, centre + BOX / 2])[None] + rng.normal(0, noise, (1, 4)),
            points=(centre + SIZE * SHAPE)[None] + rng.normal(0, noise, (1, 5, 2)),
            track=np.zeros(1),
        )
        if smile is not None:
            p = np.float32(smile[i])
            faces = replace(faces, attributes={"smile": AttributeScores(SMILE, np.array([[1 - p, p]], np.float32))})
        found.append(record(faces, f"a.mp4/{i:06}", frame=i, time=step * i))
    return found


def points(records) -> np.ndarray:
    return np.concatenate([one.faces.points for one in records])


def smoothed(records) -> list[Record]:
    return list(map(Smoother(), records))


@pytest.mark.parametrize("noise", [0.15, 0.7])
def test_a_face_at_rest_trembles_a_third_as_much(noise):
    """The noise is what a grain of 4 grey levels gives on large and small faces."""
    raw = frames(np.full((60, 2), 300.0), noise)
    for tremble in (lambda p: p.std(axis=0).mean(), lambda p: np.abs(np.diff(p, axis=0)).mean()):
        assert tremble(points(smoothed(raw))) <= tremble(points(raw)) / 3


TURN = Quantity("head_turn", "degrees", "negated")


@pytest.mark.parametrize(("speed", "most"), [(0.0, 1 / 3), (0.1 * SIZE, None)])
def test_numbers_are_steady_at_rest_and_follow_a_face_that_moves(speed, most):
    raw = frames(np.stack([200 + speed * np.arange(40), np.full(40, 200.0)], axis=1))
    noise = np.random.default_rng(0).normal(0, 2, 40) if most else np.zeros(40)
    values = (3.0 * np.arange(40) * bool(speed) + noise).astype(np.float32)
    values[5] = np.nan
    numbers = [{"head_turn": QuantityValues(TURN, value[None])} for value in values]
    raw = [replace(one, faces=replace(one.faces, quantities=q)) for one, q in zip(raw, numbers)]
    found = np.array([one.faces.quantities["head_turn"].values[0] for one in smoothed(raw)])
    assert found.dtype == np.float32 and found[0] == values[0] and np.isnan(found[5]) and np.isfinite(found[6:]).all()
    if most:
        assert found[10:].std() <= most * values[10:].std()
    else:
        assert np.abs(found - values)[10:].max() <= 3  # a frame late


@pytest.mark.parametrize("rest", [0, 20])
def test_a_face_that_moves_is_at_most_a_frame_late(rest):
    """By 5 % of its width a frame, at once or from rest."""
    speed = 0.05 * BOX
    centres = np.stack([200 + speed * np.maximum(np.arange(60) - rest, 0), np.full(60, 200.0)], axis=1)
    late = (points(frames(centres)) - points(smoothed(frames(centres))))[..., 0] / speed
    assert late.max() <= 1 and late.min() >= -1e-4


def test_labels_change_once_and_are_the_most_probable():
    rng = np.random.default_rng(0)
    smile = np.clip(0.5 + rng.normal(0, 0.05, 120) + np.repeat([0, 0.4], 60), 0, 1)
    raw = frames(np.full((120, 2), 300.0), smile=smile)
    labels = [one.faces.attributes["smile"] for one in smoothed(raw)]
    said = [scores.labels[0] for scores in labels]
    assert len(set(said[:60])) == 1
    assert said[-1] == "smiling" and sum(a != b for a, b in pairwise(said)) <= 1
    assert all(scores.probabilities.sum() == pytest.approx(1) for scores in labels)


def test_tracks_are_apart_and_a_new_video_begins_anew():
    left, right = frames(np.full((9, 2), 100.0)), frames(np.full((9, 2), 500.0))
    mixed = []
    for i, (a, b) in enumerate(zip(left, right)):
        order = (a, b) if i % 2 else (b, a)
        both = replace(order[0].faces.concatenate([one.faces for one in order]), track=np.array([i % 2, 1 - i % 2]))
        mixed.append(replace(a, faces=both))
    for before, after in zip(mixed, smoothed(mixed)):
        np.testing.assert_allclose(after.faces.points, before.faces.points, atol=1e-3)
    other = [replace(one, image=one.image.replace("a.mp4", "b.mp4")) for one in right]
    np.testing.assert_allclose(points(smoothed(left + other))[9:], points(right), atol=1e-3)


def test_what_has_no_track_or_no_place_stays_and_spoils_nothing():
    raw = frames(np.full((9, 2), 300.0), 1.0)
    alone = [replace(one, faces=replace(one.faces, track=np.full(1, np.nan))) for one in raw]
    np.testing.assert_array_equal(points(smoothed(alone)), points(alone))
    gone = raw[4].faces.points.copy()
    gone[0, 2] = np.nan
    raw[4] = replace(raw[4], faces=replace(raw[4].faces, points=gone))
    after = points(smoothed(raw))
    assert np.isnan(after[4, 2]).all() and np.isfinite(np.delete(after, 4, axis=0)).all()
    assert np.isfinite(after[4, :2]).all()


def test_time_that_stands_still_or_is_unknown():
    raw = frames(np.full((5, 2), 300.0), 1.0)
    for times in ([0.0] * 5, [None] * 5, [0.0, 0.04, 0.02, 0.08, 90.0]):
        changed = [replace(one, time=time) for one, time in zip(raw, times)]
        assert np.isfinite(points(smoothed(changed))).all()


def test_angles_and_what_is_uncertain():
    """A face near half a turn has angles of both signs; smooth ones stay there and tremble less."""
    rng, raw = np.random.default_rng(0), frames(np.full((60, 2), 300.0))
    roll = (180 + rng.normal(0, 0.4, 60) + 180) % 360 - 180
    maybe = rng.random(60) < 0.2
    told = []
    for one, angle, unsure in zip(raw, roll, maybe):
        scores = replace(one.faces.attributes["smile"], uncertain=np.array([unsure]))
        faces = replace(one.faces, yaw=np.array([np.nan]), roll=np.array([angle]), attributes={"smile": scores})
        told.append(replace(one, faces=faces))
    after = [one.faces for one in smoothed(told)]
    off = np.array([(faces.roll[0] + 360) % 360 - 180 for faces in after])
    assert off.std() < 0.4 / 2 and abs(off.mean()) < 1 and np.isnan([faces.yaw[0] for faces in after]).all()
    assert after[0].pitch is None
    assert len({faces.attributes["smile"].uncertain[0] for faces in after[5:]}) == 1
