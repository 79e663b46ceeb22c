import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landmarks.models.cascade import (
    HALF,
    PATCH,
    WHOLE,
    Cascade,
    LocalConv,
    Networks,
    Rectified,
    Stage,
    average,
    count_multiply_adds,
    cut_patches,
)
from landmarks.models.network import count_parameters

SIZE = 64
TEN = 2 * 5
"""Networks of a level that moves points."""


@pytest.fixture(scope="module")
def cascade() -> Cascade:
    torch.manual_seed(0)
    return Cascade(SIZE).eval()


def random_crops(count: int, size: int = SIZE) -> Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8)


def ramp(axis: int, count: int = 1, size: int = SIZE) -> Tensor:
    """(count, size, size, 3) uint8: grey crops whose value is x (axis 0) or y (axis 1)."""
    row = torch.arange(size, dtype=torch.uint8).expand(size, size)
    return (row if axis == 0 else row.T)[None, :, :, None].repeat(count, 1, 1, 3)


def say(networks: Networks, values: Tensor) -> None:
    """Make networks give the same values (count, points, 2) whatever they see."""
    with torch.no_grad():
        networks.output.weight.zero_()
        networks.output.bias.copy_(values.flatten())


@pytest.mark.parametrize("size", [39, 64, 101])
@pytest.mark.parametrize("count", [1, 3])
def test_points_after_each_level(size, count):
    cascade, crops = Cascade(size).eval(), random_crops(count, size)
    points = cascade(crops)
    assert points.shape == (count, 3, 5, 2) and points.dtype == torch.float32 and torch.isfinite(points).all()
    for levels in (1, 2):
        assert torch.equal(cascade(crops, levels), points[:, :levels])


def test_lower_precision_gives_float32(cascade):
    points = torch.rand(2, 5, 2) * SIZE
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs, losses = cascade(random_crops(2)), cascade.losses(random_crops(2), points)
    assert {value.dtype for value in (outputs, *losses.values())} == {torch.float32}


def test_crops_smaller_than_the_first_level_reads():
    with pytest.raises(ValueError, match="39 pixels or more"):
        Cascade(38)


def test_parameters_are_those_of_the_table(cascade):
    """Cells x maps x (inputs + 1), and a gain and a bias for each map of each pooled cell; then the two last layers."""
    whole = 4 * 20 * (16 + 1 + 2) + 4 * 40 * (9 * 20 + 1 + 2) + 9 * 60 * (9 * 40 + 1 + 2) + 4 * 80 * (4 * 60 + 1)
    whole += 120 * (2 * 2 * 80 + 1) + 10 * (120 + 1)
    half = 20 * (16 + 1 + 2) + 4 * 40 * (9 * 20 + 1 + 2) + 6 * 60 * (9 * 40 + 1 + 2) + 2 * 80 * (4 * 60 + 1)
    half += 100 * (1 * 2 * 80 + 1) + 6 * (100 + 1)
    patch = 20 * (16 + 1 + 2) + 40 * (9 * 20 + 1 + 2) + 60 * (2 * 2 * 40 + 1) + 2 * (60 + 1)
    assert count_parameters(cascade.whole) == whole
    assert count_parameters(cascade.top) == count_parameters(cascade.bottom) == half
    assert [count_parameters(networks) for networks in cascade.refinements] == [TEN * patch, TEN * patch]
    assert count_parameters(cascade) == whole + 2 * half + 2 * TEN * patch


def test_costs_are_those_of_the_table(cascade):
    """Places of the output map x maps x what each reads; level by level."""
    whole = 36**2 * 20 * 16 + 16**2 * 40 * 9 * 20 + 6**2 * 60 * 9 * 40 + 2**2 * 80 * 4 * 60 + 120 * 320 + 10 * 120
    half = 28 * 36 * 20 * 16 + 12 * 16 * 40 * 9 * 20 + 4 * 6 * 60 * 9 * 40 + 2 * 80 * 4 * 60 + 100 * 160 + 6 * 100
    patch = 12**2 * 20 * 16 + 4**2 * 40 * 9 * 20 + 60 * 160 + 2 * 60
    first = whole + 2 * half
    costs = [first, first + TEN * patch, first + 2 * TEN * patch]
    assert [count_multiply_adds(cascade, levels) for levels in (1, 2, 3)] == costs
    assert count_multiply_adds(cascade) == costs[-1]


def test_one_cell_is_a_plain_convolution():
    conv, x = LocalConv(3, 5, 4), torch.randn(2, 3, 9, 11)
    assert torch.allclose(conv(x), F.conv2d(x, conv.weight, conv.bias), atol=1e-6)


