"""The mean of two networks' weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from landmarks.errors import WeightsError
from landmarks.models.network import Network
from landmarks.models.store import load_model, save_model
from landmarks.training.surgery.average import main
from tests.helpers.faces import SMALL


@pytest.fixture
def pair(tmp_path):
    paths = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        paths.append(tmp_path / f"{seed}.safetensors")
        save_model(Network(SMALL), paths[-1], {"seed": seed})
    return paths


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_lies_between(pair, tmp_path, share):
    out = tmp_path / "mean.safetensors"
    main([str(pair[0]), str(pair[1]), "--share", str(share), "--out", str(out)])
    one, other, mean = (load_model(path).network.state_dict() for path in (*pair, out))
    for name, value in mean.items():
        assert torch.allclose(value.float(), torch.lerp(one[name].float(), other[name].float(), share), atol=2e-3)
    about = load_model(out).about
    assert about["seed"] == 2 and about["averaged_with"] == {"sha256": load_model(pair[0]).sha256, "share": share}


def test_what_is_not_alike_is_refused(pair, tmp_path):
    other = tmp_path / "other.safetensors"
    save_model(Network(replace(SMALL, input_size=56)), other, {})
    out = str(tmp_path / "mean.safetensors")
    with pytest.raises(WeightsError, match="not alike"):
        main([str(pair[0]), str(other), "--out", out])
    with pytest.raises(ValueError, match="from 0 to 1"):
        main([str(pair[0]), str(pair[1]), "--share", "1.5", "--out", out])
