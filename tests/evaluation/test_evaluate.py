import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from landmarks.datasets.dataset import read_dataset
from landmarks.datasets.table import labels_of, points_of
from landmarks.errors import DataError, WeightsError
from landmarks.evaluation import calibrate
from landmarks.evaluation.calibrate import (
    beside_face,
    calibrate_file,
    equal_priors,
    fit_errors,
    fit_quality,
    fit_softmax,
)
from landmarks.evaluation.evaluate import evaluate
from landmarks.evaluation.measures import Predictions, measure, predict_dataset
from landmarks.evaluation.plots import ced_figure, reliability_figure, robustness_figure, save
from landmarks.evaluation.tables import tables, write_report
from landmarks.faces import Faces
from landmarks.geometry import face_squares, middle_box
from landmarks.inference.annotator import Annotator
from landmarks.models.calibration import Calibration, Softmax
from landmarks.models.network import Network, predict
from landmarks.models.store import load_model, save_model
from landmarks.schemes import ATTRIBUTES, POINTS_5
from landmarks.studies.robustness import CURVES
from landmarks.training.surgery.add_locator import add_locator
from tests.helpers.faces import SMALL, draw_face, write_png


def perfect(dataset, split="test", shift=(0.0, 0.0)) -> Predictions:
    """The truth as a prediction, points moved by `shift` inter-ocular distances."""
    table = dataset.table[dataset.table["split"] == split]
    true = points_of(table, POINTS_5)
    distance = np.linalg.norm(true[:, 0] - true[:, 1], axis=1)
    return Predictions(
        table=table,
        points={"points_5": true + np.array(shift) * distance[:, None, None]},
        probabilities={n: np.eye(len(a), dtype=np.float32)[labels_of(table, a)] for n, a in ATTRIBUTES.items()},
        errors={"points_5": np.full(true.shape[:2], 0.02, np.float32)},
        quality=np.linspace(0, 1, len(table), dtype=np.float32),
        boxes=np.zeros((len(table), 4)),
        fallback=np.zeros(len(table), bool),
    )


def test_truth_is_perfect(mtfl):
    figures = measure(perfect(read_dataset(mtfl)), rounds=50)
    points = figures["landmarks"]["points_5"]
    assert figures["faces"] == 8
    assert points["interocular"]["nme"]["value"] == 0 and points["interocular"]["auc"]["value"] == 1
    assert points["interocular"]["failure_rate_faces"] == {"value": 0.0, "interval": [0.0, 0.0]}
    assert all(a["accuracy"]["value"] == 1 for a in figures["attributes"].values())


def test_constant_shift_is_reported_and_taken_out(mtfl):
    points = measure(perfect(read_dataset(mtfl), shift=(0.12, 0.05)), rounds=50)["landmarks"]["points_5"]
    assert points["interocular"]["nme"]["value"] == pytest.approx(0.13)
    assert points["interocular"]["failure_rate_landmarks"]["value"] == 1
    assert points["shift_free"]["shift"] == pytest.approx([0.12, 0.05])
    assert points["shift_free"]["nme"]["value"] == pytest.approx(0, abs=1e-9)
    assert points["by_landmark"] == pytest.approx(dict.fromkeys(POINTS_5.points, 0.13))


def test_slices_add_up(mtfl):
    predictions = perfect(read_dataset(mtfl), "train", (0.05, 0))
    slices = measure(predictions, rounds=10)["landmarks"]["points_5"]["slices"]
    for groups in slices.values():
        assert sum(group["faces"] for group in groups.values()) == len(predictions.table)
    assert set(slices["source"]) == {"lfw", "web"} and set(slices["pose"]) == {"frontal"}


def test_groups_of_people_have_accuracy_and_calibration(mtfl):
    predictions = perfect(read_dataset(mtfl), "train", (0.05, 0))
    table = predictions.table.assign(race=[("a", "b", "")[i % 3] for i in range(len(predictions.table))])
    probabilities = np.tile(np.float32([0.7, 0.3]), (len(table), 1))
    figures = measure(replace(predictions, table=table, probabilities={"gender": probabilities}), rounds=10)
    slices = figures["attributes"]["gender"]["slices"]
    assert set(slices["race"]) == {"a", "b"} and "age" not in slices
    for group in slices["race"].values():
        assert group["calibration_error"] == pytest.approx(abs(0.7 - group["accuracy"]), abs=1e-6)
    assert figures["attributes"]["gender"]["abstention"][0]["share"] == 1


