"""Muon: its steps turn kernels as they should, and the rest is AdamW's."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from landmarks.models.facegrid import FaceGrid, FaceGridConfig
from landmarks.models.network import Network
from landmarks.training import loop
from landmarks.training.detector.loop import inner_kernels
from landmarks.training.muon import Muon, groups_of, orthogonal
from tests.helpers.faces import SMALL


@pytest.mark.parametrize("rows, columns", [(8, 8), (5, 40), (40, 5)])
def test_an_orthogonal_matrix_keeps_its_directions(rows, columns):
    torch.manual_seed(0)
    matrix = torch.randn(rows, columns) * 1e-4
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    turned = u.T @ orthogonal(matrix) @ v.T
    # The iteration stops while singular values still swing about 1.
    assert (turned.diagonal() > 0.6).all() and (turned.diagonal() < 1.3).all()
    assert (turned - turned.diagonal().diag()).abs().max() < 1e-4


def test_no_gradient_gives_no_step():
    assert orthogonal(torch.zeros(3, 4)).eq(0).all()


def test_inner_kernels_are_muons_and_all_else_is_adamws():
    torch.manual_seed(0)
    network = FaceGrid(FaceGridConfig(8, (8, 8, 8, 8)))
    twin = FaceGrid(network.config)
    twin.load_state_dict(network.state_dict())
    ours = Muon(groups_of(network, inner_kernels(network), 0.1, 0.5), lr=1e-2)
    theirs = Muon(groups_of(twin, inner_kernels(twin), 0.0, 0.5), lr=1e-2)
    for parameter, other in zip(network.parameters(), twin.parameters()):
        parameter.grad = torch.randn_like(parameter)
        other.grad = parameter.grad.clone()
    before = {name: value.clone() for name, value in network.named_parameters()}
    ours.step()
    theirs.step()
    other = dict(twin.named_parameters())
    for name, value in network.named_parameters():
        inner = value.ndim > 1 and not name.startswith(("stem", "heads"))
        assert torch.equal(value, other[name]) != inner, name
        if inner:  # a tenth of a matrix whose singular values are about 1, and of weight decay half of that
            moved = (before[name] * (1 - 0.1 * 0.5) - value).detach().flatten(1)
            assert 0.06 < torch.linalg.matrix_norm(moved, 2) < 0.13, name


def test_momentum_carries_a_step_over():
    kernel = torch.nn.Parameter(torch.zeros(4, 4, 1, 1))
    optimizer = Muon([{"params": [kernel], "weight_decay": 0.0, "orthogonal": True}], lr=0.1)
    kernel.grad = torch.eye(4)[:, :, None, None]
    optimizer.step()
    once = kernel.detach().clone()
    kernel.grad = torch.zeros_like(kernel)
    optimizer.step()
    assert (kernel - once).abs().max() > 0.05


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"locator_size": 32}, ("encoder.layers.0.", "locator.encoder.layers.0.", "heads.", "errors.",
         "locator.head.")),
        ({"sharing": "soft", "tasks": ("points_5", "smile")}, ("encoder.towers.points_5.layers.0.",
         "encoder.towers.smile.layers.0.", "heads.", "errors.")),
        ({"encoder": "tcdcn", "sharing": "cross_stitch", "input_size": 40}, ("encoder.mixes.", "heads.", "errors.",
         *(f"encoder.towers.{task}.stages.0." for task in SMALL.tasks))),
    ],
    ids=["hard and a locator", "soft", "cross-stitch"],
)  # fmt: skip
def test_of_a_network_muon_takes_the_encoders_but_what_reads_pixels(changes, kept):
    network = Network(replace(SMALL, **changes))
    groups = groups_of(network, loop.inner_kernels(network), 0.02, 0.05)
    taken = {id(p) for group in groups if group["orthogonal"] for p in group["params"]}
    names = {name for name, p in network.named_parameters() if id(p) in taken}
    assert names == {n for n, p in network.named_parameters() if p.ndim > 1 and not n.startswith(kept)}
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


def test_depthwise_kernels_stay_adamws():
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 4, 3, groups=4), torch.nn.Conv2d(4, 4, 1))
    groups = groups_of(network, network.parameters(), 0.02, 0.05)
    assert [[p.shape[1] for p in group["params"] if p.ndim > 1] for group in groups] == [[1], [], [4]]


def test_a_state_of_before_muon_goes_on_as_adamws():
    parameter = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = Muon([{"params": [parameter], "weight_decay": 0.0}], lr=0.1)
    parameter.grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.allclose(parameter, torch.full((2, 2), 0.9))