@pytest.mark.parametrize(
    ("networks", "grid", "kernel", "height", "width"),
    [(1, (2, 2), 3, 10, 12), (1, (2, 3), 2, 5, 7), (2, (1, 2), 3, 6, 6), (3, (3, 1), 1, 6, 5), (2, (2, 2), 2, 3, 3)],
)
def test_each_cell_has_weights_of_its_own(networks, grid, kernel, height, width):
    """Against a convolution a cell, written into its place."""
    torch.manual_seed(0)
    conv, x = LocalConv(2, 3, kernel, grid, networks), torch.randn(4, networks * 2, height, width)
    weight, bias = conv.weight.unflatten(0, (networks, *grid, 3)), conv.bias.unflatten(0, (networks, *grid, 3))
    rows, columns = (height - kernel + 1) // grid[0], (width - kernel + 1) // grid[1]
    expected = torch.full((4, networks, 3, height - kernel + 1, width - kernel + 1), float("nan"))
    for network in range(networks):
        own = x[:, 2 * network : 2 * network + 2]
        for u in range(grid[0]):
            for v in range(grid[1]):
                whole = F.conv2d(own, weight[network, u, v], bias[network, u, v])
                cell = (..., slice(u * rows, (u + 1) * rows), slice(v * columns, (v + 1) * columns))
                expected[:, network][cell] = whole[cell]
    assert torch.allclose(conv(x), expected.flatten(1, 2), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(10, 11), (11, 10)])
def test_cells_must_be_equal(height, width):
    with pytest.raises(ValueError, match="side 9 cannot be divided into 2 cells"):
        LocalConv(1, 1, 3, (2, 2))(torch.zeros(1, 1, height, width))


@pytest.mark.parametrize("pooled", [True, False])
def test_stage_is_as_defined(pooled):
    """|tanh| of each place of the map, its maximum over 2x2, tanh(gain x + bias) with the cell's own two."""
    torch.manual_seed(0)
    stage, x = Rectified(2, Stage(3, 3, (2, 1), pooled), networks=1), torch.randn(4, 2, 10, 6)
    expected = torch.tanh(stage.conv(x)).abs()  # (4, 3, 8, 4)
    if pooled:
        nn.init.normal_(stage.gain)
        nn.init.normal_(stage.bias)
        gain, bias = (v.view(2, 3).T[None, :, :, None].repeat_interleave(2, 2) for v in (stage.gain, stage.bias))
        expected = torch.tanh(gain * F.max_pool2d(expected, 2) + bias)
    assert torch.allclose(stage(x), expected, atol=1e-5)


