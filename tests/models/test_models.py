import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from landmarks import shipped
from landmarks.errors import WeightsError
from landmarks.geometry import flip_points
from landmarks.models import files, store
from landmarks.models.config import ENCODERS, NetworkConfig
from landmarks.models.encoders import MAKERS, create_encoder
from landmarks.models.heads import Regression, SimCC
from landmarks.models.network import Network, count_multiply_adds, count_parameters, predict
from landmarks.models.store import load_model, save_model
from landmarks.schemes import ATTRIBUTES, SCHEMES
from tests.helpers.faces import SMALL


@pytest.mark.parametrize("size", [40, 72, 96])
@pytest.mark.parametrize("per_pixel", [1, 2, 3.5])
def test_simcc_decodes_what_it_encoded(size, per_pixel):
    """Inside a margin of three standard deviations, to a hundredth of a pixel."""
    codec = SimCC(size, per_pixel, sigma=1.5)
    points = torch.rand(50, 5, 2) * (size - 10) + 4.5
    target = codec.encode(points)
    assert target.shape == (50, 5, 2, codec.values) and torch.allclose(target.sum(-1), torch.ones(50, 5, 2))
    assert (codec.decode(target.log()) - points).abs().max() < 0.01


def test_simcc_learns_only_what_is_in_the_crop():
    points = torch.tensor([[[5.0, 5.0], [-0.6, 5.0], [5.0, 39.6], [float("nan"), 5.0]]])
    assert SimCC(40, 2, 1.5).inside(points).tolist() == [[True, False, False, False]]


def test_simcc_reaches_beyond_the_crop_by_its_margin():
    codec = SimCC(40, 1, 1.5, margin=0.25)
    assert codec.values == 60 and codec.centres()[[0, -1]].tolist() == [-10, 49]
    points = torch.tensor([[[-5.0, 44.0], [-10.6, 5.0]]])
    assert codec.inside(points).tolist() == [[True, False]]
    assert (codec.decode(codec.encode(points[:, :1]).log()) - points[:, :1]).abs().max() < 0.01


def test_spread_is_the_standard_deviation():
    codec = SimCC(60, 4, sigma=2.0)
    logits = codec.encode(torch.full((1, 1, 2), 30.0)).log()
    points, spread = codec.read(logits)
    assert spread.item() == pytest.approx(2.0 * 2**0.5, rel=1e-3) and torch.allclose(points, codec.decode(logits))


def test_regression_decodes_what_it_encoded():
    codec = Regression(72)
    points = torch.rand(50, 5, 2) * 200 - 60
    assert torch.allclose(codec.decode(codec.encode(points)), points, atol=1e-4)
    assert codec.encode(torch.tensor([[[-0.5, 35.5]]])).flatten().tolist() == [-0.5, 0.0]
    assert codec.inside(torch.tensor([[[1.0, 2.0], [float("nan"), 2.0]]])).tolist() == [[True, False]]


@pytest.mark.parametrize("size", [33, 48, 80])
def test_network_has_an_output_a_task(size):
    config = NetworkConfig(tasks=("points_5", "points_68", *ATTRIBUTES), input_size=size)
    network = Network(config).eval()
    crops = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8)
    outputs = network(crops)
    assert {name: tuple(out.shape) for name, out in outputs.items()} == {
        "points_5": (2, 5, 2, 2 * size),
        "points_68": (2, 68, 2, 2 * size),
        "pose": (2, 5),
        "smile": (2, 2),
        "glasses": (2, 2),
        "gender": (2, 2),
        "points_5_error": (2, 5),
        "points_68_error": (2, 68),
    }
    seen = predict(network, crops)
    assert seen.points["points_68"].shape == seen.error_cues["points_68"].shape == (2, 68, 2)
    assert seen.logits["pose"].shape == (2, 5)


