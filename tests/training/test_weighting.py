import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from landmarks.training.weighting import WEIGHTINGS, create_weighting

TASKS = ("points_5", "smile", "pose")
NAMES = tuple(WEIGHTINGS)
EQUAL = dict.fromkeys(TASKS, 1.0)


class Toy(nn.Module):
    """A shared part of two layers and a head a task."""

    def __init__(self, tasks=TASKS):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(6, 5), nn.Linear(5, 4)
        self.heads = nn.ModuleDict({task: nn.Linear(4, 2) for task in tasks})
        self.shared = [*self.first.parameters(), *self.last.parameters()]
        self.passes = 0

    def losses(self, scale=EQUAL):
        hidden = torch.tanh(self.first(torch.linspace(-1, 1, 18).view(3, 6)))
        hidden.register_hook(self._count)
        features = self.last(hidden)
        return {task: scale.get(task, 1.0) * head(features).square().mean() for task, head in self.heads.items()}

    def _count(self, gradient):
        self.passes += 1

    def gradients(self):
        return {name: None if p.grad is None else p.grad.clone() for name, p in self.named_parameters()}

    def backward(self, weighting, factors, losses=None):
        weighting.backward(losses or self.losses(), factors, self.shared, list(self.last.parameters()))
        return self.gradients()


def same(left, right, **tolerance):
    assert left.keys() == right.keys()
    for name in left:
        assert (left[name] is None) == (right[name] is None), name
        if left[name] is not None:
            torch.testing.assert_close(left[name], right[name], **tolerance)


def plain(factors):
    """Gradients of the weighted sum."""
    toy = Toy()
    sum(factors[task] * loss for task, loss in toy.losses().items() if task in factors).backward()
    return toy.gradients()


def row(train=None, val=None, epoch=0):
    return {"epoch": epoch, "train": train or {}} | ({} if val is None else {"val": val})


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="fixed, uncertainty, dwa, gradnorm, pcgrad, dynamic"):
        create_weighting("magic", TASKS, {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "tasks, weights",
    [((), {}), (("pose", "pose"), {}), (TASKS, {"pose": -1.0}), (TASKS, {"pose": math.nan})],
)
def test_impossible_tasks_and_weights_are_refused(name, tasks, weights):
    with pytest.raises(ValueError, match=r"at least one|must be 0 or more"):
        create_weighting(name, tasks, weights)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "history",
    [[], [row({"points_5": 1.0, "smile": 2.0, "pose": 3.0})], [row()] * 9, [row({}, {})] * 9],
    ids=["empty", "one", "nothing measured", "nothing measured or held out"],
)
def test_factors_are_the_task_weights_until_there_is_something_to_go_by(name, history):
    factors = create_weighting(name, TASKS, {"pose": 0.5}).factors(history)
    assert factors == {"points_5": 1.0, "smile": 1.0, "pose": 0.5}


