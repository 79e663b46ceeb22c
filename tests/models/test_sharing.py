import itertools

import numpy as np
import pytest
import torch
from torch import nn

from landmarks.models.sharing import NORMS, SMOOTHING, CrossStitch, Towers, coupling

TASKS = ("points_5", "smile", "pose")


class Staged(nn.Module):
    """(N, 2, 6, 6) -> (N, 5)"""

    def __init__(self):
        super().__init__()
        self.stages = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh()),
                nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh()),
                nn.Sequential(nn.Flatten(), nn.Linear(16, 5)),
            ]
        )

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


IMAGES = torch.linspace(-1, 1, 4 * 2 * 36).sin().view(4, 2, 6, 6)


def towers(kind=Towers, create=Staged, tasks=TASKS, seed=0):
    torch.manual_seed(seed)
    return kind(create, tasks)


def stacks(net):
    """(T, p) arrays, one a parameter tensor."""
    layers = zip(*(tower.parameters() for tower in net.towers.values()))
    return [np.stack([p.detach().double().numpy().ravel() for p in layer]) for layer in layers]


def set_mixes(net, matrix):
    with torch.no_grad():
        for mix in net.stitches():
            mix.copy_(matrix)


# towers


@pytest.mark.parametrize("kind", [Towers, CrossStitch])
def test_every_task_has_a_tower_of_its_own(kind):
    net = towers(kind)
    features = net(IMAGES)
    assert list(features) == list(TASKS) and all(values.shape == (4, 5) for values in features.values())
    for one, other in itertools.combinations(TASKS, 2):
        assert not torch.allclose(features[one], features[other])
    names = set(Staged().state_dict())
    expected = {f"towers.{task}.{name}" for task in TASKS for name in names}
    assert set(net.state_dict()) == expected | ({"mixes.0", "mixes.1"} if kind is CrossStitch else set())
    again = towers(kind, seed=1)
    again.load_state_dict(net.state_dict())
    assert all(torch.equal(features[task], values) for task, values in again(IMAGES).items())


def test_uncoupled_a_tower_learns_from_its_own_task_alone():
    net = towers()
    net(IMAGES)["smile"].sum().backward()
    seen = {name for name, p in net.named_parameters() if p.grad is not None}
    assert seen == {f"towers.smile.{name}" for name, _ in Staged().named_parameters()}


@pytest.mark.parametrize("kind", [Towers, CrossStitch])
@pytest.mark.parametrize("tasks", [(), ("pose", "pose")])
def test_towers_need_tasks(kind, tasks):
    with pytest.raises(ValueError, match="at least one"):
        towers(kind, tasks=tasks)


# cross-stitch


class Lines(nn.Module):
    def __init__(self, count=2):
        super().__init__()
        self.stages = nn.ModuleList(nn.Linear(3, 3, bias=False) for _ in range(count))


@pytest.mark.parametrize(
    "create",
    [
        lambda: nn.Linear(2, 2),
        lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)),
        lambda: Lines(1),
        lambda: Lines(0),
        lambda made=iter((2, 3, 3)): Lines(next(made)),
    ],
    ids=["layer", "sequence", "one stage", "no stage", "unequal"],
)
def test_cross_stitch_refuses_encoders_without_stages(create):
    with pytest.raises(ValueError, match="stages"):
        towers(CrossStitch, create)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_stitches_start_near_the_towers_own(count):
    net = towers(CrossStitch, tasks=TASKS[:count])
    assert len(net.stitches()) == 2  # three stages, and none after the last
    for mix in net.stitches():
        assert isinstance(mix, nn.Parameter) and mix.shape == (count, count)
        torch.testing.assert_close(mix.sum(dim=1), torch.ones(count))
        torch.testing.assert_close(mix.diagonal(), torch.full((count,), 0.9 if count > 1 else 1.0))
        if count > 1:
            others = mix[~torch.eye(count, dtype=torch.bool)]
            torch.testing.assert_close(others, torch.full_like(others, 0.1 / (count - 1)))


def test_identity_makes_independent_towers():
    stitched = towers(CrossStitch)
    set_mixes(stitched, torch.eye(3))
    apart = towers()
    for net in (stitched, apart):
        sum(values.square().sum() for values in net(IMAGES).values()).backward()
    for task, values in apart(IMAGES).items():
        torch.testing.assert_close(stitched(IMAGES)[task], values)
        for own, other in zip(stitched.towers[task].parameters(), apart.towers[task].parameters()):
            torch.testing.assert_close(own.grad, other.grad)


