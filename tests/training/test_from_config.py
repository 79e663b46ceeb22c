"""Trainings from files: what is wrong in one is told by name."""

from dataclasses import replace
from pathlib import Path

import pytest

from landmarks.datasets.dataset import load_crops
from landmarks.errors import LandmarksError, WeightsError
from landmarks.evaluation.calibrate import calibrate
from landmarks.inference.annotator import Annotator
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models.store import load_model
from landmarks.shipped import SHIPPED
from landmarks.studies.learning_curve import Arm, recipe
from landmarks.training.from_config import read_config, train_from_config
from tests.helpers.faces import draw_face


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


def test_a_network_that_rebuilds_its_crop_is_calibrated_and_run_as_if_it_did_not(prepared, tmp_path):
    (tmp_path / "c.toml").write_text(
        '[network]\ninput_size = 48\nfeatures = 32\ntasks = ["reconstruction", "points_5"]\n'
        "[training]\nepochs = 1\nbatch_size = 16\nworkers = 0\n[training.task_weights]\nreconstruction = 0.5\n"
    )
    path = train_from_config(tmp_path / "c.toml", [prepared], tmp_path / "run", device="cpu")
    model = load_model(path)
    assert model.network.config.tasks == ("points_5", "reconstruction")
    assert model.about["labels"] == {"points_5": 36, "reconstruction": 36}, "every face is its own label"
    assert 0 < model.about["validation"]["reconstruction"] < 2
    crops = load_crops(prepared)
    crops.table.loc[crops.part("train")[:20], "split"] = "val"
    with pytest.warns(UserWarning, match="few validation faces"):
        calibration = calibrate(TorchBackend(model), crops)
    assert list(calibration.errors) == ["points_5"] and not calibration.attributes
    annotator = Annotator(str(path), detector="whole-image")
    faces = annotator(draw_face(0)[0])
    assert faces.points.shape == (1, 5, 2) and not faces.attributes and not faces.quantities
    with pytest.raises(WeightsError, match="only for none"):
        Annotator(str(path), tasks=["reconstruction"])


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
    with pytest.raises(
        LandmarksError, match=r"no field 'rate'; did you mean 'training\.muon_rate' or 'training\.learning_rate'"
    ):
        read_config(tmp_path / "c.toml", ["rate=3"])
    with pytest.raises(LandmarksError, match=r"--set epochs=x: training.epochs = 'x': must be a whole number"):
        read_config(tmp_path / "c.toml", ["epochs=x"])


def test_weights_of_sources_that_are_not_in_the_data_are_refused(prepared, tmp_path):
    (tmp_path / "c.toml").write_text("[training.source_weights]\nlfww = 2.0")
    with pytest.raises(
        LandmarksError, match=r"c\.toml: training\.source_weights: unknown source 'lfww'; did you mean 'lfw'"
    ):
        train_from_config(tmp_path / "c.toml", [prepared], tmp_path / "run", device="cpu")


EARLIER = Path(__file__).parents[2] / "docs" / "recipes"
RECIPES = [
    *(SHIPPED / f"{name}.toml" for name in ("compact", "accurate", "locator", "teacher")),
    *sorted(EARLIER.glob("*.toml")),
]


@pytest.mark.parametrize("path", RECIPES, ids=[path.stem for path in RECIPES])
def test_the_configs_of_the_shipped_weights_and_of_those_before_are_right(path):
    read_config(path)


def test_the_recipe_to_go_on_is_for_the_shipped_network_and_the_one_that_was_measured(prepared):
    file = read_config(SHIPPED / "finetune.toml")
    assert file.network == load_model("compact").network.config
    lesson = load_crops(prepared)
    measured = recipe(Arm(0, "doubt", False, 4), lesson)
    assert file.training == replace(measured, source_weights={})
