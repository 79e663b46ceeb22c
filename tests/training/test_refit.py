"""One head fitted anew, all else as it was."""

from __future__ import annotations

import pytest
import torch

from landmarks.datasets.dataset import load_crops
from landmarks.errors import DataError
from landmarks.models.network import Network
from landmarks.models.store import load_model, save_model
from landmarks.training.config import TrainingConfig
from landmarks.training.refit import main, refit
from tests.helpers.faces import SMALL

DRAWS = TrainingConfig(draws=64, batch_size=16)


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(SMALL).eval()


def loss(network: Network, crops) -> float:
    """Cross-entropy of the smile on the training faces as the network's samples show them."""
    from landmarks.training.batches import SampleBatches
    from landmarks.training.loop import samples_of

    batches = SampleBatches(samples_of(crops, crops.part("train"), network.config, DRAWS), DRAWS, draw=True)
    with torch.no_grad():
        values = [
            torch.nn.functional.cross_entropy(network(batch["crop"])["smile"], batch["smile"])
            for batch in batches.batches(0)
        ]
    return float(torch.stack(values).mean())


def test_the_head_learns_and_nothing_else_moves(network, prepared):
    crops = load_crops(prepared)
    before, state = loss(network, crops), {name: value.clone() for name, value in network.state_dict().items()}
    refit(network, "smile", crops, DRAWS, ridge=1e-4)
    assert loss(network, crops) < before - 0.05
    moved = {name for name, value in network.state_dict().items() if not torch.equal(value, state[name])}
    assert moved == {"heads.smile.weight", "heads.smile.bias"}


def test_a_dear_ridge_keeps_the_head(network, prepared):
    before = network.heads["smile"].weight.detach().clone()
    refit(network, "smile", load_crops(prepared), DRAWS, ridge=1e6)
    assert torch.allclose(network.heads["smile"].weight, before, atol=1e-4)


def test_the_command_writes_weights_that_say_so(network, prepared, tmp_path):
    save_model(network, tmp_path / "a.safetensors", {"name": "a"})
    (tmp_path / "recipe.toml").write_text("[training]\ndraws = 32\nbatch_size = 16\n")
    out = tmp_path / "b.safetensors"
    main([str(tmp_path / "a.safetensors"), "smile", "--recipe", str(tmp_path / "recipe.toml"), "--data", str(prepared),
          "--out", str(out)])  # fmt: skip
    model = load_model(out)
    assert model.about["name"] == "a" and model.about["refitted"] == {"smile": [prepared.name]}


def test_what_cannot_be_fitted_is_refused(network, prepared):
    crops = load_crops(prepared)
    with pytest.raises(ValueError, match="unknown attribute 'smlie'; did you mean 'smile'"):
        refit(network, "smlie", crops, DRAWS, ridge=1.0)
    crops.table["smile"] = 1
    with pytest.raises(DataError, match="no training face is 'not smiling', so smile would forget it"):
        refit(network, "smile", crops, DRAWS, ridge=1.0)
