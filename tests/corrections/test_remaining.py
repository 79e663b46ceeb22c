"""How many wrong faces are said to be left: closed forms, truth in simulations, and ugly input."""

import numpy as np
import pytest

from landmarks.corrections.remaining import PRIOR, RANGE, SPREAD, Remaining, wrong_remaining


def first(seen, faces):
    """The most doubtful come first."""
    return np.arange(faces) < seen


def drawn(generator, offset, slope, faces=400, centre=-2.0):
    """Qualities, the lowest first, and which faces are wrong if the odds of it are shifted."""
    odds = np.sort(generator.normal(centre, 1.2, faces))[::-1]
    wrong = generator.random(faces) < 1 / (1 + np.exp(-(offset + slope * odds)))
    return 1 / (1 + np.exp(odds)), wrong


def test_nothing_seen_is_the_sum_of_the_doubts_and_a_wide_range():
    quality = np.linspace(0.5, 0.99, 60)
    told = wrong_remaining(quality, np.zeros(60, bool), np.ones(60, bool))
    assert told.expected == pytest.approx((1 - quality).sum())
    assert told.least < told.expected / 4 and told.most > 2 * told.expected
    assert told == wrong_remaining(quality, np.zeros(60, bool), np.zeros(60, bool)), "unseen faces say nothing"


@pytest.mark.parametrize("wrong", [0, 1, 10, 40])
def test_at_even_odds_the_offset_solves_a_closed_form(wrong):
    quality, seen = np.full(50, 0.5), first(40, 50)
    told = wrong_remaining(quality, seen, first(wrong, 50))
    share = told.expected / 10
    offset = np.log(share / (1 - share))
    assert wrong - 40 * share == pytest.approx(offset / SPREAD[0] ** 2, abs=1e-6)
    assert told.least <= told.expected <= told.most


def test_much_evidence_outweighs_the_prior():
    """Where the slope stays, the share of wrong ones among the rest is that among alike faces that were seen."""
    quality = np.tile([0.6, 0.9], 20000)
    seen = np.arange(40000) < 30000
    wrong = np.tile([True, False, False, False] * 2 + [False] * 12, 2000)
    told = wrong_remaining(quality, seen, wrong)
    assert told.expected == pytest.approx(wrong[~seen].sum(), rel=0.02)
    assert told.least < wrong[~seen].sum() < told.most and told.most - told.least < 150


def repeated(shift, times=60):
    """What is told after the most doubtful 80 of 400 faces, and what is true, of faces whose odds are shifted."""
    generator = np.random.default_rng(7)
    told, true = [], []
    for _ in range(times):
        quality, wrong = drawn(generator, *shift(generator))
        told.append(wrong_remaining(quality, first(80, 400), wrong))
        true.append(wrong[80:].sum())
    holds = np.mean([one.least <= number <= one.most for one, number in zip(told, true)])
    return np.mean([one.expected for one in told]), np.mean(true), holds


@pytest.mark.parametrize("offset", [-2.8, 0.0, 2.0])
def test_it_is_all_but_unbiased_where_the_odds_are_shifted_by_a_factor(offset):
    expected, true, holds = repeated(lambda generator: (offset, 1.0))
    assert expected == pytest.approx(true, rel=0.08, abs=0.7) and holds > RANGE - 0.05


@pytest.mark.parametrize(("offset", "slope"), [(-2.8, 1.3), (-1.5, 0.7)])
def test_another_slope_is_within_the_range(offset, slope):
    expected, true, holds = repeated(lambda generator: (offset, slope))
    assert 0.5 < expected / true < 2 and holds > RANGE - 0.1


def test_the_range_holds_as_often_as_it_says_over_what_the_prior_thinks_possible():
    expected, true, holds = repeated(lambda generator: generator.normal(PRIOR, SPREAD), 150)
    assert expected == pytest.approx(true, rel=0.08) and RANGE - 0.03 < holds < RANGE + 0.12


def test_the_order_in_which_faces_are_seen_does_no_harm():
    generator, ratios = np.random.default_rng(3), []
    for _ in range(60):
        quality, wrong = drawn(generator, -1.0, 1.0)
        by_chance = np.zeros(400, bool)
        by_chance[generator.permutation(400)[:100]] = True
        ratios.append(
            [
                wrong_remaining(quality, seen, wrong).expected / wrong[~seen].sum()
                for seen in (first(100, 400), by_chance)
            ]
        )
    assert np.median(ratios, axis=0) == pytest.approx([1, 1], abs=0.2)


def test_all_wrong_and_none_wrong():
    quality = np.linspace(0.5, 0.999, 200)
    before = wrong_remaining(quality, first(0, 200), np.ones(200, bool)).expected
    all_wrong = wrong_remaining(quality, first(50, 200), np.ones(200, bool))
    none_wrong = wrong_remaining(quality, first(50, 200), np.zeros(200, bool))
    assert none_wrong.expected < 1 < before / 10 and none_wrong.least == 0
    assert all_wrong.expected > before and all_wrong.most <= 150


@pytest.mark.parametrize("faces", [0, 1, 7])
def test_all_seen_leaves_nothing(faces):
    told = wrong_remaining(np.full(faces, 0.3), np.ones(faces, bool), np.zeros(faces, bool))
    assert told == Remaining(0.0, 0, 0)


def test_a_face_without_quality_neither_counts_nor_is_evidence():
    quality = np.array([0.2, 0.7, np.nan, 0.9, np.nan])
    seen, wrong = np.array([True, False, True, False, False]), np.array([True, False, False, False, True])
    known = np.isfinite(quality)
    assert wrong_remaining(quality, seen, wrong) == wrong_remaining(quality[known], seen[known], wrong[known])
    assert wrong_remaining(np.full(3, np.nan), np.zeros(3, bool), np.zeros(3, bool)) == Remaining(0.0, 0, 0)


def test_certain_qualities_that_are_wrong_stay_numbers():
    quality = np.array([0.0, 1.0] * 200, np.float32)
    for wrong in (quality == 0, quality == 1, np.ones(400, bool), np.zeros(400, bool)):
        told = wrong_remaining(quality, first(200, 400), wrong)
        assert np.isfinite(told.expected) and 0 <= told.least <= told.most <= 200
        assert told.expected == pytest.approx(wrong[200:].sum(), abs=4)