def test_mirrored_average_is_the_same_for_a_mirrored_face():
    """What a network with `mirror` says of a crop and of its mirror image is each other's mirror image."""
    torch.manual_seed(0)
    network = Network(replace(SMALL, tasks=("points_5", "points_68", *ATTRIBUTES), mirror=True)).eval()
    crops = torch.randint(0, 256, (3, 48, 48, 3), dtype=torch.uint8)
    seen, mirrored = predict(network, crops), predict(network, crops.flip(2))
    for name in ("points_5", "points_68"):
        back = torch.from_numpy(flip_points(mirrored.points[name].numpy(), 48, SCHEMES[name]))
        assert torch.allclose(seen.points[name], back, atol=1e-3)
        assert torch.allclose(seen.error_cues[name], mirrored.error_cues[name][:, list(SCHEMES[name].swap)], atol=1e-3)
    for name, attribute in ATTRIBUTES.items():
        assert torch.allclose(seen.logits[name], mirrored.logits[name][:, list(attribute.flip)], atol=1e-4)


def test_configs_name_the_encoders_that_there_are():
    assert set(MAKERS) == set(ENCODERS)


@pytest.mark.parametrize("coding", ["simcc", "regression"])
@pytest.mark.parametrize(
    ("encoder", "locator"),
    [("accurate", 32), ("accurate-multiscale", 0), ("lite1", 0), ("torchvision:mobilenet_v3_small", 0)],
)
def test_every_encoder_makes_a_network(encoder, locator, coding):
    config = NetworkConfig(tasks=("points_5",), encoder=encoder, input_size=64, coding=coding, locator_size=locator)
    network = Network(config).eval()
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    before = predict(network, crops).points["points_5"]
    assert before.shape == (2, 5, 2) and torch.allclose(
        predict(network.fuse(), crops).points["points_5"], before, atol=1e-2
    )
    if network.locator is not None:
        assert network.locator(crops[:, :32, :32]).shape == (2, 5, 2)


@pytest.mark.parametrize("size", [64, 72, 88, 90, 97])
@pytest.mark.parametrize("encoder", ["compact", "compact-multiscale"])
def test_maps_of_any_side_are_read(encoder, size):
    assert create_encoder(encoder, size, 32)(torch.zeros(2, 3, size, size)).shape == (2, 32)


def test_two_maps_are_read_where_one_was():
    """What only the map before the last one shows changes the features."""
    torch.manual_seed(0)
    encoder = create_encoder("compact-multiscale", 64, 32).eval()
    crops = torch.rand(2, 3, 64, 64)
    both = encoder(crops)
    with torch.no_grad():
        encoder.squeeze[0].norm.bias.sub_(100)  # nothing of that map is left after the ReLU
    assert not torch.allclose(encoder(crops), both)


@pytest.mark.parametrize(("name", "message"), [("resnet", "no classifier"), ("vit_b_16", "cannot read crops of 64")])
def test_torchvision_networks_that_do_not_do(name, message):
    with pytest.raises(ValueError, match=message):
        Network(NetworkConfig(encoder=f"torchvision:{name}", input_size=64))


def test_mixed_bins_have_few_parameters():
    full, mixed = (Network(NetworkConfig(tasks=("points_68",), bins_rank=rank)) for rank in (0, 8))
    assert count_parameters(full.heads) == 257 * 68 * 2 * 144
    assert count_parameters(mixed.heads) == 257 * 68 * 2 * 8 + 8 * 144


def test_costs_are_those_of_the_layers():
    """Against the sums over the layers, written out: kernels times places, and the linear layers."""
    network = Network(NetworkConfig(tasks=("points_5", "smile"), input_size=32, features=16))
    widths, sides = [3, 24, 64, 128, 176], [16, 8, 4, 2]
    strided = sum(9 * a * b * side**2 for a, b, side in zip(widths, widths[1:], sides))
    residual = 2 * 9 * (128**2 * 4**2 + 176**2 * 2**2)
    squeeze, project = 176 * 32 * 2**2, 32 * 2 * 2 * 16
    heads = 16 * (5 * 2 * 64 + 5 + 2)
    assert count_multiply_adds(network) == strided + residual + squeeze + project + heads
    assert count_parameters(network.heads) == 17 * (5 * 2 * 64 + 2)


