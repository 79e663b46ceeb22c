"""What a training starts from: fitting weights or a sentence; the same data or a sentence."""

import json
import warnings
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from landmarks.datasets.dataset import load_crops
from landmarks.errors import DataError, WeightsError
from landmarks.models.files import shipped_names
from landmarks.models.network import Network
from landmarks.models.store import Model, load_model
from landmarks.shipped import SHIPPED
from landmarks.training.config import TrainingConfig
from landmarks.training.from_config import read_config
from landmarks.training.loop import train
from landmarks.training.start import begin_with, forget_unseen
from tests.helpers.faces import SMALL

QUICK = TrainingConfig(epochs=1, batch_size=16, workers=0)
LOCATED = replace(SMALL, locator_size=32)


def start(config, seed=5):
    torch.manual_seed(seed)
    return Model(Network(config))


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (
            replace(LOCATED, locator_size=40),
            LOCATED,
            r"locator_size = 40, the weights have 32; give the section \[network\]",
        ),
        (replace(SMALL, features=32), SMALL, "features = 32, the weights have 64"),
        (replace(SMALL, crop_scale=2.0), SMALL, "crop_scale = 2.0, the weights have 1.7"),
        (replace(SMALL, bins_margin=0.1, bins_per_pixel=1.0), SMALL, "bins_per_pixel = 1.0, .* 2.0; bins_margin = 0.1"),
        (replace(SMALL, coding="regression"), SMALL, "coding = 'regression'"),
        (replace(SMALL, encoder="tcdcn", features=64), SMALL, "encoder = 'tcdcn'"),
        (replace(SMALL, input_size=64), SMALL, "input_size = 64"),
        (replace(SMALL, sharing="soft"), SMALL, "sharing = 'soft'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(config, given, message):
    with pytest.raises(WeightsError, match=message):
        begin_with(Network(config), start(given))


def test_what_does_not_come_along_is_named():
    network, given = Network(replace(LOCATED, tasks=("points_5", "points_68", "smile"))), start(SMALL)
    with pytest.warns(UserWarning) as told:
        begin_with(network, given)
    lines = [str(warning.message) for warning in told]
    assert lines[0].endswith("lack them: errors.points_68, heads.points_68, locator")
    assert lines[1].endswith("are not taken over: heads.gender, heads.glasses, heads.pose")
    assert torch.equal(network.heads["smile"].weight, given.network.heads["smile"].weight)


def test_all_that_fits_comes_along_in_silence():
    config = replace(LOCATED, target_sigma=2.0, mirror=True)  # of the training and of its use
    network, given = Network(config), start(LOCATED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin_with(network, given)
    own = network.state_dict()
    assert all(torch.equal(own[name], value) for name, value in given.network.state_dict().items())


@pytest.mark.parametrize("name", [name for name in shipped_names() if (SHIPPED / f"{name}.toml").is_file()])
def test_shipped_configs_are_those_of_the_shipped_weights(name):
    file = read_config(SHIPPED / f"{name}.toml")
    network, training = file.network, file.training
    model = load_model(name)
    assert network == model.network.config
    used = json.loads(json.dumps(asdict(training)))  # as a header holds it
    assert {key: used[key] for key in model.about["training"]} == model.about["training"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        begin_with(Network(network), model)


def test_classes_of_earlier_weights_can_be_learnt_and_stay_known(prepared):
    """pose: frontal alone here. Seen by the start: still answered; not seen by it either: never."""
    table = load_crops(prepared).table
    network, given = Network(SMALL), start(SMALL)
    forget_unseen(network, table)
    assert network.heads["pose"].unseen == (0, 1, 3, 4) and network.heads["smile"].unseen == ()
    begin_with(network, Model(network))
    assert network.heads["pose"].unseen == (), "what earlier faces did not show can be learnt now"
    forget_unseen(network, table, given)
    assert network.heads["pose"].unseen == ()
    given.network.heads["pose"].set_unseen([0, 4])
    forget_unseen(network, table, given)
    assert network.heads["pose"].unseen == (0, 4)


def test_tasks_without_a_label_get_no_head(prepared, tmp_path):
    crops = load_crops(prepared)
    crops.table["gender"] = crops.table["gender"].mask(crops.table["gender"].notna())
    with pytest.warns(UserWarning, match="no training face has labels for gender; a network gets no head"):
        network = train(SMALL, QUICK, crops, tmp_path)
    assert network.config.tasks == ("points_5", "pose", "smile", "glasses") and "gender" not in network.heads
    for tasks in (("gender",), ("gender", "reconstruction")):  # the latter is learnt beside other tasks alone
        with pytest.raises(DataError, match="no training face has labels for gender; nothing to learn from"):
            train(replace(SMALL, tasks=tasks), QUICK, crops, tmp_path / "none")


@pytest.mark.filterwarnings("ignore:.*training face")
def test_other_data_of_the_same_length_is_refused(prepared, tmp_path):
    crops = load_crops(prepared)
    train(SMALL, QUICK, crops, tmp_path)
    changed = load_crops(prepared)
    changed.table.loc[3, "smile"] = 1 - changed.table.loc[3, "smile"]
    with pytest.raises(
        WeightsError, match=r"other settings \(data was '[0-9a-f]{16}', is '[0-9a-f]{16}'\); give another"
    ):
        train(SMALL, QUICK, changed, tmp_path)
    other = replace(QUICK, epochs=4, source_weights={"lfw": 2.0})
    with pytest.raises(
        WeightsError, match=r"training\.epochs was 1, is 4; training\.source_weights\.lfw was None, is 2"
    ):
        train(SMALL, other, crops, tmp_path)
    assert np.isfinite(train(SMALL, QUICK, crops, tmp_path).heads["smile"].bias.detach().numpy()).all()