def test_the_box_never_comes_from_the_points(mtfl, small_weights):
    """Other test labels, the same predictions."""
    network = load_model(small_weights)
    dataset = read_dataset(mtfl)
    before = predict_dataset(network, dataset)
    table = dataset.table.copy()
    table["points_5"] = [None if p is None else p[::-1] * 0.5 + 40 for p in table["points_5"]]
    after = predict_dataset(network, type(dataset)(dataset.name, table, dataset.files, dataset.terms))
    assert np.array_equal(before.points["points_5"], after.points["points_5"])
    assert before.boxes.tolist() == [[-0.5, -0.5, 159.5, 159.5]] * 8


def test_missing_image_counts_as_a_failure(mtfl, small_weights):
    dataset = read_dataset(mtfl)
    table = dataset.table.copy()
    table.loc[table["split"] == "test", "image"] = ["gone.png", *table.loc[table["split"] == "test", "image"][1:]]
    dataset = type(dataset)(dataset.name, table, dataset.files, dataset.terms)
    with pytest.warns(UserWarning, match="counted as failures: of 8 faces 1 without their image"):
        predictions = predict_dataset(load_model(small_weights), dataset)
    assert np.isnan(predictions.points["points_5"][0]).all() and not np.isnan(predictions.points["points_5"][1:]).any()
    figures = measure(predictions, rounds=10)
    assert figures["landmarks"]["points_5"]["interocular"]["failure_rate_faces"]["value"] >= 1 / 8
    assert figures["attributes"]["smile"]["faces"] == 7


def test_from_names_to_tables_and_json(mtfl, small_weights, tmp_path):
    torch.manual_seed(0)
    figures = evaluate(small_weights, mtfl, "test", "whole-image", device="cpu")
    assert figures["protocol"]["passes"] == 2 and figures["protocol"]["input"] == "whole-image"
    assert [len(table.columns) for table in tables(figures)] == [3, 7, 5, 6]
    write_report(figures, tmp_path / "deep" / "r.json")
    assert json.loads((tmp_path / "deep" / "r.json").read_text()) == json.loads(json.dumps(figures))


def test_no_image_at_all(mtfl, small_weights):
    dataset = read_dataset(mtfl)
    gone = type(dataset)(dataset.name, dataset.table.assign(image="gone.png"), dataset.files, dataset.terms)
    with pytest.raises(DataError, match=r"no face of the split 'test' can be measured: 8 without their image"):
        predict_dataset(load_model(small_weights), gone)


def test_points_without_a_label_count_nowhere(mtfl):
    """Figures of the labelled points alone; a face without an eye has no inter-ocular distance."""
    predictions = perfect(read_dataset(mtfl), shift=(0.1, 0))
    table = predictions.table.copy()
    partly = [p.copy() for p in table["points_5"]]
    partly[0][3:] = np.nan
    partly[1][0] = np.nan
    table["points_5"] = partly
    with pytest.warns(UserWarning, match="points_5: 1 faces without the points of the normaliser"):
        points = measure(replace(predictions, table=table), rounds=10)["landmarks"]["points_5"]
    assert points["interocular"]["nme"]["value"] == pytest.approx(0.1)
    assert points["by_landmark"] == pytest.approx(dict.fromkeys(POINTS_5.points, 0.1))
    assert sum(group["faces"] for group in points["slices"]["source"].values()) == 7
    assert points["ced"]["shares"][-1] == pytest.approx(1, abs=1) and np.isfinite(points["box"]["nme"])


