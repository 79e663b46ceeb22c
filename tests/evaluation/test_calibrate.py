"""Calibration with few faces, rare classes and classes that nobody showed."""

import shutil

import numpy as np
import pytest

from landmarks.datasets.dataset import load_crops, prepare, read_dataset
from landmarks.errors import DataError, WeightsError
from landmarks.evaluation.calibrate import calibrate, calibrate_file, equal_priors, fit_errors, fit_quality, fit_softmax
from landmarks.evaluation.shrinkage import TRUST, held_errors, held_quality, held_softmax
from landmarks.inference.annotator import Annotator
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models.calibration import ErrorCurve, QualityCurve, Softmax
from landmarks.models.config import NetworkConfig
from landmarks.models.heads import NEVER
from landmarks.models.network import Network
from landmarks.models.store import load_model, save_model
from landmarks.schemes import POINTS_5
from landmarks.training.from_config import train_from_config
from tests.helpers.commands import run
from tests.helpers.faces import SMALL, draw_face, write_png
from tests.helpers.packages import needs_export


def test_rare_classes_do_not_explode():
    """0 to 50 training faces of one of three classes: a network that learnt the shares and sees nothing but noise calls
    the rare class the oftener the more faces taught it, never more than its third of the answers."""
    noise = np.random.default_rng(0).normal(0, 1, (4000, 3))
    shares = []
    for count in range(51):
        counts = np.array([count, 600, 400])
        learnt = np.log(np.maximum(counts, 0.5) / counts.sum())
        bias = equal_priors(counts)
        assert bias.sum() == pytest.approx(0) and np.abs(bias).max() < 3.2
        answers = Softmax(1.0, tuple(bias))(learnt + noise).argmax(axis=1)
        shares.append(np.mean(answers == 0))
    assert max(shares) <= 1 / 3 and shares[0] < 0.001 and shares[1] < 0.01 and shares[50] > shares[5]


def test_a_class_that_is_never_answered_moves_nothing():
    with_it = equal_priors(np.array([500, 0, 300]), never=[1])
    assert with_it[[0, 2]] == pytest.approx(equal_priors(np.array([500, 300]))) and with_it[1] == 0
    assert np.isfinite(equal_priors(np.zeros(2))).all() and equal_priors(np.zeros(2), [0, 1]).tolist() == [0, 0]


def test_what_was_drawn_evenly_is_not_evened_again():
    """9,000 and 1,000 faces, drawn equally often, leave nothing to take out; by the root of their numbers, half."""
    counts = np.array([9000.0, 1000.0])
    whole = equal_priors(counts)
    assert equal_priors(counts, drawn=np.array([5000.0, 5000.0])) == pytest.approx(0, abs=0.1)
    assert equal_priors(counts, drawn=np.sqrt(counts)) == pytest.approx(whole / 2, abs=0.1)
    assert equal_priors(counts, drawn=counts) == pytest.approx(whole)


@pytest.mark.parametrize("count", [1, 5, 20, 100])
def test_few_faces_widen_probabilities(count):
    """All n right and very sure: Laplace's rule of succession, (n + 1) / (n + 2)."""
    labels = np.arange(count) % 2
    curve = fit_softmax(np.where(labels[:, None] == np.arange(2), 5.0, -5.0), labels, np.zeros(2))
    assert curve(np.array([[5.0, -5.0]]))[0, 0] == pytest.approx((count + 1) / (count + 2), abs=0.01)


def test_one_class_of_labels_and_one_never_answered():
    logits = np.column_stack([np.full(30, 4.0), np.zeros(30), np.full(30, NEVER)])
    curve = fit_softmax(logits, np.zeros(30, int), np.array([0.1, -0.1, 0.0]), never=[2])
    chances = curve(logits)
    assert (chances[:, 2] == 0).all() and 0.9 < chances[0, 0] < 1 and chances.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(("faces", "factor"), [(1, 2), (2, 2), (20, 20 / 19), (1000, 1000 / 999)])
def test_few_faces_widen_expected_errors(faces, factor):
    signs = np.full((faces, 5, 2), -3.0)
    assert fit_errors(signs, np.full((faces, 5), 0.05))(signs) == pytest.approx(0.05 * factor, rel=0.01)
    assert np.isfinite(fit_errors(signs, np.zeros((faces, 5)))(signs)).all()


def test_quality_of_one_kind_alone_is_not_certain():
    for good in (True, False):
        quality = fit_quality(np.full((10, 5), 0.03), np.full(10, good))(np.full((1, 5), 0.03))[0]
        assert 0.02 < quality < 0.98


CONFIG = """[network]
encoder = "tcdcn"
input_size = 32
features = 16
[training]
epochs = 1
batch_size = 16
workers = 0
"""


