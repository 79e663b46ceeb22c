"""Weightings that go by the losses: uncertainty, DWA, dynamic, random."""

import math

import numpy as np
import pytest
import torch

from landmarks.training.weightings.create import create_weighting
from tests.helpers.losses import EQUAL, TASKS, Toy, plain, row

# uncertainty


def settle(values, factors=EQUAL, steps=400, start=None):
    """Log variances after steps with constant losses."""
    weighting = start or create_weighting("uncertainty", TASKS, {})
    optimizer = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        losses = {task: torch.tensor(value, requires_grad=True) for task, value in zip(TASKS, values)}
        weighting.backward(losses, factors, [], [])
        optimizer.step()
        weighting.after_step()
    return weighting


@pytest.mark.parametrize("factors", [EQUAL, {"points_5": 0.5, "smile": 0.7, "pose": 1.3}])
def test_uncertaintys_optimum_has_a_closed_form(factors):
    values = (3.0, 0.2, 1.5)
    expected = [math.log(3.0), math.log(0.4), math.log(3.0)]
    np.testing.assert_allclose(settle(values, factors).log_variances.detach(), expected, atol=1e-4)


def test_uncertaintys_gradients_have_a_closed_form():
    weighting = create_weighting("uncertainty", TASKS, {})
    with torch.no_grad():
        weighting.log_variances.copy_(torch.tensor([0.5, -1.0, 2.0]))
    losses = {task: torch.tensor(2.0, requires_grad=True) for task in TASKS}
    weighting.backward(losses, {"points_5": 1.0, "smile": 1.0, "pose": 3.0}, [], [])
    expected = [0.5 * math.exp(-0.5), math.exp(1.0), 3 * math.exp(-2.0)]
    assert [loss.grad.item() for loss in losses.values()] == pytest.approx(expected)
    expected = [0.5 - math.exp(-0.5), 0.5 - 2 * math.exp(1.0), 3 * (0.5 - 2 * math.exp(-2.0))]
    assert weighting.log_variances.grad.tolist() == pytest.approx(expected)


def test_log_variances_are_bounded_and_come_back():
    weighting = settle((1e-9, 1e-9, 1e9), steps=50)
    limit = weighting.LIMIT
    assert weighting.log_variances.tolist() == [-limit, -limit, limit]
    settle((1.0, 0.5, 0.5), start=weighting)
    np.testing.assert_allclose(weighting.log_variances.detach(), 0, atol=1e-4)


def test_a_batch_without_labels_does_not_move_the_log_variance():
    weighting = settle((0.0, 0.2, 0.5))
    np.testing.assert_allclose(weighting.log_variances.detach(), [0, math.log(0.4), 0], atol=1e-4)


# dwa


def softmax(*ratios):
    powers = np.exp(np.array(ratios) / 2)
    return (len(ratios) * powers / powers.sum()).tolist()


@pytest.mark.parametrize(
    "before, last, weights, expected",
    [
        ((1.0, 1.0, 1.0), (0.5, 0.5, 0.5), {}, [1.0, 1.0, 1.0]),
        ((1.0, 1.0, 1.0), (0.5, 1.0, 2.0), {}, softmax(0.5, 1.0, 2.0)),
        ((4.0, 0.1, 8.0), (2.0, 0.1, 16.0), {}, softmax(0.5, 1.0, 2.0)),  # the losses' scales do not matter
        ((1.0, 1.0, 1.0), (0.5, 1.0, 2.0), {"pose": 0.5, "smile": 0.0}, None),
        ((1.0, 1.0, None), (0.5, 1.0, None), {}, [*softmax(0.5, 1.0), 1.0]),
        ((1.0, 1.0, 1.0), (0.5, 1.0, None), {}, [*softmax(0.5, 1.0), 1.0]),
        ((1.0, 1.0, 0.0), (0.5, 1.0, 0.0), {}, [*softmax(0.5, 1.0), 1.0]),
        ((1.0, 1.0, math.nan), (0.5, math.inf, 0.1), {}, [1.0, 1.0, 1.0]),
        ((1e-6, 1.0, 1.0), (1e6, 1.0, 1.0), {}, [3.0, 0.0, 0.0]),  # and nothing overflows
    ],
)
def test_dwa_is_a_softmax_of_the_losses_ratios(before, last, weights, expected):
    named = lambda values: {task: value for task, value in zip(TASKS, values) if value is not None}  # noqa: E731
    history = [row({"points_5": 77.0, "smile": 1.0, "pose": 5.0}), row(named(before)), row(named(last))]
    if expected is None:
        expected = [weights.get(task, 1.0) * share for task, share in zip(TASKS, softmax(0.5, 1.0, 2.0))]
    factors = create_weighting("dwa", TASKS, weights).factors(history)
    assert list(factors) == list(TASKS)
    assert list(factors.values()) == pytest.approx(expected)


