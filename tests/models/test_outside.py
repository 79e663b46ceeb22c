"""Encoders from outside: of one's own, and timm's."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from landmarks.errors import WeightsError
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network, predict
from landmarks.models.store import load_model, save_model
from landmarks.training.loop import shared_parameters


class Tiny(nn.Module):
    """An encoder of one's own, without a linear layer."""

    def __init__(self, input_size, features, width=1.0):
        super().__init__()
        self.conv = nn.Conv2d(3, features, 3)

    def forward(self, x):
        return self.conv(x).mean(dim=(2, 3))


class Narrow(Tiny):
    def forward(self, x):
        return super().forward(x)[:, :1]


class Other(nn.Module):
    def __init__(self, depth):
        super().__init__()


@pytest.mark.parametrize("sharing", ["hard", "soft"])
def test_an_encoder_of_ones_own_is_named_by_module_and_class(sharing, tmp_path):
    config = NetworkConfig(tasks=("points_5", "smile"), encoder=f"{__name__}:Tiny", features=8, sharing=sharing)
    network = Network(config).eval()
    save_model(network, tmp_path / "w.safetensors")
    crops = torch.randint(0, 256, (2, 72, 72, 3), dtype=torch.uint8)
    again = load_model(tmp_path / "w.safetensors").network
    assert torch.allclose(predict(again, crops).logits["smile"], predict(network, crops).logits["smile"], atol=1e-2)
    shared, last = shared_parameters(network)
    assert [p.shape for p in last] == ([(8, 3, 3, 3), (8,)] if sharing == "hard" else []) and len(shared) == len(last)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_module:Net", "there is no module 'no_such_module'; install it, or put the folder"),
        (f"{__name__}:Absent", "has no 'Absent'; is it spelt so there"),
        (f"{__name__}:predict", "is no subclass of torch's Module"),
        (f"{__name__}:Narrow", r"gives \(2, 1\) for two crops, where an encoder gives \(2, 256\)"),
        (f"{__name__}:Other", r"made as Class\(input_size, features, width=1.0\).*TypeError"),
        ("os:system", "is a module of Python's own"),
        ("subprocess:Popen", "is a module of Python's own"),
    ],
)
def test_encoders_of_ones_own_that_do_not_do(name, message):
    with pytest.raises(ValueError, match=message):
        Network(NetworkConfig(encoder=name))


def test_weights_whose_encoder_is_not_here_say_so(tmp_path, monkeypatch):
    network = Network(NetworkConfig(tasks=("points_5",), encoder=f"{__name__}:Tiny", features=8))
    save_model(network, tmp_path / "w.safetensors")
    monkeypatch.delattr(f"{__name__}.Tiny")
    with pytest.raises(WeightsError, match=r"w\.safetensors: its network needs code that is not here: .*has no 'Tiny'"):
        load_model(tmp_path / "w.safetensors")


def test_timms_networks_are_taken_where_they_are():
    if find_spec("timm") is None:
        with pytest.raises(ValueError, match="timm:resnet10t: timm is not installed; pip install timm"):
            Network(NetworkConfig(encoder="timm:resnet10t"))
        return
    network = Network(NetworkConfig(tasks=("points_5",), encoder="timm:resnet10t", input_size=64)).eval()
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    assert predict(network, crops).points["points_5"].shape == (2, 5, 2)
    for name, message in (("resnet10x", "timm has no network"), ("vit_tiny_patch16_224", "cannot read crops of 64")):
        with pytest.raises(ValueError, match=message):
            Network(NetworkConfig(encoder=f"timm:{name}", input_size=64))
