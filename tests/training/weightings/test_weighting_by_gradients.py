"""Weightings that go by the gradients: GradNorm, PCGrad."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from landmarks.training.weightings.create import create_weighting
from landmarks.training.weightings.pcgrad import project
from tests.helpers.losses import EQUAL, TASKS, Toy, create, plain, same

# gradnorm


def norms(toy, losses):
    last = list(toy.last.parameters())
    gradients = {t: torch.autograd.grad(loss, last, retain_graph=True) for t, loss in losses.items()}
    return torch.stack([torch.cat([part.flatten() for part in g]).norm() for g in gradients.values()])


@pytest.mark.parametrize("weighted", [(1.0, 1.0, 1.0), (1.0, 0.25, 1.75), (1.0, 0.33, 1.67)])
def test_gradnorms_gradient_is_that_of_its_loss(weighted):
    """The second task's goal is 0.28 of the mean."""
    toy, weighting = Toy(), create_weighting("gradnorm", TASKS, {})
    scale = {"points_5": 5.0, "pose": 0.2}
    losses = toy.losses(scale)
    lengths = norms(toy, losses)
    rates = torch.tensor([1.0, 0.5, 2.0])  # what they have kept of their first losses
    weights = torch.tensor(weighted) / lengths
    with torch.no_grad():
        weighting.weights.copy_(weights)
        weighting.first.copy_(torch.stack([loss.detach() for loss in losses.values()]) / rates)
    goal = (weights * lengths).mean() * (rates / rates.mean()) ** 1.5
    w = weights.clone().requires_grad_()
    (w * lengths - goal).abs().sum().backward()
    toy.backward(weighting, EQUAL, losses)
    torch.testing.assert_close(weighting.weights.grad, w.grad)


def test_gradnorms_weights_weigh_the_losses():
    toy, weighting = Toy(), create_weighting("gradnorm", TASKS, {})
    weights = {"points_5": 0.5, "smile": 1.75, "pose": 0.75}
    with torch.no_grad():
        weighting.weights.copy_(torch.tensor([*weights.values()]))
    same(toy.backward(weighting, EQUAL), plain(weights))


@pytest.mark.parametrize("factor", [1.0, 20.0])
def test_gradnorm_makes_tasks_of_different_scale_equal(factor):
    tasks = ("points_5", "smile")
    toy, weighting = Toy(tasks), create_weighting("gradnorm", tasks, {})
    optimizer = torch.optim.SGD(weighting.parameters(), lr=1e-3)
    for _ in range(300):  # the network rests, so that neither task lags
        optimizer.zero_grad()
        toy.backward(weighting, {"points_5": 1.0, "smile": factor}, toy.losses({"points_5": 50.0}))
        optimizer.step()
        weighting.after_step()
        assert weighting.weights.sum().item() == pytest.approx(2)
    left, right = norms(toy, toy.losses({"points_5": 50.0})) * weighting.weights.detach() * torch.tensor([1.0, factor])
    assert left.item() == pytest.approx(right.item(), rel=0.1)


def test_gradnorm_favours_the_task_that_lags():
    tasks = ("points_5", "smile")
    toy, weighting = Toy(tasks), create_weighting("gradnorm", tasks, {})
    toy.backward(weighting, dict.fromkeys(tasks, 1.0))
    toy.heads["smile"].load_state_dict(toy.heads["points_5"].state_dict())  # alike from here, but for their past
    weighting.first.copy_(torch.stack([loss.detach() for loss in toy.losses().values()]))
    weighting.first[0] *= 4  # the points have come down to a quarter
    weighting.zero_grad()
    toy.backward(weighting, dict.fromkeys(tasks, 1.0))
    assert weighting.weights.grad[0] > 0 > weighting.weights.grad[1]


