"""A head that gives a number: its scale, its loss, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.datasets.crops.augment import flip_label
from landmarks.models.config import NetworkConfig
from landmarks.models.heads import QuantityHead
from landmarks.models.network import Network, predict
from landmarks.models.store import load_model, save_model
from landmarks.schemes import POSE, Quantity
from landmarks.training.losses import PointsLoss, quantity_loss, task_losses
from tests.helpers.faces import draw_face

NAN = float("nan")
TURN, YEARS = Quantity("head_turn", "degrees", "negated"), Quantity("years", "years")
CONFIG = NetworkConfig(
    tasks=("head_turn", "years"), declared=(TURN, YEARS), input_size=32, features=16, width=0.25, encoder="tcdcn"
)


@pytest.mark.parametrize(
    ("quantity", "values", "mean", "scale"),
    [
        (YEARS, [10, 20, 30, NAN], 20, (200 / 3) ** 0.5),
        (TURN, [10, 20, NAN], 0, 250**0.5),  # mirrored faces are learnt as often
        (YEARS, [7, 7], 7, 1),
        (YEARS, [7], 7, 1),
        (YEARS, [NAN, NAN], 0, 1),
        (YEARS, [], 0, 1),
        (YEARS, [1e30, -1e30], 0, 1e30),
        (YEARS, [1e9, 1e9 + 128], 1e9 + 64, 64),
    ],
)
def test_numbers_are_standardised(quantity, values, mean, scale):
    head = QuantityHead(4, quantity)
    head.standardise(torch.tensor(values, dtype=torch.float64))
    assert head.mean == pytest.approx(mean) and head.scale == pytest.approx(scale)
    given = torch.tensor([value for value in values if value == value], dtype=torch.float32)
    assert torch.allclose(head.decode(head.encode(given)), given)


@pytest.mark.parametrize("task", [TURN, YEARS, POSE])
def test_a_label_that_is_mirrored_twice_is_as_it_was(task):
    label = 3 if task is POSE else 12.5
    assert flip_label(flip_label(label, task), task) == label
    assert flip_label(label, task) == {"head_turn": -12.5, "years": 12.5, "pose": 1}[task.name]
    if task is not POSE:
        assert np.isnan(flip_label(NAN, task))


@pytest.mark.parametrize(
    ("outputs", "values", "expected"),
    [
        ([0.0, 9.0], [30.0, NAN], 0.0),  # the mean is 30, the scale 10
        ([0.5, 9.0], [30.0, NAN], 0.125),  # quadratic within a deviation
        ([0.0, 0.0], [60.0, 30.0], 1.25),  # linear beyond: (3 - 0.5 + 0) / 2
        ([1.0, 2.0], [NAN, NAN], 0.0),
    ],
)
def test_the_loss_is_smooth_l1_of_the_standardised_value_over_the_labelled(outputs, values, expected):
    head = QuantityHead(4, YEARS)
    head.mean.fill_(30), head.scale.fill_(10)
    given = torch.tensor(outputs, requires_grad=True)
    loss = quantity_loss(head, given, torch.tensor(values))
    loss.backward()
    assert loss.item() == pytest.approx(expected)
    assert torch.isfinite(given.grad).all() and (given.grad[torch.tensor(values).isnan()] == 0).all()


def test_a_mirrored_picture_has_the_mirrored_number():
    torch.manual_seed(0)
    network = Network(replace(CONFIG, mirror=True)).eval()
    network.heads["head_turn"].scale.fill_(30)
    crops = torch.randint(0, 256, (3, 32, 32, 3), dtype=torch.uint8)
    seen, mirrored = predict(network, crops).values, predict(network, crops.flip(2)).values
    assert torch.allclose(seen["head_turn"], -mirrored["head_turn"], atol=1e-4)
    assert torch.allclose(seen["years"], mirrored["years"], atol=1e-4)
    assert seen["head_turn"].abs().max() > 0


def test_a_small_network_learns_numbers_by_heart_and_keeps_them_in_its_file(tmp_path):
    torch.manual_seed(0)
    crops = torch.from_numpy(np.stack([draw_face(seed, 32)[0] for seed in range(6)]))
    batch = {
        "head_turn": torch.tensor([-40.0, 10, 40, NAN, 25, 0]),
        "years": torch.tensor([30.0, 31, 32, 33, 34, NAN]),
    }
    network = Network(CONFIG).train()
    for name, head in network.heads.items():
        head.standardise(batch[name])
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2, weight_decay=0)
    for _ in range(150):
        optimizer.zero_grad()
        sum(task_losses(network, network(crops), batch, PointsLoss()).values()).backward()
        optimizer.step()
    save_model(network.eval(), tmp_path / "w.safetensors")
    values = predict(load_model(tmp_path / "w.safetensors").network, crops).values
    for name, true in batch.items():
        error = (values[name] - true).abs().nanmean() / network.heads[name].scale
        assert error < 0.1, name
    again = load_model(tmp_path / "w.safetensors").network
    assert again.config.quantities == {"head_turn": TURN, "years": YEARS}
    assert again.heads["years"].mean == network.heads["years"].mean == 32
