"""Large JPEGs are decoded only as far as their faces need, and all that is told is of the whole image."""

from __future__ import annotations

import io

import cv2
import numpy as np
import PIL.Image
import pytest

from landmarks import Annotator, images
from tests.helpers.faces import SAMPLES


def photograph(face_size: int, side: int = 3200, orientation: int = 1) -> bytes:
    """A JPEG of side x side pixels, the astronaut's face in it so many pixels wide, as a camera held so would store."""
    astronaut = np.array(PIL.Image.open(SAMPLES / "astronaut.png").convert("RGB"))[:300, 100:400]
    zoom = face_size / 110
    face = cv2.resize(astronaut, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_CUBIC if zoom > 1 else cv2.INTER_AREA)
    canvas = np.full((side, side - 200, 3), 127, np.uint8)
    canvas[side // 3 : side // 3 + len(face), 500 : 500 + face.shape[1]] = face
    # Stored pixels are those that `turn` makes upright.
    stored = {1: canvas, 3: canvas[::-1, ::-1], 6: np.rot90(canvas), 5: canvas.transpose(1, 0, 2)}[orientation]
    exif = PIL.Image.Exif()
    exif[0x112] = orientation
    file = io.BytesIO()
    PIL.Image.fromarray(np.ascontiguousarray(stored)).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


@pytest.fixture(scope="module")
def pair() -> tuple[Annotator, Annotator]:
    """By default, and exact."""
    return Annotator("compact", device="cpu"), Annotator("compact", device="cpu", exact=True)


@pytest.mark.parametrize("orientation", [1, 3, 5, 6])
@pytest.mark.parametrize("face_size, reduction", [(600, 4), (250, 1)])
def test_the_points_hardly_move(pair, face_size, reduction, orientation):
    data = photograph(face_size, orientation=orientation)
    fast, exact = (annotator(data) for annotator in pair)
    assert len(fast) == len(exact) == 1
    eyes = np.linalg.norm(exact.points[0, 0] - exact.points[0, 1])
    assert np.linalg.norm(fast.points - exact.points, axis=2).mean() < 0.02 * eyes
    np.testing.assert_allclose(fast.boxes, exact.boxes, atol=0.03 * face_size)
    assert pair[0]._look(data, "photograph", "").image.reduction == reduction


def test_records_are_of_the_whole_image(pair, tmp_path):
    data = photograph(600, orientation=6)
    (tmp_path / "large.jpg").write_bytes(data)
    (record,) = pair[0].stream(tmp_path / "large.jpg")
    whole = images.decode(data, "large.jpg")
    assert (record.width, record.height, record.orientation) == (whole.width, whole.height, 6)
    np.testing.assert_array_equal(record.pixels, whole.pixels)
    without = Annotator("compact", device="cpu", keep_pixels=False)
    (bare,) = without.stream(tmp_path / "large.jpg")
    assert bare.pixels is None
    np.testing.assert_array_equal(bare.faces.points, record.faces.points)


def test_a_large_picture_without_faces(pair):
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((3000, 4000, 3), 90, np.uint8)).save(file, "JPEG")
    assert len(pair[0](file.getvalue())) == 0


def test_settings_say_which(pair):
    assert [annotator.settings()["exact"] for annotator in pair] == [False, True]
