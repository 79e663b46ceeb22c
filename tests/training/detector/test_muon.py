"""Muon: its steps turn kernels as they should, and the rest is AdamW's."""

from __future__ import annotations

import pytest
import torch

from landmarks.models.facegrid import FaceGrid, FaceGridConfig
from landmarks.training.detector.muon import Muon, optimizer_for, orthogonal


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
    ours, theirs = optimizer_for(network, 1e-2, 0.1, 0.5), optimizer_for(twin, 1e-2, 0.0, 0.5)
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
