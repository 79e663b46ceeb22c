"""Networks that begin from ImageNet."""

from __future__ import annotations

import pytest
import torch

from landmarks.errors import WeightsError
from landmarks.models.encoders import GREY_SPREAD, create_encoder
from landmarks.models.store import load_model
from landmarks.training.surgery.imagenet import SPREAD, main

CONFIG = '[network]\nencoder = "{encoder}"\ninput_size = 48\nfeatures = 16\ntasks = ["points_5"]\n'
PARTS = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def theirs(encoder):
    """An encoder's trunk as the file of the package names it, with what follows in a classifier."""
    values = {"_conv_head.weight": torch.zeros(1), "_fc.bias": torch.zeros(1000)}
    for name, value in encoder.trunk.state_dict().items():
        number, *path, kind = name.split(".")
        if number == "0":
            stem = {"conv": "_conv_stem", "norm": "_bn0"}[path[0]]
            values[f"{stem}.{kind}"] = value.clone()
        else:
            part, layer = path
            values[f"_blocks.{int(number) - 1}.{PARTS[part][layer == 'norm']}.{kind}"] = value.clone()
    return values


@pytest.fixture
def config(tmp_path):
    def write(encoder):
        path = tmp_path / f"{encoder}.toml"
        path.write_text(CONFIG.format(encoder=encoder))
        return str(path)

    return write


@pytest.mark.parametrize("encoder", ["lite0", "lite2"])
def test_the_trunk_is_that_of_the_file(encoder, config, tmp_path):
    torch.manual_seed(3)
    given = create_encoder(encoder, 48, 16)
    torch.save(theirs(given), tmp_path / "given.pth")
    main([config(encoder), str(tmp_path / "given.pth"), "--out", str(tmp_path / "begun.safetensors")])
    begun = load_model(tmp_path / "begun.safetensors").network.encoder.trunk.eval()
    crops = torch.rand(2, 3, 48, 48) * 2 - 1  # as they want it
    with torch.no_grad():
        expected = given.trunk.eval()(crops)
        found = begun(crops * (SPREAD / GREY_SPREAD))
    assert torch.allclose(found, expected, atol=0.01 * float(expected.std()))


def test_other_files_and_encoders_are_refused(config, tmp_path):
    trunk, out = tmp_path / "given.pth", str(tmp_path / "out.safetensors")
    torch.save(theirs(create_encoder("lite2", 48, 16)), trunk)
    for encoder, path, reason in (
        ("lite0", trunk, "not the weights of lite0"),
        ("lite0", tmp_path / "none.pth", "not the weights"),
        ("compact", trunk, "none of lite0"),
    ):
        with pytest.raises(WeightsError, match=reason):
            main([config(encoder), str(path), "--out", out])
    trunk.write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="not the weights of lite2"):
        main([config("lite2"), str(trunk), "--out", out])
