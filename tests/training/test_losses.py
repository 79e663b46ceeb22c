"""Losses of points, of expected errors and of attributes."""

import numpy as np
import pytest
import torch

from landmarks.models.heads import Regression, SimCC
from landmarks.schemes import ABSENT
from landmarks.training.losses import DISTANCES, HALF_TRUST, PointsLoss, attribute_loss, error_loss

CODEC = SimCC(40, 2, 1.5)
LOSS = PointsLoss()


def coded(codec, points):
    """Outputs of a network that knows the points."""
    return codec.encode(points).clamp(min=1e-30).log() if isinstance(codec, SimCC) else codec.encode(points)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("codec", [CODEC, SimCC(40, 1, 1.5, margin=0.25), Regression(40)], ids=repr)
def test_perfect_points_cost_nothing(codec, distance):
    points = torch.rand(3, 5, 2) * 30 + 5
    loss = PointsLoss(distance=distance)
    assert loss(codec, coded(codec, points), points).item() == pytest.approx(0, abs=0.03)
    assert loss(codec, coded(codec, points + 3), points).item() > 0.3


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("codec", [CODEC, Regression(40)], ids=repr)
def test_absent_points_change_neither_loss_nor_gradient(codec, distance):
    points = torch.rand(3, 5, 2) * 30 + 5
    outputs = torch.randn(3, 5, 2, codec.values, requires_grad=True)
    loss = PointsLoss(distance=distance)
    expected = loss(codec, outputs[:, :3], points[:, :3])
    points[:, 3:] = float("nan")
    value = loss(codec, outputs, points)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.isfinite(outputs.grad).all() and (outputs.grad[:, 3:] == 0).all()
    assert (outputs.grad[:, :3] != 0).any()


@pytest.mark.parametrize("codec", [CODEC, Regression(40)], ids=repr)
def test_points_that_may_be_off_count_less(codec):
    """Certain ones as people's, half at HALF_TRUST of the side."""
    points, outputs = torch.rand(3, 5, 2) * 30 + 5, torch.randn(3, 5, 2, codec.values)
    certain, off = torch.zeros(3, 5), torch.full((3, 5), HALF_TRUST * codec.size)
    expected = LOSS(codec, outputs, points).item()
    assert LOSS(codec, outputs, points, certain).item() == pytest.approx(expected)
    assert LOSS(codec, outputs, points, off).item() == pytest.approx(expected / 2, rel=1e-5)


def test_expected_errors_hold_what_labels_may_be_off():
    points = torch.rand(3, 5, 2) * 24 + 5  # the bins end at 40, and with them what is told of a point near them
    outputs = coded(CODEC, points + torch.tensor([3.0, 0.0]))
    log_errors = torch.full((3, 5), float(np.log(5 / 40)), requires_grad=True)
    error_loss(CODEC, log_errors, outputs, points, torch.full((3, 5), 4.0)).backward()
    assert log_errors.grad.abs().max() < 2e-3  # 3 pixels off and 4 in doubt are 5


@pytest.mark.parametrize("outside", [-30.0, 100.0])
def test_points_outside_the_bins_are_not_learnt(outside):
    points = torch.rand(3, 5, 2) * 30 + 5
    outputs = torch.randn(3, 5, 2, CODEC.values)
    expected = LOSS(CODEC, outputs[:, :3], points[:, :3])
    points[:, 3:] = outside
    assert LOSS(CODEC, outputs, points).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("euclidean", 0.05), ("least_squares", 0.00125), ("smooth_l1", 0.03 - 0.01 + 0.04 - 0.01)],
)
def test_distances_are_the_published_ones(distance, expected):
    """3 % and 4 % off: closed forms."""
    assert DISTANCES[distance](torch.tensor([0.03, 0.04])).item() == pytest.approx(expected, rel=1e-3)


def test_wing_is_the_published_one():
    """w ln(1 + |x| / e) inside w, |x| - C outside, continuous between (Feng et al., 2018, equation 5)."""
    wing = DISTANCES["wing"]
    inside = 0.06 * torch.log1p(torch.tensor(0.03 / 0.012))
    assert wing(torch.tensor([0.03, 0.0])).item() == pytest.approx(inside.item(), rel=1e-5)
    near, far = wing(torch.tensor([0.05999, 0.0])), wing(torch.tensor([0.06001, 0.0]))
    assert near.item() == pytest.approx(far.item(), abs=1e-4)
    assert wing(torch.tensor([0.5, 0.0])) - wing(torch.tensor([0.4, 0.0])) == pytest.approx(0.1, abs=1e-6)


def test_expected_errors_are_likeliest_at_the_mean_error():
    points = torch.full((400, 1, 2), 20.0)
    outputs = coded(CODEC, points + torch.randn(400, 1, 2))
    mean = (CODEC.decode(outputs) - points).norm(dim=-1).mean() / CODEC.size
    losses = [error_loss(CODEC, torch.full((400, 1), float(mean.log() + d)), outputs, points) for d in (-0.3, 0, 0.3)]
    assert losses[1] < min(losses[0], losses[2])


def test_absent_labels_are_masked():
    logits = torch.randn(4, 5)
    labels = torch.tensor([0, ABSENT, 4, ABSENT])
    expected = torch.nn.functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    assert attribute_loss(logits, labels).item() == pytest.approx(expected.item())


def test_nothing_labelled_costs_nothing():
    assert attribute_loss(torch.randn(2, 5), torch.tensor([ABSENT, ABSENT])) == 0
    nowhere = torch.full((2, 5, 2), float("nan"))
    assert LOSS(CODEC, torch.randn(2, 5, 2, CODEC.values), nowhere) == 0
    assert error_loss(CODEC, torch.randn(2, 5), torch.randn(2, 5, 2, CODEC.values), nowhere) == 0


@pytest.mark.parametrize("codec", [SimCC(96, 1, 1.5, margin=0.25), CODEC], ids=repr)
def test_points_are_decoded_as_exactly_in_mixed_precision(codec):
    """A matrix product would be made in bfloat16, which tells coordinates of 90 to half a pixel."""
    points = torch.rand(1, 500, 2, generator=torch.Generator().manual_seed(0)) * (codec.size - 1)
    logits = coded(codec, points)
    exact = codec.decode(logits)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = codec.decode(logits)
    assert mixed.dtype == torch.float32 and torch.equal(mixed, exact)