def test_equal_shares_give_all_towers_the_same_to_read():
    net = towers(CrossStitch)
    set_mixes(net, torch.full((3, 3), 1 / 3))
    read = {depth: [] for depth in (0, 1, 2)}
    for tower in net.towers.values():
        for depth, stage in enumerate(tower.stages):
            stage.register_forward_pre_hook(lambda _, inputs, depth=depth: read[depth].append(inputs[0]))
    features = net(IMAGES)
    for depth in (0, 1, 2):
        for other in read[depth][1:]:
            torch.testing.assert_close(other, read[depth][0])
    assert not torch.allclose(features["pose"], features["smile"])  # the last stage is each tower's own


def test_rows_say_what_a_tower_goes_on_with():
    net = towers(CrossStitch, Lines, tasks=("points_5", "pose"))
    set_mixes(net, torch.tensor([[0.7, 0.3], [-0.5, 2.0]]))
    (a, b), (c, d) = ([stage.weight for stage in tower.stages] for tower in net.towers.values())
    x = torch.tensor([[1.0, -2.0, 0.5]])
    one, two = x @ a.T, x @ c.T
    features = net(x)
    torch.testing.assert_close(features["points_5"], (0.7 * one + 0.3 * two) @ b.T)
    torch.testing.assert_close(features["pose"], (-0.5 * one + 2.0 * two) @ d.T)


def test_stitches_are_learnt():
    net = towers(CrossStitch)
    net(IMAGES)["pose"].square().sum().backward()
    first, last = (mix.grad for mix in net.stitches())
    assert (first != 0).all()  # what the others go on with comes back to pose at the second one
    assert (last[2] != 0).all() and (last[:2] == 0).all()


# coupling


def pairs(stack):
    return sum(np.square(one - other).sum() for one, other in itertools.combinations(stack, 2))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("kind", [Towers, CrossStitch])
def test_norms_are_those_of_numpy(kind, count):
    net = towers(kind, tasks=TASKS[:count])
    expected = sum(pairs(stack) / count for stack in stacks(net))
    assert coupling(net, "l2").item() == pytest.approx(expected, rel=1e-5)
    expected = sum(np.linalg.norm(stack, "nuc") for stack in stacks(net))
    assert coupling(net, "trace").item() == pytest.approx(expected, rel=1e-5)
    assert all(coupling(net, norm).dtype == torch.float32 for norm in NORMS)


def test_more_towers_than_values_are_fine():
    net = towers(create=lambda: nn.Linear(1, 1), tasks=("a", "b", "c", "d"))
    expected = sum(np.linalg.norm(stack, "nuc") for stack in stacks(net))
    assert coupling(net, "trace").item() == pytest.approx(expected, rel=1e-4)


def test_unknown_norms_are_refused():
    with pytest.raises(ValueError, match="l2, trace"):
        coupling(towers(), "l1")


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_match_finite_differences(norm):
    net = towers().double()
    coupling(net, norm).backward()
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter += step * direction
                values.append(coupling(net, norm).item())
                parameter -= step * direction
        slope = (values[0] - values[1]) / 2e-5
        assert (parameter.grad * direction).sum().item() == pytest.approx(slope, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("count", [2, 5])
def test_a_towers_pull_does_not_depend_on_how_many_there_are(count):
    net = towers(create=lambda: nn.Linear(7, 1, bias=False), tasks=tuple("abcde"[:count]))
    weights = [tower.weight for tower in net.towers.values()]
    coupling(net, "l2").backward()
    mean = torch.stack([w.detach() for w in weights]).mean(dim=0)
    for weight in weights:
        torch.testing.assert_close(weight.grad, 2 * (weight.detach() - mean))
    net.zero_grad()
    with torch.no_grad():  # each tower has something for itself alone
        for place, weight in enumerate(weights):
            weight.zero_()[0, place] = 3.0 + place
    coupling(net, "trace").backward()
    for place, weight in enumerate(weights):
        torch.testing.assert_close(weight.grad, torch.eye(7)[place][None])


def equal_towers(net, scale=1.0):
    first = {name: scale * value for name, value in next(iter(net.towers.values())).state_dict().items()}
    for tower in net.towers.values():
        tower.load_state_dict(first)
    return net


@pytest.mark.parametrize("scale", [1e-4, 1.0, 100.0])
def test_equal_towers_are_pulled_towards_zero_by_the_trace_and_not_at_all_by_l2(scale):
    net = equal_towers(towers(), scale)
    assert coupling(net, "l2").item() == pytest.approx(0, abs=1e-9 * scale**2)
    coupling(net, "trace").backward()
    for parameter in net.parameters():
        value = parameter.detach()
        torch.testing.assert_close(parameter.grad, value / (3**0.5 * value.norm()), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("norm", NORMS)
def test_gradients_are_finite_where_a_layer_is_zero(norm):
    net = towers()
    with torch.no_grad():
        for tower in net.towers.values():
            tower.stages[0][0].weight.zero_()
    value = coupling(net, norm)
    value.backward()
    rest = [stack for stack in stacks(net) if stack.any()]
    assert len(rest) == len(stacks(net)) - 1
    expected = {"l2": sum(map(pairs, rest)) / 3, "trace": sum(np.linalg.norm(stack, "nuc") for stack in rest)}
    assert value.item() == pytest.approx(expected[norm], rel=1e-5)
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())
    assert not net.towers["pose"].stages[0][0].weight.grad.any()


def test_gradients_are_finite_where_towers_are_each_others_equals_or_opposites():
    net = equal_towers(towers())
    with torch.no_grad():
        for parameter in net.towers["pose"].parameters():
            parameter.neg_()
        for parameter in net.towers["smile"].parameters():
            parameter.zero_()
    coupling(net, "trace").backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.norm() < 1.01 for p in net.parameters())