def test_gradnorm_renormalises_the_weights_of_those_that_run():
    toy, weighting = Toy(), create_weighting("gradnorm", TASKS, {})
    toy.backward(weighting, EQUAL | {"smile": 0.0})
    with torch.no_grad():
        weighting.weights.copy_(torch.tensor([0.5, 0.7, -3.0]))
    weighting.after_step()
    least = weighting.LEAST
    expected = [2 * 0.5 / (0.5 + least), 0.7, 2 * least / (0.5 + least)]
    assert weighting.weights.tolist() == pytest.approx(expected)


def test_gradnorm_leaves_out_a_task_without_labels_in_the_batch():
    toy, weighting = Toy(), create_weighting("gradnorm", TASKS, {})
    scale = {"smile": 0.0, "points_5": 3.0}
    toy.backward(weighting, EQUAL, toy.losses(scale))
    assert weighting.first.isnan().tolist() == [False, True, False]
    pair, two = Toy(), create_weighting("gradnorm", ("points_5", "pose"), {})
    pair.backward(two, EQUAL, {t: loss for t, loss in pair.losses(scale).items() if t != "smile"})
    for first in (math.nan, 2.0):  # before its first labels, and after
        weighting.first[1] = first
        weighting.zero_grad()
        toy.backward(weighting, EQUAL, toy.losses(scale))
        assert weighting.weights.grad[1] == 0
        torch.testing.assert_close(weighting.weights.grad[[0, 2]], two.weights.grad)


def test_gradnorm_needs_a_shared_layer():
    toy, weighting = Toy(), create_weighting("gradnorm", TASKS, {})
    with pytest.raises(ValueError, match="share a layer"):
        weighting.backward(toy.losses(), EQUAL, [], [])


# pcgrad


def changed(gradients, tasks=TASKS, steps=0):
    """What pcgrad makes of given gradients, one a task, of two shared parameters."""
    weighting = create_weighting("pcgrad", tasks, {})
    weighting.steps += steps
    gradients = torch.from_numpy(np.asarray(gradients, dtype=float))
    left = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    right = nn.Parameter(torch.zeros(gradients.shape[1] - 1, dtype=torch.float64))
    losses = {t: (torch.cat([left, right]) * g).sum() for t, g in zip(tasks, gradients)}
    weighting.backward(losses, dict.fromkeys(tasks, 1.0), [left, right], [right])
    return torch.cat([left.grad, right.grad]).numpy()


def projected(one, two):
    return one - one @ two / (two @ two) * two


def test_conflicting_gradients_are_projected():
    one, two = np.array([1.0, 2.0, 0.0]), np.array([-2.0, 0.5, 3.0])
    assert one @ two < 0
    expected = projected(one, two) + projected(two, one)
    np.testing.assert_allclose(changed([one, two], TASKS[:2]), expected)
    np.testing.assert_allclose([projected(one, two) @ two, projected(two, one) @ one], 0, atol=1e-12)


@pytest.mark.parametrize(
    "gradients",
    [
        [[1.0, 2.0, 0.0], [2.0, 0.5, 3.0]],
        [[1.0, 0.0, 0.0], [0.0, 5.0, 0.0]],  # at right angles
        [[1.0, -2.0, 0.0], [0.0, 0.0, 0.0]],
    ],
)
def test_other_gradients_are_left_alone(gradients):
    np.testing.assert_array_equal(changed(gradients, TASKS[:2]), np.sum(gradients, axis=0))


def test_opposite_gradients_cancel():
    np.testing.assert_allclose(changed([[1.0, -2.0], [-3.0, 6.0]], TASKS[:2]), 0, atol=1e-12)


def test_three_tasks_are_projected_in_random_order():
    gradients = np.array([[1.0, 0.2, 0.0], [-1.0, 1.0, 0.3], [-0.5, -1.0, 1.0]])
    possible = []
    for orders in itertools.product(*(itertools.permutations({0, 1, 2} - {task}) for task in range(3))):
        total = np.zeros(3)
        for own, order in zip(gradients, orders):
            for other in order:
                own = projected(own, gradients[other]) if own @ gradients[other] < 0 else own
            total += own
        possible.append(total)
    seen = np.array([changed(gradients, steps=step) for step in range(40)])
    for result in seen:
        assert np.abs(np.array(possible) - result).max(axis=1).min() < 1e-12
    assert len(np.unique(seen.round(9), axis=0)) == len(np.unique(np.round(possible, 9), axis=0)) > 1


