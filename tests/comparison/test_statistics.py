"""Measures and their certainty against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import metrics
from landmarks.comparison.analysis.statistics import (
    MEASURES,
    balanced_values,
    differences,
    face_values,
    holm,
    landmark_errors,
    paired_differences,
    seed_by_seed,
    seed_spreads,
)


def some_vectors(seeds=3, faces=200, level=0.06):
    return np.random.default_rng(5).normal(0.01, level, (seeds, faces, 5, 2)).astype(np.float32)


def values_of(shift, spread, faces=400, seeds=5, seed=0):
    """Values of faces whose runs differ by `spread` and whose mean is off by exactly `shift`."""
    generator = np.random.default_rng(seed)
    offsets = generator.normal(0, 1, seeds)
    offsets = spread * (offsets - offsets.mean()) / max(offsets.std(ddof=1), 1e-12) if seeds > 1 else np.zeros(1)
    return np.random.default_rng(9).exponential(0.08, faces) + shift + offsets[:, None]


@pytest.mark.parametrize("shift_free", [False, True])
def test_measures_equal_those_of_metrics(shift_free):
    vectors = some_vectors()
    for run, values in zip(vectors.astype(float), range(len(vectors))):
        true, unit = np.full_like(run, 7.0), np.full(len(run), 40.0)
        predicted = true + 40 * run
        if shift_free:
            predicted = metrics.without_shift(predicted, true, unit)
        errors = metrics.point_errors(predicted, true, unit)
        faces = metrics.nme(errors)
        expected = {
            "mean_error": faces.mean(),
            "failure_landmarks": metrics.failure_rate(errors),
            "failure_faces": metrics.failure_rate(faces),
            "auc": metrics.auc(faces),
        }
        assert expected.keys() == MEASURES.keys()
        for measure, value in expected.items():
            assert face_values(vectors, measure, shift_free)[values].mean() == pytest.approx(value)


def test_a_shift_that_all_faces_share_is_taken_out_of_each_run():
    vectors = np.zeros((2, 4, 5, 2)) + np.array([0.03, -0.04])
    vectors[1] *= 2
    assert landmark_errors(vectors).mean(axis=(1, 2)) == pytest.approx([0.05, 0.1])
    assert landmark_errors(vectors, shift_free=True) == pytest.approx(np.zeros((2, 4, 5)))


def test_what_is_not_finite_is_a_failure():
    vectors = np.zeros((1, 4, 5, 2))
    vectors[0, 0] = np.nan
    assert face_values(vectors, "failure_landmarks").mean() == pytest.approx(0.25)
    assert face_values(vectors, "mean_error").mean() == np.inf
    assert face_values(vectors, "auc", shift_free=True).mean() == pytest.approx(0.75)


def test_balanced_values_have_the_mean_and_the_spread_of_balanced_accuracy():
    generator = np.random.default_rng(2)
    labels = generator.choice(3, 600, p=(0.7, 0.2, 0.1))
    guesses = np.where(generator.random((2, 600)) < 0.8, labels, 0)
    values = balanced_values(guesses, labels)
    for row, run in zip(values, guesses):
        assert row.mean() == pytest.approx(metrics.balanced_accuracy(run, labels))
    low, high = metrics.bootstrap(lambda i: metrics.balanced_accuracy(guesses[0][i], labels[i]), 600)
    assert 2 * 1.96 * values[0].std() / np.sqrt(600) == pytest.approx(high - low, rel=0.1)


def test_the_interval_is_the_normal_one_of_faces_and_seeds():
    generator = np.random.default_rng(4)
    values = {"reference": values_of(0, 0.004, seeds=5), "arm": values_of(0.01, 0.004, seeds=3, seed=1)}
    values["arm"] += generator.normal(0, 0.03, 400)
    found = differences(values, {"arm": "reference"}, {"arm": 0.004, "reference": 0.004})["arm"]
    gap = values["arm"].mean(axis=0) - values["reference"].mean(axis=0)
    half = 1.96 * np.sqrt(gap.var() / 400 + 0.004**2 * (1 / 3 + 1 / 5))
    assert found.value == pytest.approx(gap.mean())
    assert (found.low, found.high) == pytest.approx((gap.mean() - half, gap.mean() + half), abs=0.03 * half)


def test_faces_are_paired():
    """Faces differ far more than the arms do; only the difference on each face counts."""
    values = {"reference": values_of(0, 0), "arm": values_of(0.001, 0)}
    found = differences(values, {"arm": "reference"}, {"arm": 0.0, "reference": 0.0}, rounds=999)["arm"]
    assert (found.value, found.low, found.high) == pytest.approx((0.001, 0.001, 0.001))
    assert found.p == pytest.approx(2 / 1000)  # never 0: the sample itself counts as a round


def test_equal_arms_do_not_differ():
    values = {"reference": values_of(0, 0), "arm": values_of(0, 0)}
    found = differences(values, {"arm": "reference"}, {"arm": 0.0, "reference": 0.0}, rounds=99)["arm"]
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert differences(values, {}, {}) == {}


def test_a_run_that_diverged_has_no_interval():
    values = {"reference": values_of(0, 0.01), "arm": values_of(0.1, 0.01), "lost": values_of(0, 0.01)}
    values["lost"][2, 7] = np.inf
    spreads = seed_spreads(values, dict.fromkeys(values, "all"))
    found = differences(values, {"lost": "reference", "arm": "reference"}, spreads, rounds=200)
    assert found["lost"].value == np.inf and np.isnan([found["lost"].low, found["lost"].high, found["lost"].p]).all()
    assert found["arm"].low > 0 and spreads["lost"] > 0


def test_spread_over_seeds():
    kinds = {"a": 1, "b": 1, "c": 1, "one seed": 1, "other": 2, "alone": 3}
    values = {name: values_of(0, 0.01) for name in "abc"} | {"one seed": values_of(0, 0, seeds=1)}
    values |= {"other": values_of(0, 0.5), "alone": values_of(0, 0, seeds=1)}
    found = seed_spreads(values, kinds)
    typical = 0.01 / (1 - 2 / 36) ** 1.5
    usual = dict.fromkeys(("a", "b", "c", "one seed"), typical)
    expected = usual | {"other": 0.5 / (1 - 2 / 36) ** 1.5, "alone": np.nan}
    assert found == pytest.approx(expected, nan_ok=True)
    values["c"] = values_of(0, 3.0)  # one arm that does not train well speaks for itself alone
    found = seed_spreads(values, kinds)
    assert found["c"] == pytest.approx(3) and found["a"] == pytest.approx(typical)


@pytest.mark.parametrize("seeds", [(5, 5), (2, 5)])
def test_no_difference_is_taken_for_one_no_more_often_than_said(seeds):
    """A null effect in 300 comparisons with eight others of its kind; 5 % of them may look like one, give or take."""
    generator, false = np.random.default_rng(1), 0
    for _ in range(300):
        counts = {"arm": seeds[0], "reference": seeds[1]} | {f"other {i}": 3 for i in range(8)}
        faces = generator.exponential(0.08, 40)
        values = {
            name: faces + generator.normal(0, 0.02, 40) + generator.normal(0, 0.004, count)[:, None]
            for name, count in counts.items()
        }
        spreads = seed_spreads(values, dict.fromkeys(values, 0))
        false += differences(values, {"arm": "reference"}, spreads, rounds=400)["arm"].p < 0.05
    assert false / 300 < 0.08


def test_seeds_that_both_have_are_compared():
    values = {"arm": np.array([[3.0], [5.0], [9.0]]), "reference": np.array([[1.0], [2.0]])}
    gaps = seed_by_seed(values, {"arm": "reference"}, {"arm": (0, 1, 4), "reference": (1, 0)})
    assert gaps["arm"].tolist() == [[1.0], [4.0]]


def test_what_a_draw_of_faces_does_to_both_arms_is_no_uncertainty_of_their_difference():
    draws = np.random.default_rng(0).normal(0, 0.05, 3)[:, None]
    values = {
        "reference": values_of(0, 0.001, seeds=3) + draws,
        "arm": values_of(-0.004, 0.001, seeds=3, seed=1) + draws,
    }
    pairs, seeds = {"arm": "reference"}, {"arm": range(3), "reference": range(3)}
    paired = paired_differences(seed_by_seed(values, pairs, seeds), {"arm": 0})["arm"]
    apart = differences(values, pairs, seed_spreads(values, dict.fromkeys(values, 0)))["arm"]
    assert paired.value == pytest.approx(apart.value) == pytest.approx(-0.004)
    assert paired.high - paired.low < 0.2 * (apart.high - apart.low)
    assert paired_differences({}, {}) == {}
    one = paired_differences({"arm": values["arm"][:1] - values["reference"][:1]}, {"arm": 0})["arm"]
    assert np.isnan(one.p) and np.isfinite([one.low, one.high]).all()


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_paired_arms_are_told_apart_no_more_often_than_said(seeds):
    generator, false = np.random.default_rng(1), 0
    for _ in range(300):
        faces, draws = generator.exponential(0.08, 40), generator.normal(0, 0.03, seeds)[:, None]
        values = {
            name: faces + draws + generator.normal(0, 0.02, 40) + generator.normal(0, 0.004, seeds)[:, None]
            for name in ("arm", "other", "reference")
        }
        pairs = {"arm": "reference", "other": "reference"}
        gaps = seed_by_seed(values, pairs, dict.fromkeys(values, range(seeds)))
        false += paired_differences(gaps, dict.fromkeys(gaps, 0))["arm"].p < 0.05
    assert false / 300 < 0.08


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, none below the one before it."""
    assert holm(np.array([0.03, 0.01, 0.04, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.6, 0.4])) == pytest.approx([0.8, 0.8])
    assert holm(np.array([0.9, 0.9])) == pytest.approx([1, 1])
    assert holm(np.array([0.02, np.nan, 0.03])) == pytest.approx([0.04, np.nan, 0.04], nan_ok=True)
    assert holm(np.array([])).shape == (0,)
