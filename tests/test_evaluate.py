import json

import numpy as np
import pytest
import torch

from landmarks.datasets.dataset import load_crops, read_dataset
from landmarks.datasets.table import labels_of, points_of
from landmarks.errors import DataError
from landmarks.evaluation.evaluate import Predictions, evaluate, predict_dataset
from landmarks.evaluation.report import tables, write_report
from landmarks.evaluation.robustness import PLACEMENTS, measure
from landmarks.evaluation.run import evaluate_weights
from landmarks.geometry import face_squares
from landmarks.models.store import load_model
from landmarks.schemes import ATTRIBUTES, POINTS_5


def perfect(dataset, split="test", shift=(0.0, 0.0)) -> Predictions:
    """The truth as a prediction, points moved by `shift` inter-ocular distances."""
    table = dataset.table[dataset.table["split"] == split]
    true = points_of(table, POINTS_5)
    distance = np.linalg.norm(true[:, 0] - true[:, 1], axis=1)
    return Predictions(
        table=table,
        points={"points_5": true + np.array(shift) * distance[:, None, None]},
        probabilities={n: np.eye(len(a), dtype=np.float32)[labels_of(table, a)] for n, a in ATTRIBUTES.items()},
        boxes=np.zeros((len(table), 4)),
        fallback=np.zeros(len(table), bool),
    )


def test_truth_is_perfect(mtfl):
    figures = evaluate(perfect(read_dataset(mtfl)), rounds=50)
    points = figures["landmarks"]["points_5"]
    assert figures["faces"] == 8
    assert points["interocular"]["nme"]["value"] == 0 and points["interocular"]["auc"]["value"] == 1
    assert points["interocular"]["failure_rate_faces"] == {"value": 0.0, "interval": [0.0, 0.0]}
    assert all(a["accuracy"]["value"] == 1 for a in figures["attributes"].values())


def test_constant_shift_is_reported_and_taken_out(mtfl):
    points = evaluate(perfect(read_dataset(mtfl), shift=(0.12, 0.05)), rounds=50)["landmarks"]["points_5"]
    assert points["interocular"]["nme"]["value"] == pytest.approx(0.13)
    assert points["interocular"]["failure_rate_landmarks"]["value"] == 1
    assert points["shift_free"]["shift"] == pytest.approx([0.12, 0.05])
    assert points["shift_free"]["nme"]["value"] == pytest.approx(0, abs=1e-9)
    assert points["by_landmark"] == pytest.approx(dict.fromkeys(POINTS_5.points, 0.13))


def test_slices_add_up(mtfl):
    predictions = perfect(read_dataset(mtfl), "train", (0.05, 0))
    slices = evaluate(predictions, rounds=10)["landmarks"]["points_5"]["slices"]
    for groups in slices.values():
        assert sum(group["faces"] for group in groups.values()) == len(predictions.table)
    assert set(slices["source"]) == {"lfw", "web"} and set(slices["pose"]) == {"frontal"}


def test_the_box_never_comes_from_the_points(mtfl, small_weights):
    """Other test labels, the same predictions."""
    network = load_model(small_weights).network.fuse()
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
    with pytest.warns(UserWarning, match="counted as a failure"):
        predictions = predict_dataset(load_model(small_weights).network, dataset)
    assert np.isnan(predictions.points["points_5"][0]).all() and not np.isnan(predictions.points["points_5"][1:]).any()
    figures = evaluate(predictions, rounds=10)
    assert figures["landmarks"]["points_5"]["interocular"]["failure_rate_faces"]["value"] >= 1 / 8
    assert figures["attributes"]["smile"]["faces"] == 7


def test_from_names_to_tables_and_json(mtfl, small_weights, tmp_path):
    torch.manual_seed(0)
    figures = evaluate_weights(small_weights, mtfl, "test", "whole-image", device="cpu")
    assert figures["protocol"]["passes"] == 2 and figures["protocol"]["input"] == "whole-image"
    assert [len(table.columns) for table in tables(figures)] == [3, 7, 4]
    write_report(figures, tmp_path / "deep" / "r.json")
    assert json.loads((tmp_path / "deep" / "r.json").read_text()) == json.loads(json.dumps(figures))


def test_empty_split(mtfl, small_weights):
    dataset = read_dataset(mtfl)
    with pytest.raises(DataError, match="no faces in the split 'dev'"):
        predict_dataset(load_model(small_weights).network, dataset, "dev")


@pytest.mark.parametrize("placement", PLACEMENTS, ids=[placement.name for placement in PLACEMENTS])
def test_placements_move_squares_as_they_say(placement):
    points = np.random.default_rng(1).uniform(0, 100, (40, 5, 2))
    true, moved = face_squares(points, POINTS_5, 1.0), placement.squares(points, POINTS_5)
    ratio = moved[:, 2] / true[:, 2]
    assert ratio.min() >= placement.extents[0] - 1e-9 and ratio.max() <= placement.extents[1] + 1e-9
    assert abs((moved[:, :2] - true[:, :2]) / moved[:, 2:3]).max() <= placement.shift
    assert np.allclose(np.degrees(moved[:, 3] - true[:, 3]), placement.angle)
    assert np.array_equal(moved, placement.squares(points, POINTS_5)), "the same squares for every network"


def test_robustness_is_measured_on_validation_faces(prepared, small_weights):
    crops = load_crops(prepared)
    error, failures = measure(load_model(small_weights).network.fuse(), crops, PLACEMENTS[0])
    assert error > 0.1 and 0 <= failures <= 1, "an untrained network is wrong"
