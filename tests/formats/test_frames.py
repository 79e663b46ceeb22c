"""Coordinates of the stored picture."""

import json
from dataclasses import replace

import numpy as np
import pytest

from landmarks import images, read_results
from landmarks.formats import (
    FORMATS,
    to_original,
)
from landmarks.images.image import turn
from tests.helpers.results import HEIGHT, TOLERANCE, WIDTH, assert_same, expected, record, some_faces, write


@pytest.mark.parametrize("orientation", range(1, 9))
def test_original_coordinates_are_the_inverse_of_turning(orientation, tmp_path):
    """Where the file stores a bright pixel, there its landmark is; and back."""
    upright = record(some_faces(2), orientation=orientation)
    stored = to_original(upright)
    image = images.Image(np.zeros((HEIGHT, WIDTH, 3), np.uint8), orientation)
    assert (stored.width, stored.height) == image.stored_size
    assert np.allclose(images.to_upright(stored.faces.points, image), upright.faces.points, atol=1e-3)
    corners = images.to_upright(stored.faces.boxes.reshape(-1, 2, 2), image)
    assert np.allclose(np.sort(corners, axis=1), upright.faces.boxes.reshape(-1, 2, 2), atol=1e-3)
    assert (stored.faces.boxes[:, 2:] > stored.faces.boxes[:, :2]).all()
    write(tmp_path, [upright], list(FORMATS), "original")
    for format in FORMATS:
        wanted = replace(stored, faces=stored.faces)
        assert_same(read_results(tmp_path, format), expected([wanted], format), max(TOLERANCE[format], 1e-4))
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert (coco["images"][0]["width"], coco["images"][0]["height"]) == image.stored_size


def test_original_coordinates_point_at_the_stored_pixel():
    for orientation in range(1, 9):
        turned = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        turned[30, 70] = 255
        stored = images.to_stored(np.array([70.0, 30.0]), images.Image(turned, orientation))
        width, height = images.Image(turned, orientation).stored_size
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[int(stored[1]), int(stored[0])] = 255
        assert turn(pixels, orientation)[30, 70, 0] == 255
