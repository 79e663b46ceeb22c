"""Faces as notebooks show them: the picture with the faces drawn into it, and a line a face."""

from __future__ import annotations

import base64
import html as markup
import sys

import cv2
import numpy as np

from landmarks import images
from landmarks.drawing.draw import draw
from landmarks.errors import LandmarksError
from landmarks.faces import Faces

MOST_SIDE = 800
"""Pixels of the longer side of a picture in a notebook, which keeps a copy of it."""


def picture(faces: Faces, image: np.ndarray | None = None) -> np.ndarray:
    """The image with the faces: (H, W, 3) uint8 RGB. See `Faces.show`."""
    if image is None:
        if faces.path is None:
            raise LandmarksError("these faces do not know their image; give it: faces.show(image)")
        image = images.read(faces.path).pixels
    return draw(image, faces)


def show(faces: Faces, image: np.ndarray | None = None) -> None:
    """See `Faces.show`."""
    from PIL import Image

    drawn = Image.fromarray(picture(faces, image))
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        sys.modules["IPython"].display.display(drawn)
    else:
        drawn.show()


def html(faces: Faces) -> str:
    """An HTML fragment that needs no other file. Without the picture where there is none."""
    lines = f"<pre>{markup.escape(repr(faces))}</pre>"
    try:
        drawn = picture(faces)
    except LandmarksError:
        return lines
    scale = min(1.0, MOST_SIDE / max(drawn.shape[:2]))
    small = cv2.resize(drawn, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else drawn
    data = base64.b64encode(cv2.imencode(".jpg", small[..., ::-1])[1].tobytes()).decode()
    return f'<img alt="the image with its faces" src="data:image/jpeg;base64,{data}">{lines}'
