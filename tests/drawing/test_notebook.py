from __future__ import annotations

import base64
import re
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest

from landmarks import draw, images
from landmarks.errors import ImageError, LandmarksError
from tests.helpers.faces import draw_face, write_png
from tests.helpers.results import some_faces


@pytest.fixture
def shown(monkeypatch):
    """The pictures that the system's viewer was given."""
    pictures: list[np.ndarray] = []
    monkeypatch.setattr(PIL.Image.Image, "show", lambda picture: pictures.append(np.asarray(picture)))
    return pictures


def test_shows_the_file_or_the_image_that_is_given(tmp_path, shown):
    path = write_png(tmp_path / "a.png", draw_face(0)[0])
    faces = some_faces(1)
    replace(faces, path=str(path)).show()
    faces.show(images.read(path).pixels)
    for picture in shown:
        np.testing.assert_array_equal(picture, draw(images.read(path).pixels, faces))
    assert len(shown) == 2


def test_without_an_image_it_says_so(tmp_path):
    with pytest.raises(LandmarksError, match=r"give it: faces.show\(image\)"):
        some_faces(1).show()
    with pytest.raises(ImageError, match="gone"):
        replace(some_faces(1), path=str(tmp_path / "gone.png")).show()


def test_html_holds_the_picture_and_a_line_a_face(tmp_path):
    path = write_png(tmp_path / "a.png", np.full((300, 2000, 3), 200, np.uint8))
    faces = replace(some_faces(2), path=str(path))
    text = faces._repr_html_()
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), 1).shape == (120, 800, 3)
    assert all(line in text for line in repr(faces).splitlines())


@pytest.mark.parametrize("path", [None, "gone.png"])
def test_html_without_a_picture(path):
    faces = replace(some_faces(1), path=path)
    assert faces._repr_html_() == f"<pre>{faces!r}</pre>"
    assert faces[0].path == path
