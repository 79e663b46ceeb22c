"""What training does to a picture."""

import random

import cv2
import numpy as np
import pytest

from landmarks.datasets.crops import augment
from landmarks.datasets.crops.augment import coarser, picture_transforms
from landmarks.datasets.crops.conditions import expose

SIZE = 88
NOTHING = 0.4 * 0.6 * 0.8 * 0.88 * 0.83 * 0.8 * 0.75
"""Share of the crops that none of the changes is made to, if each is drawn by itself."""


def blob(x, y):
    """A bright spot on black, about as wide as an eye."""
    rows, columns = np.indices((SIZE, SIZE))
    spot = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 50)
    return np.repeat(spot[..., None], 3, axis=2).round().astype(np.uint8)


def centre(image):
    weights = image[..., 0].astype(float)
    rows, columns = np.indices(weights.shape)
    return np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()


def transforms_of(kind):
    """The changes of one kind, always made."""
    import albumentations as A

    leaves = []
    for entry in picture_transforms().transforms:
        leaves += list(entry.transforms) if isinstance(entry, A.OneOf) else [entry]
    (found,) = (leaf for leaf in leaves if type(leaf).__name__ == kind)
    found.p = 1.0
    return found


@pytest.mark.parametrize("kind", ["GaussianBlur", "MotionBlur"])
def test_no_change_moves_what_is_in_the_picture(kind):
    change = transforms_of(kind)
    generator = np.random.default_rng(0)
    moved = []
    for seed in range(60):
        image = blob(*generator.uniform(35, 53, 2))
        change.set_random_state(np.random.default_rng(seed), random.Random(seed))
        moved.append(centre(change(image=image)["image"]) - centre(image))
    assert np.abs(moved).max() < 0.3 and np.abs(np.mean(moved, axis=0)).max() < 0.05


@pytest.mark.parametrize("change", ["coarser", "small", "motion"])
def test_our_own_changes_do_not_move_it_either(change, monkeypatch):
    monkeypatch.setattr(augment, "COARSE_SHARE", 1.0)
    moved = []
    for seed in range(60):
        generator = np.random.default_rng(seed)
        image = blob(*generator.uniform(35, 53, 2))
        seen = coarser(image, generator) if change == "coarser" else expose(image, frozenset([change]), generator)
        assert seen.shape == image.shape and seen.dtype == np.uint8 and not np.array_equal(seen, image)
        moved.append(centre(seen) - centre(image))
    assert np.abs(moved).max() < 0.3 and np.abs(np.mean(moved, axis=0)).max() < 0.05


def test_few_crops_are_made_coarser():
    image = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    generator = np.random.default_rng(1)
    changed = np.mean([not np.array_equal(coarser(image, generator), image) for _ in range(1000)])
    assert changed == pytest.approx(augment.COARSE_SHARE, abs=0.03)


def test_changes_are_drawn_one_by_one():
    """Not all together or none, as with one seed for all: that left two fifths of the crops as they were."""
    cv2.setNumThreads(1)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    changes = picture_transforms()
    same = 0
    for seed in range(600):
        seen = []
        for _ in range(2):
            changes.set_random_state(np.random.default_rng(seed), random.Random(seed))
            seen.append(changes(image=image)["image"])
        assert np.array_equal(*seen), "the same state, the same picture"
        same += np.array_equal(seen[0], image)
    assert same / 600 == pytest.approx(NOTHING, abs=0.04)