def test_tasks_without_labels_have_no_figures(mtfl):
    predictions = perfect(read_dataset(mtfl))
    table = predictions.table.assign(gender=predictions.table["gender"].mask(predictions.table["gender"].notna()))
    with pytest.warns(UserWarning, match="no face has labels for gender"):
        figures = measure(replace(predictions, table=table), rounds=10)
    assert set(figures["attributes"]) == {"pose", "smile", "glasses"}


def test_one_class_alone_is_measured(mtfl):
    figures = measure(perfect(read_dataset(mtfl)), rounds=10)["attributes"]["pose"]
    assert figures["recall"] == {"frontal": 1.0} and figures["balanced_accuracy"]["interval"] == [1.0, 1.0]


def test_empty_split(mtfl, small_weights):
    dataset = read_dataset(mtfl)
    with pytest.raises(DataError, match="no faces in the split 'dev'"):
        predict_dataset(load_model(small_weights), dataset, "dev")


def test_expected_errors_are_compared_with_true_ones(mtfl):
    """A network that knows its errors: all of its figures say so."""
    predictions = perfect(read_dataset(mtfl), "train")
    errors = np.random.default_rng(0).uniform(0.01, 0.1, predictions.points["points_5"].shape[:2])
    size = face_squares(predictions.points["points_5"], POINTS_5, 1.0)[:, 2]
    points = predictions.points["points_5"] + (errors * size[:, None])[..., None] * [0.6, 0.8]
    known = replace(predictions, points={"points_5": points}, errors={"points_5": errors}, quality=-errors.mean(axis=1))
    figures = measure(known, rounds=10)["landmarks"]["points_5"]["expected_errors"]
    for key in ("rank_correlation_points", "rank_correlation_faces", "rank_correlation_quality"):
        assert figures[key] == pytest.approx(1)
    assert figures["mean"] == pytest.approx(errors.mean()) == figures["mean_expected"]
    assert all(row["predicted"] == pytest.approx(row["true"]) for row in figures["reliability_points"])


def test_errors_are_fitted_as_they_were_made():
    """Exponentially distributed errors about a known curve of two error cues give the curve back."""
    generator = np.random.default_rng(0)
    error_cues = generator.normal(-3, 0.7, (4000, 5, 2))
    errors = generator.exponential(np.exp(0.5 + 0.8 * error_cues[..., 0] + 0.3 * error_cues[..., 1]))
    curve = fit_errors(error_cues, errors)
    assert (curve.constant, curve.expected, curve.spread) == pytest.approx((0.5, 0.8, 0.3), abs=0.06)


def test_a_constant_sign_does_no_harm():
    error_cues = np.stack([np.full((50, 5), -3.0), np.zeros((50, 5))], axis=-1)
    assert fit_errors(error_cues, np.full((50, 5), 0.07))(error_cues) == pytest.approx(0.07 * 50 / 49, rel=0.01)


def test_temperature_is_found():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (20000, 3))
    labels = np.array([generator.choice(3, p=p) for p in Softmax()(logits)])
    assert fit_softmax(3 * logits, labels, np.zeros(3)).temperature == pytest.approx(3, rel=0.05)


def test_priors_are_taken_out():
    """A network that has learnt shares of 9 to 1 from many faces and sees nothing finds both classes equally likely."""
    bias = equal_priors(np.array([9e6, 1e6]))
    assert bias.sum() == pytest.approx(0)
    assert Softmax(1.0, tuple(bias))(np.log([[0.9, 0.1]]))[0] == pytest.approx([0.5, 0.5], abs=1e-3)


def test_quality_is_high_where_errors_are_low():
    errors = np.concatenate([np.full((50, 5), 0.02), np.full((20, 5), 0.5)])
    quality = fit_quality(errors, errors.mean(axis=1) < 0.1)(errors)
    assert quality[:50].min() > 0.9 and quality[50:].max() < 0.1
    assert fit_quality(errors, errors.mean(axis=1) < 0.1)(np.full((1, 5), np.nan)) == 0


