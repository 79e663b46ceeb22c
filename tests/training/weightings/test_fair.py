"""Weightings that share a step fairly: Nash-MTL and FairGrad."""

import numpy as np
import pytest
import torch

from landmarks.training.weightings.create import create_weighting
from landmarks.training.weightings.fair import fair_weights

TASKS = ("points_5", "pose", "smile", "glasses", "gender")
LENGTHS = torch.tensor([[50.0], [1.0], [0.3], [0.02], [0.5]], dtype=torch.float64)
"""Of gradients as far apart as those of landmarks and of a rare class."""


def drawn(seed, lengths=LENGTHS):
    return lengths * torch.randn(5, 40, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def conflicting(seed):
    """Gradients of which the last two all but cancel."""
    gradients = drawn(seed)
    gradients[4] = -0.5 * gradients[3] + 1e-5 * gradients[0]
    return gradients


@pytest.mark.parametrize("make", [drawn, conflicting])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_fair_weights_meet_their_equation(make, alpha, size):
    for seed in range(3):
        gradients = size * make(seed)
        products = (gradients @ gradients.T).numpy()
        weights = fair_weights(products, alpha)
        np.testing.assert_allclose((products @ weights) ** alpha * weights, 1, rtol=1e-3)


@pytest.mark.parametrize(
    ("products", "expected"),
    [
        (np.diag([4.0, 0.25]), [0.5, 2.0]),
        (np.ones((2, 2)), [0.5**0.5] * 2),
        (np.diag([0.0, 1.0]), [0.0, 1.0]),
        (np.zeros((2, 2)), [0.0, 0.0]),
    ],
)
def test_nashs_weights_by_hand(products, expected):
    np.testing.assert_allclose(fair_weights(products, 1.0), expected, rtol=1e-6)


def test_opposite_gradients_have_finite_weights_and_cancel():
    one = torch.tensor([3.0, -1.0])
    for name in ("nash_mtl", "fairgrad"):
        combined = create_weighting(name, TASKS[:2], {}).combine(torch.stack([one, -one]))
        torch.testing.assert_close(combined, torch.zeros(2), atol=1e-3, rtol=0)


def test_fairgrad_is_torchjds():
    """At 4 its solver at times stops far from the solution."""
    aggregation = pytest.importorskip("torchjd.aggregation")
    pytest.importorskip("scipy")
    for seed, alpha in ((0, 1.0), (1, 1.5), (2, 2.0)):
        gradients = drawn(seed)
        ours = create_weighting("fairgrad", TASKS, {}, {"alpha": alpha}).combine(gradients)
        torch.testing.assert_close(ours, aggregation.FairGrad(alpha=alpha)(gradients), rtol=1e-3, atol=1e-3)


def test_nash_mtl_gains_each_task_alike_relative_to_its_weight():
    """Of gradients at right angles each adds its direction, however long it is; the whole is no longer than 1."""
    combined = create_weighting("nash_mtl", TASKS[:3], {}).combine(torch.diag(torch.tensor([1e3, 1.0, 1e-3])))
    torch.testing.assert_close(combined, torch.full((3,), 3**-0.5), rtol=1e-4, atol=1e-4)
    short = create_weighting("nash_mtl", TASKS[:2], {}).combine(1e-2 * torch.eye(2))
    torch.testing.assert_close(short, (1e-4 * 2**0.5) ** 0.5 * torch.ones(2), rtol=1e-4, atol=1e-4)


def test_fairgrad_is_fairer_with_a_larger_alpha():
    gradients = torch.tensor([[2.0, 0.0], [0.6, 0.8]])
    share = []
    for alpha in (1.0, 2.0, 4.0):
        along = gradients @ create_weighting("fairgrad", TASKS[:2], {}, {"alpha": alpha}).combine(gradients)
        share.append(float(along.min() / along.max()))
    assert share == sorted(share)


def test_fairgrad_refuses_an_alpha_that_is_none():
    with pytest.raises(ValueError, match="alpha of FairGrad must be positive, not 0"):
        create_weighting("fairgrad", TASKS, {}, {"alpha": 0.0})
