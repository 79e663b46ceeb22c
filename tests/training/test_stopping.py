import math

import numpy as np
import pytest

from landmarks.training.stopping import FLOOR, Stopping, stopping_index

TASKS = ("points_5", "pose", "smile")
INF, NAN = math.inf, math.nan
TINY = np.finfo(float).tiny

FALLING = [8.0, 4.0, 2.0, 1.0, 0.5]
FLAT = [2.0] * 5


def by_hand(train, val, strip, weight=1.0):
    """The formula for the last epoch, term by term."""
    last = sorted(train[-strip - 1 :])
    middle = strip * (last[strip // 2] if strip % 2 == 0 else (last[strip // 2] + last[strip // 2 + 1]) / 2)
    return middle / (sum(last) - middle) * (val[-1] - min(train)) / (weight * min(train))


@pytest.mark.parametrize("strip", [2, 3, 4])
@pytest.mark.parametrize("weight", [1.0, 0.5, 3.0])
def test_index_is_the_papers_formula(strip, weight):
    val = [9.0, 6.0, 4.0, 3.0, 2.5]
    index = stopping_index(FALLING, val, strip, weight)
    assert np.isnan(index[:strip]).all()
    for epoch in range(strip + 1, 6):
        assert index[epoch - 1] == pytest.approx(by_hand(FALLING[:epoch], val[:epoch], strip, weight))


def test_index_of_numbers_that_can_be_checked_in_the_head():
    # median 2, S = 8, k med = 4: trend 4 / 4 = 1; gap (3 - 1) / 1 = 2
    assert stopping_index([5.0, 2.0, 1.0], [7.0, 5.0, 3.0], 2)[-1] == pytest.approx(2)


@pytest.mark.parametrize(
    "train, val, strip, expected",
    [
        (FALLING[:2], FALLING[:2], 2, [NAN, NAN]),
        ([], [], 3, []),
        (FLAT, [1.0, 1.0, 3.0, 2.0, 1.0], 2, [NAN, NAN, 1.0, 0.0, -1.0]),  # flat: k times the gap
        ([0.1] * 7, [0.2] * 7, 6, [NAN] * 6 + [6.0]),
        ([0.3, 0.2, 0.1], [0.5] * 3, 2, [NAN, NAN, 8.0]),  # straight: k times the gap, too
        ([5.0, 5.0, 0.0], [9.0] * 3, 2, [NAN, NAN, 0.0]),  # has just fallen
        ([5.0, 5.0, 0.0], [0.0] * 3, 2, [NAN, NAN, 0.0]),  # and no gap
        ([5.0, 2.0, 1.0], [1.0] * 3, 2, [NAN, NAN, 0.0]),  # no gap
        ([5.0, 2.0, 1.0], [0.5] * 3, 2, [NAN, NAN, -0.5]),  # validation is better than training
        ([NAN, 5.0, 2.0, 1.0, NAN], [3.0] * 5, 2, [NAN, NAN, NAN, 2.0, NAN]),  # unmeasured training
        ([5.0, 2.0, 1.0, 1.0], [3.0, 3.0, NAN, 1.0], 2, [NAN, NAN, NAN, 0.0]),  # unmeasured validation
        ([INF, 5.0, 2.0, 1.0], [3.0] * 4, 2, [NAN, NAN, NAN, NAN]),  # after a training that blew up
        ([0.0, 0.0, 0.0], [0.0, 0.0, 1e-300], 2, [NAN, NAN, 2 * (1e-300 - TINY) / TINY]),
    ],
)
def test_edge_cases(train, val, strip, expected):
    with np.errstate(all="raise"):
        index = stopping_index(train, val, strip)
    assert index.dtype == float and index.shape == (len(train),)
    np.testing.assert_allclose(index, expected)


@pytest.mark.parametrize("lowest", [0.0, 1e-9, 1e-3])
def test_a_vanishing_training_error_is_floored(lowest):
    index = stopping_index([8.0, 2.0, lowest], [1.0, 1.0, 1.0], 2)[-1]
    floor = FLOOR * 8.0
    trend = 4.0 / (10.0 + lowest - 4.0)
    assert index == pytest.approx(trend * (1 - floor) / floor)


def test_an_index_knows_only_its_past():
    generator = np.random.default_rng(0)
    train, val = generator.random(20), generator.random(20) + 0.5
    whole = stopping_index(train, val, 5)
    for epochs in range(21):
        np.testing.assert_array_equal(stopping_index(train[:epochs], val[:epochs], 5), whole[:epochs])


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_unit_of_the_errors_does_not_matter(scale):
    generator = np.random.default_rng(1)
    train, val = generator.random(20), generator.random(20) + 0.5
    np.testing.assert_allclose(stopping_index(train * scale, val * scale, 4), stopping_index(train, val, 4), rtol=1e-6)


@pytest.mark.parametrize("train, val, strip, weight", [([1], [1, 2], 3, 1), ([1], [1], 1, 1), ([1], [1], 3, 0)])
def test_impossible_arguments_are_refused(train, val, strip, weight):
    with pytest.raises(ValueError, match=r"needed|must be"):
        stopping_index(train, val, strip, weight)


@pytest.mark.parametrize(
    "values",
    [{"kind": "sometimes"}, {"strip": 1}, {"threshold": 0.0}, {"threshold": NAN}, {"patience": 0}],
)
def test_impossible_settings_are_refused(values):
    with pytest.raises(ValueError, match=r"sometimes|must be"):
        Stopping(**values)


def log(train, val, first=0):
    """Rows of a log from each task's losses; None: the row does not name the task."""
    named = lambda series, epoch: {t: v[epoch] for t, v in series.items() if v[epoch] is not None}  # noqa: E731
    epochs = range(len(next(iter(train.values()))))
    return [{"epoch": first + e, "watched": named(train, e), "val": named(val, e), "lr": 0.1} for e in epochs]


HISTORY = log(
    {
        "points_5": [6, 2, 1, 1, 1, 1],
        "pose": [6, 2, 1, 0.8, 0.7, 0.6],
        "smile": [6, 3, 2, 2, 2, 2],
    },
    {
        "points_5": [9, 9, 9, 9, 9, 9],
        "pose": [2, 1.5, 1, 0.8, 0.7, 0.6],
        "smile": [2, 2, 2, 2, 2.1, 2],
    },
)


def test_an_auxiliary_task_stops_and_stays_stopped():
    rule = Stopping("task_wise", strip=2, threshold=0.09)
    assert rule.stopped(HISTORY[:4], TASKS, {}) == {}
    assert rule.stopped(HISTORY[:5], TASKS, {}) == {"smile": 4}
    assert rule.stopped(HISTORY, TASKS, {}) == {"smile": 4}  # its index has fallen to 0 again
    assert rule.indices(HISTORY, TASKS, {})["smile"] == 0
    assert rule.indices(HISTORY, TASKS, {})["points_5"] == pytest.approx(2 * 8)  # and it goes on


def test_epochs_are_named_as_in_the_log():
    shifted = [row | {"epoch": row["epoch"] + 10} for row in HISTORY]
    assert Stopping("task_wise", 2, 0.09).stopped(shifted, TASKS, {}) == {"smile": 14}


@pytest.mark.parametrize("later", [None, 2.0, 50.0])
def test_whether_a_stopped_task_is_still_measured_is_all_the_same(later):
    cut = [row | {"watched": dict(row["watched"])} for row in HISTORY]
    for row in cut[5:]:
        row["watched"]["smile"] = later
        if later is None:
            del row["watched"]["smile"]
    rule = Stopping("task_wise", 2, 0.09)
    assert rule.stopped(cut, TASKS, {}) == {"smile": 4}
    assert math.isnan(rule.indices(cut, TASKS, {})["smile"]) == (later is None)


def test_a_tasks_weight_divides_its_index():
    rule = Stopping("none", strip=2)
    plain = rule.indices(HISTORY[:3], TASKS, {})
    assert plain["points_5"] == pytest.approx(0.8 * 8)
    halved = rule.indices(HISTORY[:3], TASKS, {"points_5": 2.0, "smile": 0.0})
    assert halved["points_5"] == pytest.approx(plain["points_5"] / 2)
    assert math.isnan(halved["smile"])  # it is not trained
    everything_stops = Stopping("task_wise", 2, 1e-9)
    assert "smile" in everything_stops.stopped(HISTORY, TASKS, {})
    assert "smile" not in everything_stops.stopped(HISTORY, TASKS, {"smile": 0.0})


@pytest.mark.parametrize("kind", ["none", "task_wise", "global"])
@pytest.mark.parametrize(
    "history",
    [[], [{"epoch": 0, "watched": {"pose": 1.0}}], log({"points_5": [1.0] * 9}, {"points_5": [None] * 9})],
    ids=["empty", "one row", "never validated"],
)
def test_nothing_stops_without_a_reason(kind, history):
    rule = Stopping(kind, strip=3, threshold=0.1, patience=1)
    assert rule.stopped(history, TASKS, {}) == {} and not rule.over(history, TASKS)
    assert all(math.isnan(index) for index in rule.indices(history, TASKS, {}).values())
    assert list(rule.indices(history, TASKS, {})) == list(TASKS)


def main_only(*losses):
    return log({"points_5": [1.0] * len(losses)}, {"points_5": losses}, first=5)


@pytest.mark.parametrize(
    "losses, best, over",
    [
        ((3, 2, 1), 7, False),
        ((1, 2), 5, False),
        ((1, 2, 3), 5, True),
        ((1, 1, 1), 5, True),  # equal is no better
        ((1, 2, 0.9, 3), 7, False),
        ((1, None, NAN), 5, True),
        ((NAN, 2, 3), 6, False),
    ],
)
def test_training_ends_when_the_main_task_has_not_improved(losses, best, over):
    history = main_only(*losses)
    assert Stopping("global", patience=2).over(history, TASKS) is over
    assert Stopping("global", patience=2).best_epoch(history, TASKS) == best
    assert Stopping("global", patience=2).kept(history, TASKS)["epoch"] == best
    assert Stopping("none", patience=2).kept(history, TASKS) is history[-1]
    assert not Stopping("none", patience=2).over(history, TASKS)
    assert not Stopping("task_wise", patience=2).over(history, TASKS)
    assert Stopping("global", patience=2).stopped(HISTORY, TASKS, {}) == {}


def test_the_best_epoch_of_a_training_without_validation_is_its_last():
    assert Stopping().best_epoch(main_only(None, None), TASKS) == 6
    with pytest.raises(ValueError, match="no best epoch"):
        Stopping().best_epoch([], TASKS)