# dynamic


def trend(losses, val=None):
    """A history of one auxiliary task."""
    val = losses if val is None else val
    return [
        row({"points_5": 1.0, "pose": t}, {"points_5": 1.0, "pose": v}, e) for e, (t, v) in enumerate(zip(losses, val))
    ]


@pytest.mark.parametrize(
    "history, expected",
    [
        (trend([9, 8, 7, 6, 5]), 1.0),  # tau epochs are not enough to look tau back
        (trend([1.0, 9, 9, 9, 9, 0.8], [2.0, 9, 9, 9, 9, 1.8]), 5 * 0.2 * 0.1),
        (trend([7, 1.0, 9, 9, 9, 9, 0.8], [7, 2.0, 9, 9, 9, 9, 1.8]), 5 * 0.2 * 0.1),
        (trend([1.0] * 5 + [0.1]), 1.0),  # 5 x 0.81, but not more than at first
        (trend([1.0] * 6), 0.0),
        (trend([1.0] * 5 + [0.8], [1.0] * 5 + [1.2]), 0.0),  # over-fits
        (trend([1.0] * 5 + [2.0]), 0.0),  # two rises make no merit
        (trend([0.0] * 6), 1.0),
        (trend([1.0] * 5 + [math.nan], [1.0] * 6), 1.0),
        ([row({"points_5": 1.0, "pose": 0.9**e}, epoch=e) for e in range(9)], 1.0),  # nothing held out
    ],
)
@pytest.mark.parametrize("weight", [1.0, 0.3])
def test_dynamic_coefficients_by_hand(history, expected, weight):
    factors = create_weighting("dynamic", ("points_5", "pose"), {"pose": weight, "points_5": 2.0}).factors(history)
    assert factors == {"points_5": 2.0, "pose": pytest.approx(weight * expected)}


def test_random_weights_are_a_softmax_times_the_tasks_and_differ_by_step():
    weighting = create_weighting("random", TASKS, {"pose": 0.5})
    drawn = []
    for _ in range(2):
        toy = Toy()
        seen = toy.backward(weighting, weighting.factors([]))
        alone = plain({"points_5": 1.0, "smile": 1.0, "pose": 0.5})
        weights = [seen[f"heads.{task}.weight"] / alone[f"heads.{task}.weight"] for task in TASKS]
        assert all(torch.allclose(weight, weight.mean().expand_as(weight), rtol=1e-4) for weight in weights)
        drawn.append([weight.mean().item() for weight in weights])
        assert sum(drawn[-1]) == pytest.approx(3, rel=1e-4)
    assert drawn[0] != pytest.approx(drawn[1], rel=1e-2)


# FAMO


def test_famo_is_torchjds():
    """Step by step, on losses that fall unalike; theirs is a mean, ours as long as a sum."""
    scalarization = pytest.importorskip("torchjd.scalarization")
    theirs, ours = scalarization.FAMO(3), create_weighting("famo", TASKS, {})
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        before = torch.rand(3, generator=generator).add(0.5).requires_grad_()
        after = before.detach() * torch.tensor([0.9, 0.5, 1.1])
        (expected,) = torch.autograd.grad(theirs(before), before)
        ours.backward(dict(zip(TASKS, before.unbind())), EQUAL, [], [])
        torch.testing.assert_close(before.grad, 3 * expected, rtol=1e-4, atol=1e-6)
        theirs.update(after)
        ours.look_again(dict(zip(TASKS, after)))
    logits = ours.logits.softmax(dim=0)
    assert logits.argmin() == 1  # what falls fastest weighs least


def test_famo_goes_by_how_losses_fall_not_by_how_large_they_are():
    seen = []
    for scale in ({}, {"pose": 100.0}):
        toy, weighting = Toy(), create_weighting("famo", TASKS, {})
        for _ in range(3):
            toy.zero_grad()
            toy.backward(weighting, EQUAL, toy.losses(EQUAL | scale))
            fell = {"points_5": 0.9, "smile": 0.5, "pose": 0.7}
            weighting.look_again({task: fell[task] * loss for task, loss in toy.losses(EQUAL | scale).items()})
        seen.append(weighting.logits)
    torch.testing.assert_close(seen[0], seen[1], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("options", [{"rate": 0.0}, {"decay": -1.0}, {"rate": math.nan}])
def test_famo_refuses_what_cannot_be(options):
    with pytest.raises(ValueError, match="rate must be positive"):
        create_weighting("famo", TASKS, {}, options)
