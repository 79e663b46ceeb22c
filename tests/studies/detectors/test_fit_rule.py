"""The constants that turn a detector's boxes into face squares are found again."""

import numpy as np

from landmarks.datasets.dataset import read_dataset
from landmarks.detection.base import Detections
from landmarks.geometry import BoxRule
from landmarks.schemes import POINTS_5
from landmarks.studies.detectors.fit_rule import fit_rule, match_boxes


def test_the_rule_that_made_the_boxes_is_found():
    generator = np.random.default_rng(0)
    rule = BoxRule(shift_y=0.07, extent=0.44)
    face = np.array([[-1, -1], [1, -1], [0, 0], [-0.7, 1], [0.7, 1]]) / 2
    centres, sides = generator.uniform(100, 900, (200, 2)), generator.uniform(10, 300, 200)
    points = centres[:, None] + face * sides[:, None, None]
    size = sides / rule.extent
    middle = centres - np.stack([generator.normal(0, 0.1, 200), np.full(200, rule.shift_y)], axis=1) * size[:, None]
    shape = np.stack([np.full(200, 0.8), np.full(200, 1.25)], axis=1) * size[:, None]
    boxes = np.concatenate([middle - shape / 2, middle + shape / 2], axis=1)
    assert fit_rule(boxes, points, POINTS_5) == rule
    squares = rule.squares(boxes, crop_scale=1)
    np.testing.assert_allclose(squares[:, 1:3], np.stack([centres[:, 1], sides], axis=1), atol=1e-6)


def test_the_nearest_box_around_the_landmarks_is_matched(mtfl):
    dataset = read_dataset(mtfl)
    first, points = dataset.table["image"].iloc[0], dataset.table["points_5"].iloc[0]
    near = np.concatenate([points.min(axis=0) - 9, points.max(axis=0) + 9])
    far, beside = near + np.array([-30, -30, 60, 60]), near + 500

    class OnlyTheFirst:
        name, rule = "only the first", BoxRule()

        def __call__(self, image, name=""):
            boxes = np.stack([far, near, beside]) if name == first else np.zeros((0, 4))
            return Detections(boxes, np.ones(len(boxes)))

    matched = match_boxes(OnlyTheFirst(), dataset, np.array([0, 1]), POINTS_5)
    np.testing.assert_allclose(matched[0], near, atol=1e-4)
    assert np.isnan(matched[1]).all()
