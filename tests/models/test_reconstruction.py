"""The reconstruction of the crop: what is rebuilt, that it is learnt, and that nobody is told it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.declared import check_declared
from landmarks.models.config import CROSS_STITCH, HARD, SOFT, NetworkConfig
from landmarks.models.heads import reconstruction_target
from landmarks.models.network import Network, predict
from landmarks.models.store import Model, load_model, save_model
from landmarks.schemes import RECONSTRUCTION, Quantity
from landmarks.training.config import TrainingConfig
from landmarks.training.loop import shared_parameters
from landmarks.training.losses import reconstruction_loss
from landmarks.training.objective import TaskObjective
from landmarks.training.weightings.create import create_weighting
from tests.helpers.faces import draw_face

CONFIG = NetworkConfig(
    tasks=("reconstruction", "points_5", "smile"),
    encoder="tcdcn",
    input_size=32,
    features=64,
    width=0.5,
    coding="regression",
)


def batch_of(count, size=40):
    """Drawn faces and their labels."""
    drawn = [draw_face(seed, size) for seed in range(count)]
    return {
        "crop": torch.from_numpy(np.stack([picture for picture, _, _ in drawn])),
        "points_5": torch.from_numpy(np.stack([points for _, points, _ in drawn])).float(),
        "smile": torch.tensor([labels["smile"] for _, _, labels in drawn]),
    }


@pytest.mark.parametrize("size", [16, 40, 41, 64])
def test_crops_are_small_grey_and_of_equal_brightness_and_contrast(size):
    crops = batch_of(4, size)["crop"]
    target = reconstruction_target(crops)
    assert target.shape == (4, RECONSTRUCTION.side, RECONSTRUCTION.side) and target.dtype == torch.float32
    assert target.mean(dim=(1, 2)).abs().max() < 1e-5
    assert target.square().mean(dim=(1, 2)).numpy() == pytest.approx(1, abs=1e-4)
    darker = reconstruction_target((crops.float() / 2 + 20).to(torch.uint8))
    assert (target - darker).abs().max() < 0.1, "but for rounding"
    assert torch.allclose(reconstruction_target(crops.flip(2)), target.flip(2), atol=1e-5), "it is mirrored as the crop"
    turned = reconstruction_target(crops.rot90(1, (1, 2)))
    assert torch.allclose(turned, target.rot90(1, (1, 2)), atol=1e-5), "and turns with it"


@pytest.mark.parametrize("value", [0, 7, 255])
def test_an_even_crop_is_nothing_to_rebuild(value):
    even = torch.full((2, 40, 40, 3), value, dtype=torch.uint8)
    assert reconstruction_target(even).abs().max() < 1e-3
    even[0, 0, 0] += 1 if value < 255 else -1
    assert reconstruction_target(even).abs().max() < 1, "nor is the noise in it"


def test_the_loss_is_one_for_the_mean_grey_and_nothing_for_the_crop():
    crops = batch_of(3)["crop"]
    target = reconstruction_target(crops)
    assert reconstruction_loss(torch.zeros_like(target), crops).item() == pytest.approx(1, abs=1e-4)
    assert reconstruction_loss(target, crops).item() == 0
    assert reconstruction_loss(target / 2, crops).item() == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize("sharing", [HARD, SOFT, CROSS_STITCH])
def test_a_small_network_rebuilds_crops_by_heart_beside_its_other_tasks_and_keeps_it_in_its_file(tmp_path, sharing):
    torch.manual_seed(0)
    batch = batch_of(4, CONFIG.input_size)
    training = TrainingConfig(distance_weight=10, coupling_strength=1e-4 if sharing == SOFT else 0.0)
    network = Network(replace(CONFIG, sharing=sharing)).train()
    objective = TaskObjective(network.config, training)
    assert objective.tasks == ("points_5", "smile", "reconstruction"), "it comes last and is never the main task"
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0)
    for _ in range(100):
        optimizer.zero_grad()
        sum(objective.losses(network, batch).values()).backward()
        optimizer.step()
    figures = objective.figures(network.eval(), batch)
    value, count = figures["reconstruction"]
    target = reconstruction_target(batch["crop"])
    of_mean = reconstruction_loss(target.mean(dim=0).expand_as(target), batch["crop"]).item()
    assert value < of_mean / 2 and count == 4, "what the mean picture, which need not look, cannot do"
    assert "reconstruction_distance" not in figures
    save_model(network, tmp_path / "w.safetensors")
    again = load_model(tmp_path / "w.safetensors").network
    assert again.config == network.config
    one, other = (net(batch["crop"])["reconstruction"] for net in (network, again))
    assert torch.allclose(one, other, atol=0.02), "half precision"


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty", "dwa", "gradnorm", "pcgrad", "dynamic", "random"])
def test_it_is_weighed_as_any_other_task(weighting):
    torch.manual_seed(0)
    network, batch = Network(CONFIG).train(), batch_of(4, CONFIG.input_size)
    objective = TaskObjective(CONFIG, TrainingConfig())
    chosen = create_weighting(weighting, objective.tasks, {"reconstruction": 0.1})
    losses = objective.losses(network, batch)
    factors = chosen.factors([])
    assert factors.keys() == set(objective.tasks)
    shared = shared_parameters(network)
    chosen.backward({task: losses[task] for task in objective.tasks}, factors, *shared)
    gradients = [network.heads["reconstruction"].weight.grad, *(parameter.grad for parameter in shared[0])]
    assert all(torch.isfinite(gradient).all() and gradient.any() for gradient in gradients)


def test_nobody_is_told_what_was_rebuilt():
    torch.manual_seed(0)
    network, crops = Network(replace(CONFIG, mirror=True)).eval(), batch_of(2, 32)["crop"]
    seen = predict(network, crops)
    assert not any("reconstruction" in field for field in seen)
    without = Network(replace(CONFIG, mirror=True, tasks=("points_5", "smile"))).eval()
    own = without.state_dict()
    without.load_state_dict({name: value for name, value in network.state_dict().items() if name in own})
    assert torch.equal(predict(without, crops).points["points_5"], seen.points["points_5"])
    assert network.state_dict().keys() - own.keys() == {f"heads.reconstruction.{part}" for part in ("weight", "bias")}


def test_exported_networks_have_nothing_of_it():
    from tests.helpers.packages import needs_export

    needs_export()
    import onnx

    from landmarks.export.graph import export_model

    torch.manual_seed(0)
    graph = onnx.load_from_string(export_model(Model(Network(CONFIG).eval()), ("network",)).parts["network"]).graph
    assert not any("reconstruction" in output.name for output in graph.output)
    sizes = {size for weights in graph.initializer for size in weights.dims}
    assert RECONSTRUCTION.side**2 not in sizes, "its weights are not in the file"


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (("reconstruction",), "reconstruction is learnt beside other tasks; add one"),
        (("points_5", "reconstruction", "reconstruction"), "none twice"),
        (("points_5", "reconstructed"), "unknown task 'reconstructed'; did you mean 'reconstruction'"),
    ],
)
def test_tasks_that_make_no_network_are_refused(tasks, message):
    with pytest.raises(ValueError, match=message):
        NetworkConfig(tasks=tasks)


def test_no_task_of_a_dataset_is_called_so():
    with pytest.raises(ValueError, match="'reconstruction' is a built-in task; give yours another name"):
        check_declared([Quantity("reconstruction")])