def test_calibrated_weights_know_more(monkeypatch, prepared, small_weights, tmp_path):
    monkeypatch.setattr(calibrate, "LEAST_FACES", 4)
    calibrate_file(small_weights, [prepared], tmp_path / "c.safetensors")
    before, after = load_model(small_weights), load_model(tmp_path / "c.safetensors")
    assert not before.calibration.errors and set(after.calibration.errors) == {"points_5"}
    assert after.calibration == Calibration.from_dict(json.loads(json.dumps(after.calibration.as_dict())))
    with pytest.raises(ValueError, match="boxes"):
        Faces(np.zeros((1, 3)), np.zeros((1, 5, 2)), np.zeros(1))
    faces = Annotator(after, "whole-image", device="cpu").predict([np.zeros((80, 80, 3), np.uint8)], [[[5, 5, 60, 60]]])
    assert faces[0].point_errors.shape == (1, 5) and 0 <= faces[0].quality[0] <= 1
    assert {"quality", "nose_error"} <= set(faces[0].to_pandas().columns)


def test_squares_beside_the_face_hold_no_face():
    canonical = np.tile([95.5, 95.5, 48 * 2.2, 0.0], (200, 1))
    squares = beside_face(canonical)
    assert (np.abs(squares[:, :2] - 95.5).max(axis=1) > 48).all(), "its centre is outside the landmarks' extent"
    assert (squares[:, :2] > 0).all() and (squares[:, :2] < 191).all()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_figures_are_drawn_and_equal_every_time(mtfl, tmp_path, suffix):
    figures = measure(perfect(read_dataset(mtfl), "train", (0.05, 0)), rounds=10)
    curves = {name: {"x": list(xs), "2 passes": [(0.03, 0.01)] * len(xs)} for name, xs in CURVES.items()}
    makers = {
        "ced": lambda: ced_figure(figures),
        "reliability": lambda: reliability_figure(figures),
        "robustness": lambda: robustness_figure(curves),
    }
    for name, make in makers.items():
        first, second = (tmp_path / "new" / f"{name}{copy}.{suffix}" for copy in "ab")
        save(make(), first)
        save(make(), second)
        assert first.stat().st_size > 3000
        if suffix == "png":  # an SVG has random names inside
            assert first.read_bytes() == second.read_bytes()


def test_the_face_in_the_middle_is_taken():
    """Not the largest one, nor a speck that happens to lie nearer."""
    picture = np.zeros((100, 100, 3), np.uint8)
    boxes = np.array([[60.0, 5.0, 99.0, 60.0], [30.0, 30.0, 64.0, 64.0], [52.0, 52.0, 54.0, 54.0]])
    assert middle_box(boxes, picture).tolist() == boxes[1].tolist()


def test_a_locator_is_added(tmp_path):
    models = []
    for seed, size in ((0, 32), (1, 40)):
        torch.manual_seed(seed)
        save_model(Network(replace(SMALL, locator_size=size)), tmp_path / f"{size}.safetensors", {"name": size})
        models.append(load_model(tmp_path / f"{size}.safetensors"))
    network = add_locator(*models)
    crops = torch.randint(0, 256, (2, 40, 40, 3), dtype=torch.uint8)
    assert network.config.locator_size == 40
    assert torch.equal(network.locator(crops), models[1].network.locator(crops))
    large = torch.randint(0, 256, (2, 48, 48, 3), dtype=torch.uint8)
    before, after = (predict(some, large).points["points_5"] for some in (models[0].network, network))
    assert torch.equal(before, after)
    save_model(Network(SMALL), tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="no locator to give"):
        add_locator(models[0], load_model(tmp_path / "none.safetensors"))


def test_the_dataset_says_whether_a_detector_is_needed(small_weights, mtfl, tmp_path):
    """MTFL's test images are faces cut out already, 300-W's are not; what was used is told."""
    assert evaluate(small_weights, mtfl, device="cpu")["protocol"]["input"] == "whole-image"
    for i in range(3):
        image, points, _ = draw_face(i)
        folder = tmp_path / "helen" / "testset"
        write_png(folder / f"{i}.png", image)
        spread = np.repeat(points, 14, axis=0)[:68] + 1
        lines = "\n".join(f"{x} {y}" for x, y in spread)
        (folder / f"{i}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    assert read_dataset(tmp_path).cut_out is False and read_dataset(mtfl).cut_out is True