@pytest.mark.parametrize("weights", [{}, {"points_5": 2.0, "pose": 0.25}])
def test_fixed_is_the_weighted_sum(weights):
    weighting = create_weighting("fixed", TASKS, weights)
    factors = weighting.factors([row({"pose": 1.0})] * 3)
    assert factors == EQUAL | weights
    same(Toy().backward(weighting, factors), plain(factors), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_only_pcgrad_pays_for_whole_passes(name):
    toy = Toy()
    toy.backward(create_weighting(name, TASKS, {}), EQUAL)
    assert toy.passes == (3 if name == "pcgrad" else 1)  # gradnorm's others end at the last shared layer


@pytest.mark.parametrize("name", NAMES)
def test_one_task_alone_is_trained_as_it_is(name):
    toy = Toy(("pose",))
    weighting = create_weighting(name, ("pose",), {})
    for _ in range(2):
        losses = toy.losses()
        weighting.backward(losses, weighting.factors([]), [], [])  # nothing is shared
        weighting.after_step()
    expected = Toy(("pose",))
    for _ in range(2):
        expected.losses()["pose"].backward()
    same(toy.gradients(), expected.gradients())


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_added_to_those_that_are_there(name):
    once = Toy().backward(create_weighting(name, TASKS, {}), EQUAL)
    toy = Toy()
    for parameter in toy.parameters():
        parameter.grad = torch.ones_like(parameter)
    same(toy.backward(create_weighting(name, TASKS, {}), EQUAL), {k: g + 1 for k, g in once.items()})


@pytest.mark.parametrize("stop", ["by factor", "by absence"])
@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_task_contributes_nothing(name, stop):
    toy, weighting = Toy(), create_weighting(name, TASKS, {})
    losses, factors = toy.losses(), dict(EQUAL)
    if stop == "by factor":
        factors["smile"] = 0.0
    else:
        del losses["smile"]
    seen = toy.backward(weighting, factors, losses)
    assert seen["heads.smile.weight"] is None
    others = ("points_5", "pose")
    without = Toy()
    losses = {task: loss for task, loss in without.losses().items() if task in others}
    expected = without.backward(create_weighting(name, others, {}), dict.fromkeys(others, 1.0), losses)
    same(seen, expected)
    for parameter in weighting.parameters():
        assert parameter.grad[1] == 0 and parameter.grad.abs().sum() > 0
    before = {k: v.clone() for k, v in weighting.named_parameters()}
    weighting.after_step()
    assert all(torch.equal(before[k][1], v[1]) for k, v in weighting.named_parameters())


@pytest.mark.parametrize("name", NAMES)
def test_when_all_have_stopped_nothing_happens(name):
    toy, weighting = Toy(), create_weighting(name, TASKS, {})
    seen = toy.backward(weighting, dict.fromkeys(TASKS, 0.0))
    weighting.after_step()
    assert all(gradient is None or not gradient.any() for gradient in seen.values())
    assert all(torch.isfinite(p).all() and p.grad is None for p in weighting.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [None, 0.0, 3.0])
def test_what_is_no_task_is_added_times_its_own_factor(name, factor):
    losses_of = lambda toy: toy.losses() | {"points_5_error": toy.first.weight.square().sum()}  # noqa: E731
    toy = Toy()
    weighting = create_weighting(name, TASKS, {"points_5_error": 0.5})
    seen = toy.backward(weighting, EQUAL | ({} if factor is None else {"points_5_error": factor}), losses_of(toy))
    without = Toy().backward(create_weighting(name, TASKS, {}), EQUAL)
    without["first.weight"] += (0.5 if factor is None else factor) * 2 * toy.first.weight.detach()
    same(seen, without)


@pytest.mark.parametrize("name", NAMES)
def test_state_goes_on_where_it_was(name):
    def train(toy, weighting, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            toy.backward(weighting, EQUAL, toy.losses({"pose": 30.0}))
            optimizer.step()
            weighting.after_step()

    def start():
        toy, weighting = Toy(), create_weighting(name, TASKS, {})
        return toy, weighting, torch.optim.SGD([*toy.parameters(), *weighting.parameters()], lr=0.01)

    whole, cut, again = start(), start(), start()
    train(*whole, steps=6)
    train(*cut, steps=3)
    for resumed, saved in zip(again[:2], cut[:2]):
        resumed.load_state_dict({key: value.clone() for key, value in saved.state_dict().items()})
    train(*again, steps=3)
    for left, right in zip(whole[:2], again[:2]):
        same(left.state_dict(), right.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_state_that_is_learnt_is_in_the_state_dict(name):
    expected = {"uncertainty": {"log_variances"}, "gradnorm": {"weights", "first"}, "pcgrad": {"steps"}}
    weighting = create_weighting(name, TASKS, {})
    assert set(weighting.state_dict()) == expected.get(name, set())
    assert all(parameter.ndim == 1 for parameter in weighting.parameters())


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