def test_pcgrad_gives_the_heads_their_own_gradients():
    toy = Toy()
    losses = toy.losses()
    losses["smile"] = -losses["smile"]  # something to conflict
    weighting = create_weighting("pcgrad", TASKS, {})
    seen = toy.backward(weighting, EQUAL | {"pose": 2.0}, losses)
    expected = plain({"points_5": 1.0, "smile": -1.0, "pose": 2.0})
    heads = [name for name in seen if name.startswith("heads")]
    same({name: seen[name] for name in heads}, {name: expected[name] for name in heads})
    assert not torch.allclose(seen["first.weight"], expected["first.weight"])


# of TorchJD


def test_our_pcgrad_is_torchjds():
    """Of two tasks the order makes no difference; of more, each is a mean over orders."""
    aggregation = pytest.importorskip("torchjd.aggregation")
    theirs = aggregation.PCGrad()
    for seed in range(5):
        gradients = torch.randn(2, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        torch.testing.assert_close(project(gradients, np.random.default_rng(0)), theirs(gradients))
    gradients = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    ours = {tuple(project(gradients, generator).numpy().round(6)) for _ in range(60)}
    assert ours == {tuple(theirs(gradients).numpy().round(6)) for _ in range(60)}


@pytest.mark.parametrize("name", ["upgrad", "cagrad", "imtl_g", "aligned_mtl", "mgda", "config", "dualproj"])
def test_aggregators_of_alike_gradients_give_their_sum(name):
    """Orthogonal gradients of one length are in no conflict: all methods add them up."""
    combined = create(name).combine(torch.eye(3, 5))
    direction = combined / combined.norm()
    torch.testing.assert_close(direction, torch.eye(3, 5).sum(0) / 3**0.5, rtol=1e-3, atol=1e-3)
    if name != "cagrad":
        torch.testing.assert_close(combined, torch.eye(3, 5).sum(0), rtol=1e-3, atol=1e-3)


def test_imtl_gs_gradient_lies_alike_along_all():
    gradients = torch.randn(3, 9, generator=torch.Generator().manual_seed(2)) * torch.tensor([[1.0], [10.0], [0.1]])
    along = (gradients / gradients.norm(dim=1, keepdim=True)) @ create("imtl_g").combine(gradients)
    torch.testing.assert_close(along, along.mean().expand(3), rtol=1e-3, atol=1e-4)


def test_mgdas_gradient_is_the_shortest_mean():
    """Of two gradients: the point of the line between them that is nearest to 0, times their number."""
    one, two = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 1.0])
    torch.testing.assert_close(
        create("mgda").combine(torch.stack([one, two])), 2 * (0.1 * one + 0.9 * two), rtol=1e-2, atol=1e-2
    )


def test_configs_gradient_has_one_angle_to_all():
    gradients = torch.randn(3, 9, generator=torch.Generator().manual_seed(2)) * torch.tensor([[1.0], [10.0], [0.1]])
    combined = create("config").combine(gradients)
    along = (gradients / gradients.norm(dim=1, keepdim=True)) @ (combined / combined.norm())
    torch.testing.assert_close(along, along.mean().expand(3), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(combined.norm(), (gradients @ (combined / combined.norm())).sum(), rtol=1e-3, atol=1e-4)


def test_dualproj_hurts_no_task():
    gradients = torch.tensor([[1.0, 0.0], [-3.0, 1.0]])
    assert (gradients.sum(dim=0) @ gradients[0]) < 0
    assert (gradients @ create("dualproj").combine(gradients) > -1e-3).all()