@pytest.fixture(scope="module")
def one_sided(tmp_path_factory):
    """Drawn faces that look left, ahead and right, all smile, nobody has a gender; and a network trained on them."""
    root = tmp_path_factory.mktemp("one_sided")
    header = [
        "image",
        "split",
        *(f"{name}_{axis}" for name in POINTS_5.points for axis in "xy"),
        "pose",
        "smile",
        "glasses",
    ]
    lines = [",".join(header)]
    for seed in range(40):
        image, points, labels = draw_face(seed)
        write_png(root / "faces" / f"{seed}.png", image)
        values = [f"{seed}.png", ("train", "val", "test")[seed % 10 // 4], *points.ravel().round(2), 1 + seed % 3, 1]
        lines.append(",".join(map(str, [*values, labels["glasses"]])))
    (root / "faces" / "faces.csv").write_text("\n".join(lines))
    prepare(read_dataset(root / "faces"), root / "prepared")
    (root / "c.toml").write_text(CONFIG)
    with pytest.warns(UserWarning) as told:
        weights = train_from_config(root / "c.toml", [root / "prepared"], root / "run", "cpu")
    return root, weights, [str(warning.message) for warning in told]


def test_training_says_what_its_faces_do_not_teach(one_sided):
    _, weights, told = one_sided
    assert any("no training face has labels for gender; a network gets no head" in line for line in told)
    assert any("pose: no training face is 'left profile', 'right profile'" in line for line in told)
    assert any("smile: no training face is 'not smiling'" in line for line in told)
    model = load_model(weights)
    assert model.network.config.tasks == ("points_5", "pose", "smile", "glasses")
    assert model.about["labels"]["pose"] == {"left profile": 0, "left": 6, "frontal": 5, "right": 5, "right profile": 0}


def test_what_nobody_showed_is_never_answered(one_sided, tmp_path):
    """Before calibration, after it and in the exported graph its probability is exactly 0."""
    (root, weights, _), calibrated_file = one_sided, tmp_path / "c.safetensors"
    with pytest.warns(
        UserWarning, match=r"rough: points_5 \(\d+ faces, fewer than 100\); pose \(.*'left'.*fewer than 20\)"
    ):
        calibrated = calibrate_file(weights, [root / "prepared"], calibrated_file)
    counts = calibrated.about["calibrated_on"]
    assert set(counts) == {"points_5", "pose", "smile", "glasses"} and counts["pose"]["left profile"] == 0
    pictures = [draw_face(seed)[0] for seed in range(20)]
    boxes = [[[20, 20, 140, 140]]] * 20
    for model, backend in ((weights, "torch"), (calibrated_file, "torch"), (calibrated_file, "onnx")):
        if backend == "onnx":
            needs_export()
        for faces in Annotator(model, "whole-image", device="cpu", backend=backend).predict(pictures, boxes):
            chances = faces.attributes["pose"].probabilities[0]
            assert (chances[[0, 4]] == 0).all() and chances.sum() == pytest.approx(1)
            assert faces.attributes["smile"].probabilities.tolist() == [[0, 1]]
            assert "gender" not in faces.attributes


def test_weights_that_say_nothing_of_their_training(one_sided, tmp_path):
    """Older weights: the training part of the data stands for what they learnt from, unless they were calibrated."""
    root, _, _ = one_sided
    save_model(Network(SMALL), tmp_path / "raw.safetensors")
    with pytest.warns(UserWarning, match="rough"):
        calibrated = calibrate_file(tmp_path / "raw.safetensors", [root / "prepared"], tmp_path / "c.safetensors")
        again = calibrate_file(tmp_path / "c.safetensors", [root / "prepared"], tmp_path / "d.safetensors")
    assert calibrated.network.heads["pose"].unseen == (0, 4) == again.network.heads["pose"].unseen
    assert "gender" not in calibrated.calibration.attributes, "no labels: nothing to fit"


def test_tasks_without_validation_labels_keep_their_constants(prepared, tmp_path):
    kept = Softmax(1.5, (0.25, -0.25))
    model = load_model_with(tmp_path, {"gender": kept, "smile": kept})
    crops = load_crops(prepared)
    crops.table["gender"] = crops.table["gender"].mask(crops.table["gender"].notna())
    with pytest.warns(UserWarning, match="rough"):
        found = calibrate(TorchBackend(model), crops).attributes
    assert found["gender"] == kept and found["smile"] != kept


def load_model_with(folder, attributes):
    from landmarks.models.calibration import Calibration

    save_model(Network(SMALL), folder / "m.safetensors", {}, Calibration(attributes=attributes))
    return load_model(folder / "m.safetensors")


def test_a_network_without_landmarks_cannot_be_calibrated(prepared, tmp_path):
    save_model(Network(NetworkConfig(("smile",), input_size=48, features=16)), tmp_path / "m.safetensors")
    with pytest.raises(DataError, match="the network has no landmarks"):
        calibrate_file(tmp_path / "m.safetensors", [prepared], tmp_path / "c.safetensors")


def test_the_command_says_on_how_many_faces(one_sided, monkeypatch, tmp_path, capsys):
    root, weights, _ = one_sided
    out = tmp_path / "c.safetensors"
    assert run(monkeypatch, "calibrate", weights, "--data", root / "prepared", "--out", out) == 0
    shown = capsys.readouterr()
    assert "few validation faces" in shown.err
    assert "validation faces" in shown.out and "left profile 0, left" in " ".join(shown.out.split())


def test_few_faces_hardly_move_earlier_constants():
    earlier, fitted = ErrorCurve(-0.2, 0.9, 0.1), ErrorCurve(1.8, -0.1, 0.5)
    assert held_errors(fitted, None, 1) is fitted
    one, half, many = (held_errors(fitted, earlier, faces) for faces in (1, TRUST, 10**6))
    assert one.constant == pytest.approx(-0.2 + 2 / 51) and half == ErrorCurve(0.8, 0.4, 0.3)
    assert many.expected == pytest.approx(fitted.expected, abs=1e-3)
    cool = held_softmax(Softmax(4.0, (1.0, -1.0)), Softmax(1.0, (0.0, 0.0)), TRUST)
    assert cool == Softmax(2.0, (1.0, -1.0)), "the bias comes of the training"
    quality = QualityCurve(-6.0, -3.0)
    assert held_quality(quality, None, 5, 0.3) is quality
    risen = held_quality(QualityCurve(0.0, 0.0), quality, 0, raised=0.3)
    errors = np.full((1, 5), 0.05, np.float32)
    assert risen(errors * np.exp(0.3)) == pytest.approx(quality(errors)), "larger expected errors alone change nothing"


@pytest.fixture(scope="module")
def three_faces(one_sided, tmp_path_factory):
    """A prepared folder with three validation faces, and calibrated weights."""
    root, weights, _ = one_sided
    calibrated, folder = root / "calibrated.safetensors", tmp_path_factory.mktemp("three")
    with pytest.warns(UserWarning, match="rough"):
        calibrate_file(weights, [root / "prepared"], calibrated)
    shutil.copytree(root / "faces", folder / "faces")
    lines = (folder / "faces" / "faces.csv").read_text().splitlines()
    val = [line for line in lines if line.split(",")[1] == "val"]
    (folder / "faces" / "faces.csv").write_text("\n".join(line for line in lines if line not in val[3:]))
    prepare(read_dataset(folder / "faces"), folder / "prepared")
    (folder / "c.toml").write_text(CONFIG)
    return folder, weights, calibrated


def test_few_faces_without_earlier_constants_are_refused(three_faces, tmp_path):
    folder, raw, _ = three_faces
    with pytest.raises(DataError, match=r"3 validation faces with points_5, and the weights have no.*give 10 or more"):
        calibrate_file(raw, [folder / "prepared"], tmp_path / "no.safetensors")
    assert not (tmp_path / "no.safetensors").exists()


@pytest.mark.parametrize("trained_further", [False, True])
def test_few_faces_stay_near_the_constants_that_the_weights_had(three_faces, tmp_path, trained_further):
    """Or near those of the weights that their training started from."""
    folder, _, calibrated = three_faces
    before, weights = load_model(calibrated).calibration, calibrated
    if trained_further:
        with pytest.warns(UserWarning):
            weights = train_from_config(folder / "c.toml", [folder / "prepared"], tmp_path, "cpu", start=calibrated)
        assert not load_model(weights).calibration.errors, "it is another network, whose certainty nobody has measured"
        assert load_model(weights).earlier == before
    with pytest.warns(UserWarning, match="stay near the earlier constants of the weights: points_5"):
        after = calibrate_file(weights, [folder / "prepared"], tmp_path / "held.safetensors").calibration
    assert after.errors["points_5"].expected == pytest.approx(before.errors["points_5"].expected, abs=0.1)
    assert after.errors["points_5"] != before.errors["points_5"]
    for name, curve in before.attributes.items():
        assert after.attributes[name].temperature == pytest.approx(curve.temperature, rel=0.2)


def test_earlier_constants_that_are_none_are_refused(three_faces, tmp_path):
    _, raw, _ = three_faces
    model = load_model(raw)
    for wrong in (5, {"errors": 3}, {"errors": {}, "quality": {"slope": "x"}, "attributes": {}}):
        save_model(model.network, tmp_path / "w.safetensors", {"started_from": {"calibration": wrong}})
        with pytest.raises(WeightsError, match="do not fit"):
            load_model(tmp_path / "w.safetensors")