def test_fusing_changes_nothing():
    torch.manual_seed(0)
    network = Network(SMALL)
    crops = torch.randint(0, 256, (4, 48, 48, 3), dtype=torch.uint8)
    with torch.no_grad():
        for _ in range(3):
            network.train()(crops)  # moves the running statistics away from their start
    before = predict(network.eval(), crops).points
    after = predict(network.fuse(), crops).points
    assert not any("norm.weight" in name for name in network.state_dict())
    assert torch.allclose(before["points_5"], after["points_5"], atol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": ()}, "at least one"),
        ({"tasks": ("pose", "pose")}, "none twice"),
        ({"tasks": ("age",)}, "unknown task 'age'"),
        ({"encoder": "vgg"}, "unknown encoder 'vgg'"),
        ({"coding": "heatmap"}, "unknown coding 'heatmap'"),
        ({"locator_size": 5}, "locator_size"),
        ({"bins_margin": -1.0}, "bins_margin"),
        ({"input_size": 5}, "input_size"),
        ({"crop_scale": 0.0}, "crop_scale"),
        ({"features": 10**9}, "features"),
    ],
)
def test_config_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**change)


def test_weights_file_carries_everything(tmp_path):
    network = Network(SMALL)
    save_model(network, tmp_path / "w.safetensors", {"terms": "research"})
    model = load_model(tmp_path / "w.safetensors")
    assert model.network.config == SMALL and model.about == {"terms": "research"} and len(model.sha256) == 64
    crops = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
    before, after = (predict(some, crops).points for some in (network.eval(), model.network))
    assert (before["points_5"] - after["points_5"]).abs().max() < 0.05, "pixels, after half precision"
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def _header(path: Path, **change) -> None:
    header = {"format": store.FORMAT, "config": SMALL.as_dict(), "about": {}} | change
    save_file(load_file(path), path, metadata={files.KEY: json.dumps(header)})


DAMAGE = {
    "empty": lambda p: p.write_bytes(b""),
    "text": lambda p: p.write_text("hello"),
    "half": lambda p: p.write_bytes(p.read_bytes()[: p.stat().st_size // 2]),
    "pickle": lambda p: p.write_bytes(pickle.dumps({"a": np.zeros(3)})),
    "torch file": lambda p: torch.save({"a": torch.zeros(3)}, p),
    "huge header": lambda p: p.write_bytes(b"\xff" * 8 + p.read_bytes()[8:]),
    "no header of ours": lambda p: save_file(load_file(p), p),
    "future format": lambda p: _header(p, format=99),
    "unknown task": lambda p: _header(p, config=SMALL.as_dict() | {"tasks": ["age"]}),
    "other shape": lambda p: _header(p, config=SMALL.as_dict() | {"features": 32}),
    "no config": lambda p: _header(p, config=None),
    "list as header": lambda p: save_file(load_file(p), p, metadata={files.KEY: "[]"}),
    "directory": lambda p: (p.unlink(), p.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_weights_are_refused_in_a_sentence(tmp_path, damage):
    path = tmp_path / "w.safetensors"
    save_model(Network(SMALL), path)
    DAMAGE[damage](path)
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        load_model(path)


def test_unknown_name_lists_the_shipped_ones():
    with pytest.raises(WeightsError, match="shipped names"):
        load_model("enormous")


def test_tampered_shipped_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    save_model(Network(SMALL), tmp_path / "ours.safetensors")
    with pytest.raises(WeightsError, match="checksum"):
        load_model("ours")
    digest = load_model_unchecked(tmp_path / "ours.safetensors", tmp_path)
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  ours.safetensors\n")
    assert load_model("ours").network.config == SMALL
    data = bytearray((tmp_path / "ours.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "ours.safetensors").write_bytes(data)
    with pytest.raises(WeightsError, match="checksum"):
        load_model("ours")


def load_model_unchecked(path: Path, folder: Path) -> str:
    """The checksum of a weights file, read as somebody's own file in another folder."""
    copy = folder / "elsewhere" / "copy.safetensors"
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    return load_model(copy).sha256


@pytest.mark.parametrize("name", files.shipped_names())
def test_shipped_weights_load_and_have_a_card(name):
    model = load_model(name)
    assert model.sha256 == shipped.checksums()[f"{name}.safetensors"]
    card = (shipped.SHIPPED / f"{name}.md").read_text(encoding="utf-8")
    assert model.sha256[:12] in card and "research" in card.lower()
    assert model.about["trained_on"]
