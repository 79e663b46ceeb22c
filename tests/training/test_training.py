import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

from landmarks.datasets.dataset import Crops, load_crops
from landmarks.datasets.samples import Samples
from landmarks.errors import DataError, LandmarksError, WeightsError
from landmarks.models.heads import Regression, SimCC
from landmarks.models.network import Network
from landmarks.models.store import load_model
from landmarks.schemes import ABSENT
from landmarks.shipped import SHIPPED
from landmarks.training.batches import draw_weights
from landmarks.training.config import TrainingConfig
from landmarks.training.from_config import read_config, train_from_config
from landmarks.training.loop import train
from landmarks.training.losses import DISTANCES, HALF_TRUST, PointsLoss, attribute_loss, error_loss, task_losses
from tests.helpers.faces import SMALL

CODEC = SimCC(40, 2, 1.5)
QUICK = TrainingConfig(epochs=3, batch_size=16, workers=0, average_decay=0.5)


LOSS = PointsLoss()


def coded(codec, points):
    """Outputs of a network that knows the points."""
    return codec.encode(points).clamp(min=1e-30).log() if isinstance(codec, SimCC) else codec.encode(points)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("codec", [CODEC, SimCC(40, 1, 1.5, margin=0.25), Regression(40)], ids=repr)
def test_perfect_points_cost_nothing(codec, distance):
    points = torch.rand(3, 5, 2) * 30 + 5
    loss = PointsLoss(distance=distance)
    assert loss(codec, coded(codec, points), points).item() == pytest.approx(0, abs=0.03)
    assert loss(codec, coded(codec, points + 3), points).item() > 0.3


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("codec", [CODEC, Regression(40)], ids=repr)
def test_absent_points_change_neither_loss_nor_gradient(codec, distance):
    points = torch.rand(3, 5, 2) * 30 + 5
    outputs = torch.randn(3, 5, 2, codec.values, requires_grad=True)
    loss = PointsLoss(distance=distance)
    expected = loss(codec, outputs[:, :3], points[:, :3])
    points[:, 3:] = float("nan")
    value = loss(codec, outputs, points)
    value.backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.isfinite(outputs.grad).all() and (outputs.grad[:, 3:] == 0).all()
    assert (outputs.grad[:, :3] != 0).any()


@pytest.mark.parametrize("codec", [CODEC, Regression(40)], ids=repr)
def test_points_that_may_be_off_count_less(codec):
    """Certain ones as people's, half at HALF_TRUST of the side."""
    points, outputs = torch.rand(3, 5, 2) * 30 + 5, torch.randn(3, 5, 2, codec.values)
    certain, off = torch.zeros(3, 5), torch.full((3, 5), HALF_TRUST * codec.size)
    expected = LOSS(codec, outputs, points).item()
    assert LOSS(codec, outputs, points, certain).item() == pytest.approx(expected)
    assert LOSS(codec, outputs, points, off).item() == pytest.approx(expected / 2, rel=1e-5)


def test_expected_errors_hold_what_labels_may_be_off():
    points = torch.rand(3, 5, 2) * 30 + 5
    outputs = coded(CODEC, points + torch.tensor([3.0, 0.0]))
    log_errors = torch.full((3, 5), float(np.log(5 / 40)), requires_grad=True)
    error_loss(CODEC, log_errors, outputs, points, torch.full((3, 5), 4.0)).backward()
    assert log_errors.grad.abs().max() < 2e-3  # 3 pixels off and 4 in doubt are 5


@pytest.mark.parametrize("outside", [-30.0, 100.0])
def test_points_outside_the_bins_are_not_learnt(outside):
    points = torch.rand(3, 5, 2) * 30 + 5
    outputs = torch.randn(3, 5, 2, CODEC.values)
    expected = LOSS(CODEC, outputs[:, :3], points[:, :3])
    points[:, 3:] = outside
    assert LOSS(CODEC, outputs, points).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("distance", "expected"),
    [("euclidean", 0.05), ("least_squares", 0.00125), ("smooth_l1", 0.03 - 0.01 + 0.04 - 0.01)],
)
def test_distances_are_the_published_ones(distance, expected):
    """3 % and 4 % off: closed forms."""
    assert DISTANCES[distance](torch.tensor([0.03, 0.04])).item() == pytest.approx(expected, rel=1e-3)


