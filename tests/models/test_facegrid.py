"""The face detector's network: shapes, what its numbers mean, its file."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from landmarks.errors import WeightsError
from landmarks.geometry import grid_cells
from landmarks.models import store
from landmarks.models.facegrid import (
    KIND,
    STRIDES,
    FaceGrid,
    FaceGridConfig,
    decode,
    load_facegrid,
    save_facegrid,
)
from landmarks.models.store import load_model

SMALL = FaceGridConfig(8, (8, 8, 8, 8))


@pytest.fixture(params=[SMALL, FaceGridConfig(8, (8, 8, 8, 8), (2, 0, 1, 1))], ids=["default depth", "other depth"])
def network(request) -> FaceGrid:
    """A small one whose normalisations have seen something."""
    torch.manual_seed(0)
    network = FaceGrid(request.param).train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randint(0, 256, (2, 3, 64, 128), dtype=torch.uint8))
    return network.eval()


@pytest.mark.parametrize("height, width", [(64, 64), (128, 192), (64, 640)])
def test_maps_and_cells_fit_the_picture(network, height, width):
    maps = network(torch.zeros(1, 3, height, width, dtype=torch.uint8))
    assert [m.shape[2:] for m in maps] == [(height // s, width // s) for s in STRIDES]
    places = grid_cells(height, width, STRIDES)
    assert len(places) == sum(m.shape[2] * m.shape[3] for m in maps)
    assert (places[:, :2] > 0).all() and (places[:, :2] < (width, height)).all()


def test_cells_say_what_they_were_told():
    # Cell (row 1, column 2) of the second grid of a 64 x 128 picture, centre (40, 24).
    maps = [torch.zeros(1, 15, 64 // s, 128 // s) for s in STRIDES]
    cell = maps[1][0, :, 1, 2]
    cell[0] = 3.0
    cell[1:5] = torch.log(torch.expm1(torch.tensor([1.0, 0.5, 2.0, 0.25])))  # softplus turned round
    cell[5:7] = torch.tensor([0.5, -1.0])
    outputs = decode(maps, torch.from_numpy(grid_cells(64, 128, STRIDES)))
    best = int(outputs.logits[0].argmax())
    assert best == 8 * 16 + 1 * 8 + 2
    np.testing.assert_allclose(outputs.boxes[0, best], [40 - 16, 24 - 8, 40 + 32, 24 + 4], atol=1e-4)
    np.testing.assert_allclose(outputs.points[0, best, 0], [48, 8], atol=1e-4)


def test_folding_changes_nothing(network):
    pixels = torch.randint(0, 256, (1, 3, 64, 128), dtype=torch.uint8)
    with torch.no_grad():
        for before, after in zip(network(pixels), network.folded()(pixels)):
            torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert not any("running_mean" in name for name in network.folded().state_dict())


def test_file_round_trip(network, tmp_path):
    path = tmp_path / "eye.safetensors"
    save_facegrid(network, path, {"version": "1"})
    again, about = load_facegrid(path)
    assert again.config == network.config and about == {"version": "1"}
    pixels = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        for before, after in zip(network(pixels), again(pixels)):
            torch.testing.assert_close(after, before, atol=0.05, rtol=0.02)  # kernels are kept in half precision


def test_weights_whose_header_does_not_tell_all_load(tmp_path):
    first, path = FaceGrid(FaceGridConfig(8, (8, 8, 8, 8), (0, 1, 1, 1))), tmp_path / "eye.safetensors"
    config = asdict(first.config)
    del config["further"]
    header = {"format": store.FORMAT, "kind": KIND, "config": config, "about": {}}
    save_file({name: tensor.clone() for name, tensor in first.state_dict().items()}, path, store.metadata(header))
    assert load_facegrid(path)[0].config == first.config


def test_a_detector_is_no_landmark_network_nor_the_other_way_round(network, tmp_path):
    path = tmp_path / "eye.safetensors"
    save_facegrid(network, path)
    with pytest.raises(WeightsError, match="a face detector, where a landmark network is wanted"):
        load_model(path)
    with pytest.raises(WeightsError, match="holds no face detector"):
        load_facegrid("weights/tcdcn.safetensors")


@pytest.mark.parametrize(
    "values, told",
    [
        ({"widths": (8, 8, 8)}, "widths"), ({"stem": 0}, "widths"), ({"widths": (8, 8, 0, 8)}, "widths"),
        ({"further": (1, 1, 1)}, "further"), ({"further": (0, 0, 0, -1)}, "further"),
        ({"further": (0, 0, 0, 10**6)}, "further"),
    ],
)  # fmt: skip
def test_shapes_that_cannot_be(values, told):
    with pytest.raises(ValueError, match=told):
        FaceGridConfig(**values)
