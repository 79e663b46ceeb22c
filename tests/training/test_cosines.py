"""Cosines of tasks' gradients: closed forms, and that measuring them changes nothing."""

import math

import pytest
import torch

from landmarks.training.cosines import Cosines, gradient_cosines
from tests.helpers.losses import Toy


def linear(*directions):
    """Shared parameters (2,), and a loss for each direction whose gradient is that direction."""
    shared = torch.nn.Parameter(torch.zeros(2))
    return [shared], {f"task {i}": shared @ torch.tensor(d) for i, d in enumerate(directions)}


@pytest.mark.parametrize(
    ("main", "other", "cosine"),
    [
        ([1.0, 2.0], [2.0, 4.0], 1.0),
        ([1.0, 2.0], [-0.5, -1.0], -1.0),
        ([1.0, 2.0], [2.0, -1.0], 0.0),
        ([1.0, 0.0], [1e-6, 1e-6], math.sqrt(0.5)),
        ([1e6, 0.0], [-1e-6, 1e-6], -math.sqrt(0.5)),
    ],
)
def test_the_cosine_is_that_of_the_gradients(main, other, cosine):
    shared, losses = linear(main, other)
    assert gradient_cosines(losses, list(losses), shared) == {"task 1": pytest.approx(cosine)}


def test_what_has_no_gradient_there_is_left_out():
    shared, losses = linear([1.0, 0.0], [0.0, 0.0], [1.0, 1.0])
    losses["own"] = torch.nn.Parameter(torch.ones(())) * 2  # depends on nothing that is shared
    losses["constant"] = torch.zeros(())
    assert set(gradient_cosines(losses, list(losses), shared)) == {"task 2"}
    assert gradient_cosines(losses, ["task 1", "task 2"], shared) == {}
    assert gradient_cosines(losses, ["task 0"], shared) == gradient_cosines(losses, list(losses), []) == {}


def test_it_is_measured_every_so_many_steps_and_no_gradient_is_changed():
    toy = Toy()
    losses = toy.losses()
    cosines = Cosines(3, step=5)  # so that steps 6 and 9 are measured
    for _ in range(6):
        cosines(losses, list(losses), toy.shared)
    assert toy.passes == 2 * len(losses)
    assert set(cosines.means()) == {"smile", "pose"} and all(-1 <= c <= 1 for c in cosines.means().values())
    assert all(parameter.grad is None for parameter in toy.parameters())
    sum(losses.values()).backward()  # the graph is still there
    never = Cosines(0, step=0)
    never(losses, list(losses), toy.shared)
    assert never.means() == {}
