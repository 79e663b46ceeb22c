"""Hard conditions for training crops."""

import numpy as np
import pytest

from landmarks.config import build
from landmarks.datasets.crops.conditions import Conditions, cover, cut_off, expose
from landmarks.datasets.crops.samples import Samples
from landmarks.datasets.dataset import load_crops
from landmarks.errors import LandmarksError
from landmarks.training.config import TrainingConfig

SIZE = 88
FACE = np.random.default_rng(0).integers(60, 200, (SIZE, SIZE, 3)).astype(np.uint8)
NAMES = ("night", "motion", "small", "noisy", "compressed")


def sharpness(image):
    return np.abs(np.diff(image.astype(float), axis=1)).mean()


@pytest.mark.parametrize("seed", range(8))
def test_cut_off_faces_are_black_up_to_their_half(seed):
    cut = cut_off(FACE, np.random.default_rng(seed))
    black = (cut == 0).all(axis=2)
    assert 0 <= black.mean() <= 0.5 and not black[SIZE // 2 - 1, SIZE // 2 - 1]
    assert np.array_equal(cut[~black], FACE[~black])


@pytest.mark.parametrize("seed", range(8))
def test_covered_faces_change_in_one_place(seed):
    covered = cover(FACE, np.zeros((48, 48, 3), np.uint8), np.random.default_rng(seed))
    assert covered.shape == FACE.shape and covered.dtype == np.uint8
    assert 0.003 < (covered != FACE).any(axis=2).mean() < 0.7


@pytest.mark.parametrize("name", NAMES)
def test_conditions_do_what_they_say(name):
    seen = expose(FACE, frozenset([name]), np.random.default_rng(1))
    assert seen.shape == FACE.shape and seen.dtype == np.uint8 and not np.array_equal(seen, FACE)
    if name in ("motion", "small"):
        assert sharpness(seen) < 0.7 * sharpness(FACE)
    if name == "noisy":
        assert 2 < (seen.astype(float) - FACE).std() < 31
    if name == "night":
        several = [expose(FACE, frozenset([name]), np.random.default_rng(i)).mean() for i in range(20)]
        assert np.mean(several) < FACE.mean()


def test_all_together_and_none():
    assert expose(FACE, frozenset(NAMES), np.random.default_rng(0)).shape == FACE.shape
    assert np.array_equal(expose(FACE, frozenset(), np.random.default_rng(0)), FACE)
    for size in (16, 192, 300):
        image = np.full((size, size, 3), 90, np.uint8)
        assert cover(image, FACE, np.random.default_rng(0)).shape == image.shape
        assert expose(image, frozenset(NAMES), np.random.default_rng(0)).shape == image.shape


def test_shares_are_kept():
    conditions = Conditions(cut_off=0.25, small=1.0)
    generator = np.random.default_rng(0)
    drawn = [conditions.draw(generator) for _ in range(1000)]
    assert all("small" in one and "night" not in one for one in drawn)
    assert 200 < sum("cut_off" in one for one in drawn) < 300


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(LandmarksError, match=r"conditions.*night must be a share from 0 to 1"):
        build(TrainingConfig, {"conditions": {"night": share}}, "x.toml")


def test_samples_without_conditions_are_what_they_were(prepared):
    """Nothing is drawn for conditions that never hold: crops, points and labels follow the same numbers."""
    crops = load_crops(prepared)
    make = lambda conditions: Samples(  # noqa: E731
        crops, crops.part("train"), ("points_5",), SIZE, 2.2, 56, conditions=conditions
    )
    plain, hard = make(Conditions()), make(Conditions(cut_off=1.0, covered=1.0))
    assert (plain[3]["points_5"] == hard[3]["points_5"]).all()
    assert not (plain[3]["crop"] == hard[3]["crop"]).all()
    assert not (plain[3]["coarse"] == hard[3]["coarse"]).all()
    assert (hard[3]["crop"] == hard[3]["crop"]).all()