@pytest.mark.parametrize("share, pull", [(1e-3, 0.001), (1.0, 0.5**0.5), (1e3, 1.0)])
def test_the_traces_pull_fades_below_the_smoothing(share, pull):
    net = towers(create=lambda: nn.Linear(4, 1, bias=False), tasks=("points_5",))
    weight = net.towers["points_5"].weight
    with torch.no_grad():
        weight.fill_(share * SMOOTHING / 2)  # of length share x SMOOTHING
    coupling(net, "trace").backward()
    assert weight.grad.norm().item() == pytest.approx(pull, rel=1e-3)


# training


def targets():
    generator = torch.Generator().manual_seed(3)
    return {task: torch.randn(4, 5, generator=generator) for task in TASKS}


def train(net, norm, strength, rate=0.05, steps=100):
    optimizer, wanted = torch.optim.SGD(net.parameters(), lr=rate), targets()
    for _ in range(steps):
        optimizer.zero_grad()
        features = net(IMAGES)
        losses = [(features[task] - target).square().mean() for task, target in wanted.items()]
        (sum(losses) + strength * coupling(net, norm)).backward()
        optimizer.step()
    return net, sum(losses).item()


@pytest.mark.parametrize("norm", NORMS)
def test_without_strength_towers_learn_as_networks_of_a_single_task(norm):
    coupled, _ = train(towers(), norm, strength=0.0, steps=20)
    torch.manual_seed(0)
    for task, target in targets().items():
        single = Staged()
        optimizer = torch.optim.SGD(single.parameters(), lr=0.05)
        for _ in range(20):
            optimizer.zero_grad()
            (single(IMAGES) - target).square().mean().backward()
            optimizer.step()
        for own, other in zip(coupled.towers[task].parameters(), single.parameters()):
            torch.testing.assert_close(own, other)


def test_the_stronger_the_coupling_the_more_alike_the_towers():
    distance = lambda net: sum(pairs(stack) for stack in stacks(net)) ** 0.5  # noqa: E731
    start = distance(towers())
    ends, losses = zip(*(train(towers(), "l2", strength) for strength in (0.0, 0.01, 0.1, 1.0, 10.0)))
    distances = [distance(end) for end in ends]
    assert distances == sorted(distances, reverse=True)
    assert distances[0] > 0.5 * start and distances[-1] < 0.02 * start
    assert list(losses) == sorted(losses)  # these tasks have nothing in common
    very_strong, _ = train(towers(), "l2", 1e4, rate=4e-5)
    assert distance(very_strong) < 1e-4 * start


def test_the_trace_norm_makes_towers_share_directions():
    def weakest(net):
        """The last singular value over the first one, by layer."""
        values = np.array([np.linalg.svd(stack, compute_uv=False) for stack in stacks(net)])
        return values[:, -1] / values[:, 0]

    (free, _), (tied, _) = train(towers(), "trace", 0.0), train(towers(), "trace", 0.1)
    assert (weakest(tied) < weakest(free)).all() and weakest(tied).mean() < 0.8 * weakest(free).mean()