def test_wing_is_the_published_one():
    """w ln(1 + |x| / e) inside w, |x| - C outside, continuous between (Feng et al., 2018, equation 5)."""
    wing = DISTANCES["wing"]
    inside = 0.06 * torch.log1p(torch.tensor(0.03 / 0.012))
    assert wing(torch.tensor([0.03, 0.0])).item() == pytest.approx(inside.item(), rel=1e-5)
    near, far = wing(torch.tensor([0.05999, 0.0])), wing(torch.tensor([0.06001, 0.0]))
    assert near.item() == pytest.approx(far.item(), abs=1e-4)
    assert wing(torch.tensor([0.5, 0.0])) - wing(torch.tensor([0.4, 0.0])) == pytest.approx(0.1, abs=1e-6)


def test_expected_errors_are_likeliest_at_the_mean_error():
    points = torch.full((400, 1, 2), 20.0)
    outputs = coded(CODEC, points + torch.randn(400, 1, 2))
    mean = (CODEC.decode(outputs) - points).norm(dim=-1).mean() / CODEC.size
    losses = [error_loss(CODEC, torch.full((400, 1), float(mean.log() + d)), outputs, points) for d in (-0.3, 0, 0.3)]
    assert losses[1] < min(losses[0], losses[2])


def test_absent_labels_are_masked():
    logits = torch.randn(4, 5)
    labels = torch.tensor([0, ABSENT, 4, ABSENT])
    expected = torch.nn.functional.cross_entropy(logits[[0, 2]], labels[[0, 2]])
    assert attribute_loss(logits, labels).item() == pytest.approx(expected.item())


def test_nothing_labelled_costs_nothing():
    assert attribute_loss(torch.randn(2, 5), torch.tensor([ABSENT, ABSENT])) == 0
    nowhere = torch.full((2, 5, 2), float("nan"))
    assert LOSS(CODEC, torch.randn(2, 5, 2, CODEC.values), nowhere) == 0
    assert error_loss(CODEC, torch.randn(2, 5), torch.randn(2, 5, 2, CODEC.values), nowhere) == 0