@pytest.mark.parametrize("structure", [WHOLE, HALF, PATCH])
def test_filters_sum_to_nothing_at_first(structure):
    torch.manual_seed(0)
    *convs, _ = [module for module in Networks(structure, 2).modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        assert conv.weight.sum(dim=(1, 2, 3)).abs().max() < 1e-4
        assert conv.weight.std().item() == pytest.approx(conv.weight[0].numel() ** -0.5, rel=0.1)


@pytest.mark.parametrize("size", [40, 64])
def test_first_level_begins_with_the_mean_face(size):
    cascade = Cascade(size)
    with torch.no_grad():
        for networks in (cascade.whole, cascade.top, cascade.bottom):
            networks.output.weight.zero_()
        points = cascade(random_crops(2, size), 1)
    mean = torch.tensor([[-0.23, -0.25], [0.23, -0.25], [0.0, 0.03], [-0.2, 0.25], [0.2, 0.25]])
    assert torch.allclose(points, (mean * size + (size - 1) / 2).expand(2, 1, 5, 2), atol=1e-4)


def test_networks_of_a_level_are_independent():
    """No parameter of a network moves another one's output."""
    torch.manual_seed(0)
    networks, patches = Networks(PATCH, TEN), torch.randn(3, TEN, 15, 15)
    for number in range(TEN):
        networks.zero_grad()
        networks(patches)[:, number].square().sum().backward()
        for name, parameter in networks.named_parameters():
            moved = parameter.grad.unflatten(0, (TEN, -1)).flatten(1).abs().amax(dim=1) > 0
            assert moved.tolist() == [other == number for other in range(TEN)], name


def test_levels_learn_from_nothing_but_the_labels(cascade):
    """A level's loss moves its own networks only."""
    parts = {
        "level_1": [cascade.whole, cascade.top, cascade.bottom],
        "level_2": [cascade.refinements[0]],
        "level_3": [cascade.refinements[1]],
    }
    assert sum(count_parameters(part) for own in parts.values() for part in own) == count_parameters(cascade)
    crops, points = random_crops(2), torch.rand(2, 5, 2) * SIZE
    for level in parts:
        cascade.zero_grad()
        cascade.losses(crops, points)[level].backward()
        for other, own in parts.items():
            for parameter in nn.ModuleList(own).parameters():
                assert (parameter.grad is not None) == (other == level)
    cascade.zero_grad()


def test_first_level_averages_who_sees_a_point():
    whole, top, bottom = torch.full((1, 5, 2), 6.0), torch.full((1, 3, 2), 12.0), torch.full((1, 3, 2), 30.0)
    assert average(whole, top, bottom)[0, :, 0].tolist() == [9, 9, 16, 18, 18]


def test_outputs_become_crop_pixels():
    """The first level: 0 is the middle of the crop, UNIT of its side is 1. The others: shares of their reach, averaged
    over a point's two networks and added to what came before."""
    cascade = Cascade(SIZE).eval()
    say(cascade.whole, torch.tensor([[[-2, -1], [2, -1], [0, 0.5], [-1, 2], [1, 2]]]))
    say(cascade.top, torch.tensor([[[-2, 0], [2, 0], [0, 0.5]]]))
    say(cascade.bottom, torch.tensor([[[0, 2], [-1, 2], [1, 3]]]))
    seconds, thirds = torch.arange(20.0).view(TEN, 1, 2) / 10, -torch.arange(20.0).view(TEN, 1, 2) / 5
    say(cascade.refinements[0], seconds)
    say(cascade.refinements[1], thirds)
    first = torch.tensor([[-2, -0.5], [2, -0.5], [0, 1], [-1, 2], [1, 2.5]]) * 0.1 * SIZE + 31.5
    second = first + seconds.view(5, 2, 2).mean(dim=1) * 0.05 * SIZE
    third = second + thirds.view(5, 2, 2).mean(dim=1) * 0.02 * SIZE
    points = cascade(random_crops(2))
    assert torch.allclose(points, torch.stack([first, second, third]).expand(2, -1, -1, -1), atol=1e-4)


def test_halves_see_their_rows(cascade):
    """Eyes and nose do not depend on the lowest fifth of the crop in EN1, nor the mouth on the highest in NM1."""
    crops = random_crops(1)
    with torch.no_grad():
        _, top, bottom = cascade._first(crops.permute(0, 3, 1, 2)[:, :1].float())
        above, below = crops.clone(), crops.clone()
        above[:, :11], below[:, 53:] = 0, 0
        _, top_above, bottom_above = cascade._first(above.permute(0, 3, 1, 2)[:, :1].float())
        _, top_below, bottom_below = cascade._first(below.permute(0, 3, 1, 2)[:, :1].float())
    assert torch.equal(top, top_below) and torch.equal(bottom, bottom_above)
    assert not torch.equal(top, top_above) and not torch.equal(bottom, bottom_below)


@pytest.mark.parametrize("size", [40, 64])
@pytest.mark.parametrize("axis", [0, 1])
def test_patches_lie_around_their_points(size, axis):
    """In an image whose value is a coordinate, a patch says where each of its pixels is; beyond the border, the
    nearest pixel's."""
    image = ramp(axis, 2, size)[..., 0][:, None].float()
    points = torch.tensor([[[20.0, 20.0], [17.25, 23.5]], [[-3.0, 1.0], [size + 2.0, size - 1.0]]])
    halves = (0.16, 0.3)
    patches = cut_patches(image, points, halves)
    assert patches.shape == (2, 4, 15, 15)
    for face in range(2):
        for network in range(4):
            steps = (torch.arange(15) - 7) * (2 * halves[network % 2] * size / 15)
            expected = (points[face, network // 2, axis] + steps).clamp(0, size - 1).expand(15, 15)
            seen = patches[face, network] if axis == 0 else patches[face, network].T
            assert torch.allclose(seen, expected, atol=1e-3)


class Watcher(nn.Module):
    """Stands for a level's networks: keeps the middle of every patch and says `answer`."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer, self.middles = answer, torch.empty(0)

    def forward(self, patches: Tensor) -> Tensor:
        self.middles = patches[:, :, 7, 7] * 64 + 127.5
        return self.answer


def test_later_levels_learn_to_move_back_to_true_points():
    """Patches lie up to 5 and 2 % of the side from the true points; going all the way back costs nothing, staying costs
    half the square of the way in units of the largest one."""
    cascade, faces, truth = Cascade(SIZE).eval(), 60, torch.tensor([[25.0, 30], [40, 30], [32, 35], [27, 44], [38, 45]])
    moves = torch.empty(2, faces, TEN, 1, 2)
    stay = torch.zeros(faces, TEN, 1, 2)
    for level, reach in enumerate((0.05, 0.02)):
        for axis in (0, 1):
            cascade.refinements[level] = watcher = Watcher(stay)
            losses = cascade.losses(ramp(axis, faces), truth.expand(faces, 5, 2))
            middles = watcher.middles.view(faces, 5, 2)  # a point's two networks
            assert torch.equal(middles[..., 0], middles[..., 1])
            moves[level, ..., 0, axis] = ((middles - truth[:, axis, None]) / (reach * SIZE)).flatten(1)
        assert moves[level].abs().max() <= 1.001 and moves[level].abs().max() > 0.95
        assert moves[level].mean().abs() < 0.1
        cost = 0.5 * moves[level].square().sum() / faces
        assert losses[f"level_{level + 2}"].item() == pytest.approx(cost.item(), rel=1e-3)
        cascade.refinements[level] = Watcher(-moves[level])
        losses = cascade.losses(ramp(0, faces), truth.expand(faces, 5, 2))
        assert losses[f"level_{level + 2}"].item() == pytest.approx(0, abs=1e-4)


def test_first_level_pays_for_each_network_of_its_own():
    cascade, points = Cascade(SIZE).eval(), torch.rand(4, 5, 2) * 30 + 15
    for networks in (cascade.whole, cascade.top, cascade.bottom):
        say(networks, torch.full(networks.shape, 0.5))
    each = (0.5 - (points - 31.5) / (0.1 * SIZE)).square().sum(dim=-1) / 2  # (4, 5)
    expected = each.sum(dim=1) + each[:, :3].sum(dim=1) + each[:, 2:].sum(dim=1)
    loss = cascade.losses(random_crops(4), points)["level_1"]
    assert loss.item() == pytest.approx(expected.mean().item(), rel=1e-4)


def test_faces_without_all_points_are_left_out(cascade):
    torch.manual_seed(0)
    crops, points = random_crops(5), torch.rand(5, 5, 2) * SIZE
    points[0] = points[3, 4, 1] = float("nan")
    own = [1, 2, 4]
    assert cascade.losses(crops, points) == cascade.losses(crops[own], points[own])


def test_no_face_at_all_costs_nothing():
    cascade = Cascade(SIZE).train()
    losses = cascade.losses(random_crops(2), torch.full((2, 5, 2), float("nan")))
    assert list(losses) == ["level_1", "level_2", "level_3"] and all(loss.item() == 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert all(parameter.grad.count_nonzero() == 0 for parameter in cascade.parameters())


def test_watched_losses_repeat_and_training_ones_do_not():
    torch.manual_seed(0)
    cascade, crops, points = Cascade(SIZE), random_crops(2), torch.rand(2, 5, 2) * SIZE
    with torch.no_grad():
        cascade.eval()
        assert cascade.losses(crops, points) == cascade.losses(crops, points)
        cascade.train()
        once, again = cascade.losses(crops, points), cascade.losses(crops, points)
        assert once["level_1"] == again["level_1"]
        assert once["level_2"] != again["level_2"] and once["level_3"] != again["level_3"]
        seeded = [cascade.losses(crops, points, torch.Generator().manual_seed(3)) for _ in range(2)]
        assert seeded[0] == seeded[1] and seeded[0] != once


def blob_faces(count: int) -> tuple[Tensor, Tensor]:
    """Random texture with five bright blobs: (count, SIZE, SIZE, 3) uint8 and their places (count, 5, 2)."""
    mean = torch.tensor([[22.0, 24], [42, 24], [32, 33], [24, 42], [40, 42]])
    points = mean + 6 * torch.rand(count, 1, 2) + 3 * torch.rand(count, 5, 2) - 4.5
    places = torch.stack(torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="xy"), dim=-1)
    square = (places - points[:, :, None, None]).square().sum(dim=-1)  # (count, 5, SIZE, SIZE)
    image = 60 * torch.rand(count, SIZE, SIZE) + 180 * torch.exp(-square / 8).sum(dim=1)
    return image.clamp(0, 255).to(torch.uint8)[..., None].repeat(1, 1, 1, 3), points


def test_learns_eight_faces():
    torch.manual_seed(0)
    crops, points = blob_faces(8)
    cascade = Cascade(SIZE).train()
    optimizer = torch.optim.Adam(cascade.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=50)
    for _ in range(50):
        optimizer.zero_grad()
        sum(cascade.losses(crops, points).values()).backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        errors = (cascade.eval()(crops) - points[:, None]).norm(dim=-1).mean(dim=(0, 2)) / SIZE
    assert errors[2] < 0.01 and errors[2] <= errors[0]
