"""Crop, network, crop again: the same for every back end, and nothing but that."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from landmarks.comparison.example import draw_face
from landmarks.geometry import crop_matrices, extract_crop, face_squares, invert, transform
from landmarks.inference.cascade import CascadeBackend
from landmarks.inference.locate import locate
from landmarks.inference.torch_backend import TorchBackend
from landmarks.models.cascade import LEVELS, Cascade
from landmarks.models.config import NetworkConfig
from landmarks.models.network import Network, predict
from landmarks.models.store import Model
from landmarks.schemes import POINTS_5

MAIN = POINTS_5.name
SCALE = 1.9
PICTURES = [np.pad(draw_face(seed)[0], ((30, 30), (30, 30), (0, 0))) for seed in range(5)]
SQUARES = np.array([[86 + i, 86 - i, 80 + 5 * i, 0.05 * i] for i in range(5)], float)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Network(NetworkConfig((MAIN, "smile"), input_size=40, features=16, crop_scale=SCALE)).eval()


@pytest.fixture(scope="module")
def cascade():
    torch.manual_seed(0)
    return Cascade(48).eval()


@torch.inference_mode()
def by_hand(points_of, size, passes):
    """Crop, points, and again on the squares of those points; in batches of two, as the back ends compute them."""
    squares = SQUARES
    for _ in range(passes):
        matrices = crop_matrices(squares, size)
        crops = np.stack([extract_crop(picture, matrix, size) for picture, matrix in zip(PICTURES, matrices)])
        found = [points_of(torch.from_numpy(crops[low : low + 2])).numpy() for low in range(0, len(crops), 2)]
        points = transform(invert(matrices), np.concatenate(found).astype(np.float64))
        squares = face_squares(points, POINTS_5, SCALE)
    return points


@pytest.mark.parametrize("passes", [1, 2, 3])
def test_networks_and_cascades_are_located_alike(network, cascade, passes):
    for backend, points_of, size in (
        (TorchBackend(Model(network)), lambda crops: predict(network, crops).points[MAIN], 40),
        (CascadeBackend(cascade, SCALE), lambda crops: cascade(crops)[:, -1], 48),
    ):
        found = locate(backend, PICTURES, np.arange(5), SQUARES, passes, batch_size=2)
        np.testing.assert_array_equal(found.points[MAIN], by_hand(points_of, size, passes))


def test_a_cascade_tells_of_its_levels(cascade):
    found = locate(CascadeBackend(cascade, SCALE), PICTURES, np.arange(5), SQUARES, 1, batch_size=2)
    assert len(found.levels) == LEVELS - 1 and found.logits == {} and found.error_cues == {}
    for number, level in enumerate(found.levels):
        np.testing.assert_array_equal(level, by_hand(lambda crops, n=number: cascade(crops)[:, n], 48, 1))


def test_a_network_without_landmarks_has_one_pass():
    torch.manual_seed(0)
    backend = TorchBackend(Model(Network(NetworkConfig(("smile",), input_size=40, features=16)).eval()))
    once, twice = (locate(backend, PICTURES, np.arange(5), SQUARES, passes) for passes in (1, 2))
    np.testing.assert_array_equal(once.logits["smile"], twice.logits["smile"])
    assert once.points == {} and once.levels == () and once.logits["smile"].shape == (5, 2)
