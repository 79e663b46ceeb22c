import numpy as np
import pytest

from landmarks.datasets.dataset import load_crops
from landmarks.evaluation.placement import Placement
from landmarks.geometry import face_squares
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models.store import load_model
from landmarks.schemes import POINTS_5
from landmarks.studies import robustness
from landmarks.studies.robustness import CURVES


@pytest.mark.parametrize(
    "placement",
    [
        Placement(),
        Placement(scale=(0.5, 2.0)),
        Placement(shift=0.2),
        Placement(angle=90),
        *CURVES["box scale"].values(),
    ],
    ids=repr,
)
def test_placements_move_squares_as_they_say(placement):
    true = face_squares(np.random.default_rng(1).uniform(0, 100, (40, 5, 2)), POINTS_5, 2.0)
    moved = placement.squares(true)
    ratio = moved[:, 2] / true[:, 2]
    assert ratio.min() >= placement.scale[0] - 1e-9 and ratio.max() <= placement.scale[1] + 1e-9
    assert np.allclose(np.linalg.norm(moved[:, :2] - true[:, :2], axis=1), placement.shift * true[:, 2])
    assert np.allclose(np.degrees(moved[:, 3] - true[:, 3]), placement.angle)
    assert np.array_equal(moved, placement.squares(true)), "the same squares for every network"


def test_robustness_is_measured_on_validation_faces(prepared, small_weights):
    crops = load_crops(prepared)
    error, failures = robustness.measure(TorchBackend(load_model(small_weights)), crops, Placement(), "points_5")
    assert error > 0.1 and 0 <= failures <= 1, "an untrained network is wrong"
