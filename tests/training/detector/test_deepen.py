"""A deeper network that begins where a trained one stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from landmarks.errors import WeightsError
from landmarks.models.facegrid import FaceGrid, FaceGridConfig
from landmarks.training.detector.deepen import deepened, rectified

CONFIG = FaceGridConfig(8, (8, 12, 16, 16), (0, 1, 1, 0))


@pytest.fixture
def trained():
    """A network whose normalisations have seen something."""
    torch.manual_seed(0)
    network = FaceGrid(CONFIG)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(layer.weight, 1.0, 0.3)
            torch.nn.init.normal_(layer.bias, 0.0, 0.5)
    network.train()
    for _ in range(60):
        network(torch.randint(0, 256, (4, 3, 64, 64)))
    return network.eval()


@pytest.mark.parametrize("further", [(0, 1, 1, 0), (0, 2, 1, 0), (1, 2, 3, 2)])
def test_it_says_the_same(trained, further):
    deeper = deepened(trained, replace(CONFIG, further=further))
    assert deeper.config.further == further and not deeper.training
    pixels = torch.randint(0, 256, (2, 3, 128, 64), generator=torch.Generator().manual_seed(1))
    for grid, expected in zip(deeper(pixels), trained(pixels)):
        torch.testing.assert_close(grid, expected, atol=1e-4, rtol=1e-4)


def test_every_kernel_learns(trained):
    deeper = deepened(trained, replace(CONFIG, further=(1, 2, 2, 1))).train()
    sum(grid.square().mean() for grid in deeper(torch.randint(0, 256, (4, 3, 64, 64)))).backward()
    for name, kernel in deeper.named_parameters():
        assert kernel.grad is not None and kernel.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "config",
    [replace(CONFIG, further=(0, 0, 1, 0)), replace(CONFIG, stem=12), replace(CONFIG, widths=(8, 12, 16, 20))],
)
def test_what_it_cannot_become(trained, config):
    with pytest.raises(WeightsError, match="nothing but `further` may differ, and be more"):
        deepened(trained, config)


@pytest.mark.parametrize(
    ("mean", "spread"), [(0.0, 1.0), (1.5, 0.5), (-1.0, 2.0), (0.3, -0.7), (-4.0, 0.5), (2.0, 0.0)]
)
def test_a_normal_distribution_cut_off_at_0(mean, spread):
    drawn = (mean + spread * torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))).clamp(min=0)
    found = rectified(torch.tensor([mean]), torch.tensor([spread]))
    assert float(found[0]) == pytest.approx(float(drawn.mean()), abs=5e-3)
    assert float(found[1]) == pytest.approx(float(drawn.var()), abs=1e-2)
