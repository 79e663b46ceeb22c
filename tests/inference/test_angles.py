"""Head pose of photographs that are turned and mirrored, as the shipped network sees them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from landmarks import Annotator, images

SAMPLES = Path(__file__).parents[2] / "data" / "samples"


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg"])
def test_roll_follows_the_picture(name):
    picture = images.read(SAMPLES / name).pixels
    height, width = picture.shape[:2]
    annotator = Annotator("compact", "centerface", device="cpu", tasks=(), max_faces=1)
    straight = annotator(picture).angles[0]
    turns = (-15, 10, 20)
    turned = []
    for turn in turns:
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -turn, 1.0)  # OpenCV turns the other way
        turned.append(annotator(cv2.warpAffine(picture, matrix, (width, height))).angles[0])
    assert np.abs(np.array(turned)[:, 2] - straight[2] - turns).mean() < 1
    assert np.abs(np.array(turned)[:, :2] - straight[:2]).max() < 5


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg"])
@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_angles_follow_the_mirror_image(name, backend):
    picture = images.read(SAMPLES / name).pixels
    annotator = Annotator("compact", "centerface", device="cpu", tasks=(), max_faces=1, backend=backend)
    straight, mirrored = (annotator(np.ascontiguousarray(seen)).angles[0] for seen in (picture, picture[:, ::-1]))
    assert np.abs(mirrored - straight * [-1, 1, -1]).max() < 3


def test_angles_are_in_every_result():
    annotator = Annotator("compact", "whole-image", device="cpu")
    columns = list(annotator.empty.to_pandas().columns)
    assert columns[5:10] == ["score", "quality", "yaw", "pitch", "roll"]
    dark = annotator.predict([np.zeros((40, 40, 3), np.uint8)], [np.array([[5, 5, 30, 30], [np.nan] * 4])])[0]
    assert np.isfinite(dark.angles[0]).all() and np.isnan(dark.angles[1]).all()
    assert list(dark.to_pandas().columns) == columns
