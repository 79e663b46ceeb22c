"""The face detector that comes with the package."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import shipped
from landmarks.detection.create import create_detector
from landmarks.errors import DetectorError
from landmarks.images import read
from tests.helpers.faces import SAMPLES


@pytest.mark.parametrize("name", ["astronaut.png", "grace_hopper.jpg"])
def test_it_finds_the_face_of_a_portrait_where_centerface_does(name):
    pixels = read(SAMPLES / name).pixels
    found, other = (create_detector(which)(pixels) for which in ("facegrid", "centerface"))
    assert len(found) == len(other) == 1
    (x0, y0, x1, y1), (u0, v0, u1, v1) = found.boxes[0], other.boxes[0]
    common = max(min(x1, u1) - max(x0, u0), 0) * max(min(y1, v1) - max(y0, v0), 0)
    assert common > 0.6 * ((x1 - x0) * (y1 - y0) + (u1 - u0) * (v1 - v0) - common)


def test_the_same_picture_at_other_sizes():
    import cv2

    pixels = read(SAMPLES / "astronaut.png").pixels
    detector = create_detector("facegrid")
    (whole,) = detector(pixels).boxes
    for zoom in (0.15, 0.5, 2.5):
        copy = cv2.resize(pixels, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
        (box,) = detector(copy).boxes
        np.testing.assert_allclose((box + 0.5) / zoom - 0.5, whole, atol=0.12 * (whole[2] - whole[0]))


def test_noise_and_flat_pictures_hold_no_face():
    detector = create_detector("facegrid")
    assert not len(detector(np.full((480, 640, 3), 127, np.uint8)))
    assert not len(detector(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)))


def test_a_changed_file_is_refused(tmp_path, monkeypatch):
    for path in shipped.SHIPPED.iterdir():
        if path.name in ("SHA256SUMS", "detector.int8.onnx"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(shipped, "SHIPPED", tmp_path)
    create_detector("facegrid")
    (tmp_path / "detector.int8.onnx").write_bytes((tmp_path / "detector.int8.onnx").read_bytes()[:-1] + b"x")
    with pytest.raises(DetectorError, match="does not have the checksum"):
        create_detector("facegrid")
    (tmp_path / "detector.int8.onnx").unlink()
    with pytest.raises(DetectorError, match="cannot be read"):
        create_detector("facegrid")
