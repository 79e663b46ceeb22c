import numpy as np

from landmarks.studies.backgrounds import random_boxes, separation


def test_random_boxes_touch_no_face():
    faces = np.array([[100.0, 100.0, 200.0, 220.0], [400.0, 50.0, 480.0, 150.0]])
    boxes = random_boxes(640, 480, faces, 300, np.random.default_rng(0))
    assert 50 < len(boxes) < 300 and (boxes >= 0).all() and (boxes <= [640, 480, 640, 480]).all()
    for x0, y0, x1, y1 in faces:
        assert ((boxes[:, 0] > x1) | (boxes[:, 2] < x0) | (boxes[:, 1] > y1) | (boxes[:, 3] < y0)).all()
    assert len(random_boxes(640, 480, np.zeros((0, 4)), 10, np.random.default_rng(0))) == 10


def test_separation_counts_what_lies_below_the_faces():
    faces = np.linspace(0.5, 1, 100)
    assert separation(faces, np.array([0.1, 0.2, 0.9, 0.4])) == 0.75