def test_overfits_eight_faces(prepared):
    """Without augmentation every head learns eight faces by heart: points to a pixel, labels without a mistake."""
    crops = load_crops(prepared)
    torch.manual_seed(0)
    samples = Samples(crops, crops.part("train")[:8], SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    batch = default_collate([samples[i] for i in range(8)])
    network = Network(SMALL)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(80):
        loss = sum(task_losses(network, network(batch["crop"]), batch, LOSS).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        outputs = network(batch["crop"])
    inside = SMALL.codec.inside(batch["points_5"])
    error = (SMALL.codec.decode(outputs["points_5"]) - batch["points_5"]).norm(dim=-1)[inside]
    assert error.mean() < 1
    for name in SMALL.attributes:
        assert (outputs[name].argmax(1) == batch[name]).all()


def test_loop_learns_and_reports(prepared, tmp_path):
    config = TrainingConfig(epochs=12, batch_size=12, workers=0, average_decay=0.5)
    rows = []
    train(SMALL, config, load_crops(prepared), tmp_path, report=rows.append)
    assert rows[-1]["train"]["points_5"] < 0.8 * rows[0]["train"]["points_5"]
    assert rows[-1]["val"]["points_5_distance"] < rows[0]["val"]["points_5_distance"]


def test_same_seed_gives_equal_numbers_and_resuming_changes_nothing(prepared, tmp_path):
    crops = load_crops(prepared)
    whole = train(SMALL, QUICK, crops, tmp_path / "whole").state_dict()
    again = train(SMALL, QUICK, crops, tmp_path / "again").state_dict()
    assert all(torch.equal(whole[key], again[key]) for key in whole)

    class Stop(Exception):
        pass

    def stop_after_one(row):
        if row["epoch"] == 1:
            raise Stop

    with pytest.raises(Stop):
        train(SMALL, QUICK, crops, tmp_path / "cut", report=stop_after_one)
    rows = []
    resumed = train(SMALL, QUICK, crops, tmp_path / "cut", report=rows.append).state_dict()
    assert [row["epoch"] for row in rows] == [2]
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    log = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in log] == [0, 1, 2] and set(log[0]["train"]) == {*SMALL.tasks, "points_5_error"}


def test_other_settings_or_a_damaged_state_are_refused(prepared, tmp_path):
    crops = load_crops(prepared)
    train(SMALL, QUICK, crops, tmp_path)
    with pytest.raises(WeightsError, match="other settings"):
        train(SMALL, TrainingConfig(epochs=4, batch_size=16, workers=0), crops, tmp_path)
    (tmp_path / "state.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="delete it to start again"):
        train(SMALL, QUICK, crops, tmp_path)


def test_no_training_faces(prepared, tmp_path):
    crops = load_crops(prepared)
    with pytest.raises(DataError, match="nothing to learn from"):
        train(SMALL, QUICK, Crops(crops.folders, crops.table[crops.table["split"] == "val"]), tmp_path)


def test_mixed_precision_runs(prepared, tmp_path):
    config = TrainingConfig(epochs=1, batch_size=16, workers=0, precision="bfloat16")
    network = train(SMALL, config, load_crops(prepared), tmp_path)
    assert isinstance(network, Network) and next(network.parameters()).dtype == torch.float32


def test_config_file_to_weights(prepared, tmp_path):
    (tmp_path / "c.toml").write_text(
        '[network]\ninput_size = 48\nfeatures = 32\ntasks = ["points_5", "smile"]\n'
        "[training]\nepochs = 1\nbatch_size = 16\nworkers = 0\n[training.task_weights]\nsmile = 0.5\n"
    )
    path = train_from_config(
        tmp_path / "c.toml", [prepared], tmp_path / "run", device="cpu", settings=["training.seed=3"]
    )
    model = load_model(path)
    assert model.network.config.tasks == ("points_5", "smile")
    assert model.about["training"]["seed"] == 3 and model.about["trained_on"][0]["dataset"] == "mtfl"
    assert model.about["trained_on"][0]["faces"] == 36, "the validation faces are not among them"


def test_faces_of_several_datasets_and_a_locator(prepared, tmp_path):
    """Two prepared folders, one without pose and drawn twice as often; the locator learns with the rest."""
    config = replace(SMALL, locator_size=32, coding="regression")
    crops = load_crops(prepared, prepared)
    assert len(crops.table) == 2 * len(load_crops(prepared).table)
    assert (crops.picture(0) == crops.picture(len(crops.table) // 2)).all()
    crops.table.loc[crops.table["cache"] == 1, "pose"] = None
    training = TrainingConfig(
        epochs=8, batch_size=12, workers=0, draws=48, average_decay=0.5, source_weights={"lfw": 2.0}
    )
    rows = []
    network = train(config, training, crops, tmp_path, report=rows.append)
    assert rows[-1]["val"]["locator_distance"] < rows[0]["val"]["locator_distance"]
    assert network.locator is not None and network.locator.size == 32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[network]\nsize = 3", "network.size: unknown key; did you mean 'input_size'?"),
        ("[network]\ninput_size = 3", "network: input_size must be"),
        ("[network]\nmirror = 'no'", "network.mirror = 'no': must be true or false"),
        ("[network]\ntasks = 'points_5'", "network.tasks = 'points_5': must be a list"),
        ("[network]\ntasks = ['points_6']", "unknown task 'points_6'; did you mean 'points_68'?"),
        ("[network]\nencoder = 'comapct'", "unknown encoder 'comapct'; did you mean 'compact'?"),
        ("[training]\nepochs = 0", "training: epochs must be 1 or more"),
        ("[training]\nepochs = 1.5", "training.epochs = 1.5: must be a whole number"),
        ("[training]\nepochs = true", "training.epochs = True: must be a whole number"),
        ("[training]\nepochs = 2026-01-02", "training.epochs = {'date': '2026-01-02'}: must be a whole number"),
        ("[training]\nseed = 'a'", "training.seed = 'a': must be a whole number"),
        ("[training]\nlearnrate = 1", "training.learnrate: unknown key; did you mean 'learning_rate'?"),
        ("[training]\nlearning_rate = nan", "training.learning_rate = nan: must be a finite number"),
        ("[training]\nstopping = 'global'", "training.stopping = 'global': must be a table of keys"),
        (
            "[training.stopping]\nkind = 'taskwise'",
            "training.stopping: unknown stopping 'taskwise'; did you mean 'task_wise'",
        ),
        ("[training.stopping]\ntreshold = 2", "training.stopping.treshold: unknown key; did you mean 'threshold'?"),
        ("[training.task_weights]\nsmle = 0.1", "task_weights: unknown task 'smle'; did you mean 'smile'?"),
        ("[training.task_weights]\nsmile = '1'", "training.task_weights.smile = '1': must be a number"),
        ("[training]\nseed = 99999999999999999999", "seed must be 0 or more and below"),
        ("[training]\nlearning_rate = 1e300", "learning_rate must be no larger than 1e+30, not 1e+300"),
        ("[training.task_weights]\nsmile = 1e300", "the weight of 'smile' must be 0 or more, not 1e+300"),
        ("[training.task_weights]\nsmile = -1", "the weight of 'smile' must be 0 or more, not -1"),
        (
            "[network]\ntasks = ['points_5']\n[training.task_weights]\nsmile = 1",
            "unknown task 'smile'; known: points_5",
        ),
        ("[trainer]\n", "trainer: unknown key; did you mean 'training'?"),
        ("training = 3", "training = 3: must be a table of keys"),
        ("[network]\nfeatures = [", "cannot be read as TOML"),
        ("\n\nnetwork = ]", "line 3"),
        (None, "cannot be read as TOML"),
    ],
)
def test_bad_config_names_file_key_and_what_is_meant(tmp_path, text, message):
    path = tmp_path / "c.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(LandmarksError) as error:
        read_config(path)
    assert message in str(error.value) and str(path) in str(error.value)


def test_every_mistake_of_a_file_is_told(tmp_path):
    (tmp_path / "c.toml").write_text("[training]\nseed = 'a'\nepochs = 1.5\n[network]\nsize = 3")
    with pytest.raises(LandmarksError) as error:
        read_config(tmp_path / "c.toml")
    lines = str(error.value).splitlines()
    assert len(lines) == 3 and all("c.toml: " in line for line in lines)


def test_settings_take_the_place_of_what_the_file_says(tmp_path):
    (tmp_path / "c.toml").write_text("[training]\nseed = 1\n[training.task_weights]\nsmile = 2.0\npose = 3.0")
    settings = ["seed=2", "network.encoder=tcdcn", "training.stopping.kind = global", "task_weights.smile=0"]
    file = read_config(tmp_path / "c.toml", settings)
    assert (file.training.seed, file.network.encoder, file.training.stopping.kind) == (2, "tcdcn", "global")
    assert file.training.task_weights == {"smile": 0.0, "pose": 3.0}
    with pytest.raises(LandmarksError, match=r"no field 'rate'; did you mean 'training\.learning_rate'"):
        read_config(tmp_path / "c.toml", ["rate=3"])
    with pytest.raises(LandmarksError, match=r"--set epochs=x: training.epochs = 'x': must be a whole number"):
        read_config(tmp_path / "c.toml", ["epochs=x"])


def test_weights_of_sources_that_are_not_in_the_data_are_refused(prepared, tmp_path):
    (tmp_path / "c.toml").write_text("[training.source_weights]\nlfww = 2.0")
    with pytest.raises(
        LandmarksError, match=r"c\.toml: training\.source_weights: unknown source 'lfww'; did you mean 'lfw'"
    ):
        train_from_config(tmp_path / "c.toml", [prepared], tmp_path / "run", device="cpu")


@pytest.mark.parametrize("name", ["compact", "accurate", "locator"])
def test_the_configs_of_the_shipped_weights_are_right(name):
    read_config(SHIPPED / f"{name}.toml")


def test_groups_are_drawn_alike(prepared):
    """With `balance` every group of both columns is drawn as often as any other; faces that lack one as before."""
    crops = load_crops(prepared)
    train = crops.part("train")
    table = crops.table.copy()
    table.loc[table.index[train[:20]], "race"] = ["a"] * 15 + ["b"] * 5
    table.loc[table.index[train[:20]], "gender"] = [0] * 9 + [1] * 6 + [0] * 4 + [1]
    samples = Samples(Crops(crops.folders, table), train, SMALL.tasks, SMALL.input_size, SMALL.crop_scale)
    weights = draw_weights(samples, TrainingConfig(pose_balance=0.0, balance=("race", "gender")))
    sums = [weights[low:high].sum() for low, high in ((0, 9), (9, 15), (15, 19), (19, 20))]
    assert np.allclose(sums, 5.0) and np.allclose(weights[20:], 1.0)
    assert np.allclose(draw_weights(samples, TrainingConfig(pose_balance=0.0)), 1.0)
    with pytest.raises(ValueError, match="balance: unknown column 'raze'; did you mean 'race'"):
        TrainingConfig(balance=("raze",))
