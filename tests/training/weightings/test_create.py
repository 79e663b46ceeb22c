import math
import sys

import pytest
import torch

from landmarks.errors import LandmarksError
from landmarks.training.weightings.aggregators import Aggregated
from landmarks.training.weightings.create import WEIGHTINGS, Weighting, create_weighting, passes_of
from landmarks.training.weightings.gradients import GradientWeighting
from tests.helpers.losses import EQUAL, TASKS, Toy, create, plain, row, same


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=", ".join(WEIGHTINGS)):
        create_weighting("magic", TASKS, {})


@pytest.fixture(params=WEIGHTINGS)
def name(request):
    create(request.param)
    return request.param


@pytest.mark.parametrize("name", [name for name, kind in WEIGHTINGS.items() if issubclass(kind, Aggregated)])
def test_what_needs_a_package_names_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchjd", None)
    with pytest.raises(LandmarksError, match=r"needs TorchJD; pip install 'landmarks\[mtl\]'"):
        create_weighting(name, TASKS, {})


class Halved(Weighting):
    """One's own: half of every loss."""

    def __init__(self, tasks, task_weights, share=0.5):
        super().__init__(tasks, task_weights)
        self.share = share

    def _term(self, name, loss):
        return self.share * loss


def test_one_of_ones_own_is_named_by_module_and_class():
    weighting = create_weighting(f"{__name__}:Halved", TASKS, {}, {"share": 0.25})
    same(Toy().backward(weighting, EQUAL), plain(dict.fromkeys(TASKS, 0.25)))
    for name, message in [(f"{__name__}:Toy", "no subclass of landmarks's Weighting"), ("nowhere.at:All", "no module")]:
        with pytest.raises(ValueError, match=message):
            create_weighting(name, TASKS, {})


@pytest.mark.parametrize(("name", "option"), [("gradnorm", "alfa"), ("fixed", "alpha"), ("pcgrad", "c")])
def test_options_that_a_weighting_does_not_have_are_refused(name, option):
    with pytest.raises(ValueError, match=f"weighting_options of '{name}': unknown option '{option}'"):
        create_weighting(name, TASKS, {}, {option: 1.0})


@pytest.mark.parametrize(
    "tasks, weights",
    [((), {}), (("pose", "pose"), {}), (TASKS, {"pose": -1.0}), (TASKS, {"pose": math.nan})],
)
def test_impossible_tasks_and_weights_are_refused(name, tasks, weights):
    with pytest.raises(ValueError, match=r"at least one|must be 0 or more"):
        create_weighting(name, tasks, weights)


@pytest.mark.parametrize(
    "history",
    [[], [row({"points_5": 1.0, "smile": 2.0, "pose": 3.0})], [row()] * 9, [row({}, {})] * 9],
    ids=["empty", "one", "nothing measured", "nothing measured or held out"],
)
def test_factors_are_the_task_weights_until_there_is_something_to_go_by(name, history):
    factors = create_weighting(name, TASKS, {"pose": 0.5}).factors(history)
    assert factors == {"points_5": 1.0, "smile": 1.0, "pose": 0.5}


def test_factors_come_from_the_history_alone(name):
    """Or else an interrupted training would go on differently: what is drawn at random is seeded by the epoch."""
    losses = [{"points_5": 3.0 / (e + 1), "smile": 1.0, "pose": 2.0 + e % 2} for e in range(6)]
    history = [row(one, one) for one in losses]
    used = create_weighting(name, TASKS, {})
    for end in range(len(history)):
        used.factors(history[:end])
    assert used.factors(history) == create_weighting(name, TASKS, {}).factors(history)


@pytest.mark.parametrize("weights", [{}, {"points_5": 2.0, "pose": 0.25}])
def test_fixed_is_the_weighted_sum(weights):
    weighting = create_weighting("fixed", TASKS, weights)
    factors = weighting.factors([row({"pose": 1.0})] * 3)
    assert factors == EQUAL | weights
    same(Toy().backward(weighting, factors), plain(factors), rtol=0, atol=0)


def test_who_goes_by_all_gradients_pays_for_whole_passes(name):
    toy = Toy()
    weighting = create_weighting(name, TASKS, {})
    toy.backward(weighting, EQUAL)
    # gradnorm's others end at the last shared layer
    assert toy.passes == (3 if isinstance(weighting, GradientWeighting) else 1)
    assert (passes_of(name) is None) == (toy.passes == 3 or name == "gradnorm")


def test_one_task_alone_is_trained_as_it_is(name):
    toy = Toy(("pose",))
    weighting = create_weighting(name, ("pose",), {})
    for _ in range(2):
        losses = toy.losses()
        weighting.backward(losses, weighting.factors([]), [], [])  # nothing is shared
        weighting.after_step()
        weighting.look_again(toy.losses())
    expected = Toy(("pose",))
    for _ in range(2):
        expected.losses()["pose"].backward()
    same(toy.gradients(), expected.gradients())


def test_gradients_are_added_to_those_that_are_there(name):
    once = Toy().backward(create_weighting(name, TASKS, {}), EQUAL)
    toy = Toy()
    for parameter in toy.parameters():
        parameter.grad = torch.ones_like(parameter)
    same(toy.backward(create_weighting(name, TASKS, {}), EQUAL), {k: g + 1 for k, g in once.items()})


@pytest.mark.parametrize("stop", ["by factor", "by absence"])
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
    weighting.look_again(losses)
    assert all(torch.equal(before[k][1], v[1]) for k, v in weighting.named_parameters())


def test_when_all_have_stopped_nothing_happens(name):
    toy, weighting = Toy(), create_weighting(name, TASKS, {})
    seen = toy.backward(weighting, dict.fromkeys(TASKS, 0.0))
    weighting.after_step()
    assert all(gradient is None or not gradient.any() for gradient in seen.values())
    assert all(torch.isfinite(p).all() and p.grad is None for p in weighting.parameters())


@pytest.mark.parametrize("factor", [None, 0.0, 3.0])
def test_what_is_no_task_is_added_times_its_own_factor(name, factor):
    losses_of = lambda toy: toy.losses() | {"points_5_error": toy.first.weight.square().sum()}  # noqa: E731
    toy = Toy()
    weighting = create_weighting(name, TASKS, {"points_5_error": 0.5})
    seen = toy.backward(weighting, EQUAL | ({} if factor is None else {"points_5_error": factor}), losses_of(toy))
    without = Toy().backward(create_weighting(name, TASKS, {}), EQUAL)
    without["first.weight"] += (0.5 if factor is None else factor) * 2 * toy.first.weight.detach()
    same(seen, without)


def test_state_goes_on_where_it_was(name):
    def train(toy, weighting, optimizer, steps):
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            toy.backward(weighting, EQUAL, toy.losses({"pose": 30.0}))
            optimizer.step()
            weighting.after_step()
            weighting.look_again(toy.losses({"pose": 30.0}))

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


def test_state_that_is_learnt_is_in_the_state_dict(name):
    expected = {"uncertainty": {"log_variances"}, "gradnorm": {"weights", "first"}, "pcgrad": {"steps"}}
    expected["random"] = {"steps"}
    expected["famo"] = {"logits", "first_moments", "second_moments", "updates"}
    weighting = create_weighting(name, TASKS, {})
    assert set(weighting.state_dict()) == expected.get(name, set())
    assert all(parameter.ndim == 1 for parameter in weighting.parameters())
