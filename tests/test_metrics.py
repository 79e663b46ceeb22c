import numpy as np
import pandas as pd
import pytest

from landmarks import metrics
from landmarks.schemes import POINTS_5


def shifted(dx: float, dy: float) -> tuple[np.ndarray, np.ndarray]:
    """20 faces with an inter-ocular distance of 10 pixels, and the same moved by dx, dy."""
    true = np.random.default_rng(0).uniform(0, 50, (20, 5, 2))
    true[:, 1] = true[:, 0] + [10, 0]
    return true + np.array([dx, dy]), true


def test_error_is_a_share_of_the_interocular_distance():
    predicted, true = shifted(3, 4)
    errors = metrics.point_errors(predicted, true, metrics.interocular(true, POINTS_5))
    assert errors == pytest.approx(np.full((20, 5), 0.5))
    assert metrics.nme(errors) == pytest.approx(np.full(20, 0.5))


def test_missing_prediction_is_a_failure():
    predicted, true = shifted(0, 0)
    predicted[0] = np.nan
    errors = metrics.nme(metrics.point_errors(predicted, true, metrics.interocular(true, POINTS_5)))
    assert metrics.failure_rate(errors) == pytest.approx(1 / 20)
    assert metrics.auc(errors) == pytest.approx(19 / 20)


def test_constant_shift_is_taken_out():
    predicted, true = shifted(3, -1)
    normaliser = metrics.interocular(true, POINTS_5)
    assert metrics.mean_shift(predicted, true, normaliser) == pytest.approx([0.3, -0.1])
    assert metrics.without_shift(predicted, true, normaliser) == pytest.approx(true)


def test_extent_size():
    assert metrics.extent_size(np.array([[[0, 0], [8, 1], [4, 2.0]]])) == pytest.approx([4])


def test_ced_and_auc_agree():
    errors = np.random.default_rng(1).exponential(0.06, 500)
    thresholds = np.linspace(0, 0.1, 20001)
    curve = metrics.ced(errors, thresholds)
    assert curve[0] == 0 and curve[-1] == pytest.approx(1 - metrics.failure_rate(errors))
    assert metrics.auc(errors) == pytest.approx(np.mean(curve), abs=1e-3)


@pytest.mark.parametrize(
    ("guess", "true", "plain", "balanced"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 1], 0.75, 0.5),
        ([0, 0, 1, 1], [0, 0, 0, 1], 0.75, (2 / 3 + 1) / 2),
        ([4, 2, 2], [4, 2, 4], 2 / 3, 0.75),
        ([1], [1], 1.0, 1.0),
    ],
)
def test_accuracy(guess, true, plain, balanced):
    assert metrics.accuracy(np.array(guess), np.array(true)) == pytest.approx(plain)
    assert metrics.balanced_accuracy(np.array(guess), np.array(true)) == pytest.approx(balanced)


def test_bootstrap_interval_of_a_mean_is_the_normal_one():
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = metrics.bootstrap(lambda i: values[i].mean(), len(values), rounds=2000)
    half = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)


def test_rank_correlation_equals_a_librarys():
    a = np.array([1.0, 2.0, 2.0, 5.0, 3.0, 9.0])
    b = np.array([2.0, 1.0, 4.0, 4.0, 3.0, 8.0])
    assert metrics.rank_correlation(a, b) == pytest.approx(pd.Series(a).corr(pd.Series(b), method="spearman"))
    assert metrics.rank_correlation(a, -np.exp(a)) == pytest.approx(-1)
    assert metrics.rank_correlation(a, np.ones(6)) == 0


def test_calibration_error_in_closed_form():
    """Half of the faces at 0.9 of which 0.7 are right, half at 0.6 of which all are: (0.2 + 0.4) / 2."""
    confidence = np.repeat([0.9, 0.6], 10)
    correct = np.array([True] * 7 + [False] * 3 + [True] * 10)
    assert metrics.calibration_error(confidence, correct) == pytest.approx(0.3)
    assert metrics.calibration_error(np.ones(5), np.ones(5, bool)) == 0


def test_reliability_covers_everything():
    values = np.linspace(0, 1, 101)
    rows = metrics.reliability(values, values, np.array([0.2, 0.5, 0.8]))
    assert sum(row["share"] for row in rows) == pytest.approx(1) and len(rows) == 2
    assert all(row["predicted"] == pytest.approx(row["true"]) for row in rows)


def test_abstention_leaves_the_sure_answers():
    rows = metrics.abstention(np.array([0.65, 0.75, 0.85]), np.array([0, 1, 1]), np.array([1, 0, 1]))
    assert [row["probability"] for row in rows] == [0.6, 0.7, 0.8]  # nobody is surer
    assert [row["share"] for row in rows] == pytest.approx([1, 2 / 3, 1 / 3])
    assert [row["accuracy"] for row in rows] == pytest.approx([1 / 3, 1 / 2, 1])


def test_errors_over_the_face_size():
    true = np.array([[[0, 0], [10, 0], [5, 5], [0, 10], [10, 10]]], float)
    assert metrics.face_errors(true + np.array([0.5, 0]), true, POINTS_5) == pytest.approx(0.05)
    assert np.isnan(metrics.face_errors(true * np.nan, true, POINTS_5)).all()
