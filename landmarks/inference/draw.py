"""Draw faces into a picture: boxes, landmarks and a small label, in sizes that suit the face and the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landmarks.faces import Faces
from landmarks.schemes import POINTS_5, POINTS_68, Scheme

# Colours that colour-blind people tell apart (after Okabe and Ito), brightened to stand out on skin.
LEFT, MIDDLE, RIGHT = (255, 150, 30), (255, 255, 255), (70, 160, 255)
FACE_COLOURS = ((86, 190, 245), (255, 165, 20), (30, 200, 150), (245, 230, 70), (230, 140, 195), (235, 110, 50))
INK, PAPER, DIM = (18, 20, 24), (255, 255, 255), (178, 184, 192)

PARTS: dict[str, tuple[tuple[int, ...], ...]] = {
    POINTS_5.name: (),
    POINTS_68.name: (
        tuple(range(17)),  # jaw
        tuple(range(17, 22)),  # brows
        tuple(range(22, 27)),
        tuple(range(27, 31)),  # bridge and wings of the nose
        tuple(range(31, 36)),
        (*range(36, 42), 36),  # eyes
        (*range(42, 48), 42),
        (*range(48, 60), 48),  # lips
        (*range(60, 68), 60),
    ),
}
"""By scheme: the runs of landmarks that a line connects."""

LEFT_POINTS: dict[str, frozenset[int]] = {
    POINTS_5.name: frozenset({0, 3}),
    POINTS_68.name: frozenset({*range(8), *range(17, 22), 31, 32, *range(36, 42), *range(48, 51), 58, 59, 60, 61, 67}),
}
"""By scheme: the landmarks on the image's left of an upright face; `scheme.swap` gives those on the right."""

UNREMARKABLE = {"frontal", "not smiling", "no glasses"}
"""Labels that are not worth a word in the picture."""
WORDING = {"left": "looking left", "right": "looking right"}

_SUBPIXEL = 5
"""Fractional bits of the coordinates given to OpenCV."""


@dataclass(frozen=True)
class Style:
    """What is drawn, and how."""

    box: bool = True
    """The corners of the face box."""
    points: bool = True
    """The landmarks, as dots; the 68 also as lines along jaw, brows, nose, eyes and lips."""
    names: bool = False
    """The name of each landmark beside its dot, or its number among 68; left out where it would be too small to read."""
    label: bool = True
    """A plate with what is remarkable about the face; shortened or left out where there is no room."""
    colour_by: str = "side"
    """`side`: the face's landmarks are orange on the image's left, blue on its right; `face`: a colour a face."""
    scale: float = 1.0
    """Factor on the sizes of dots, lines and text."""

    def __post_init__(self) -> None:
        if self.colour_by not in ("side", "face"):
            raise ValueError(f"colour_by must be side or face, not {self.colour_by!r}")
        if not 0 < self.scale < math.inf:
            raise ValueError(f"scale must be positive, not {self.scale}")


def draw(image: np.ndarray, faces: Faces, style: Style = Style()) -> np.ndarray:
    """A copy of the image with the faces drawn into it. image: (H, W, 3) uint8 RGB -> the same shape.

    Points that are NaN or outside the image are left out.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    canvas = np.array(image, order="C")
    if not len(faces) or not canvas.size:
        return canvas
    height, width = canvas.shape[:2]
    points = faces.points.astype(np.float64)
    sizes, boxes = _face_sizes(points, faces), _visible_boxes(points, faces, width, height)
    long_side = max(width, height)
    for i in range(len(faces)):
        colour = FACE_COLOURS[i % len(FACE_COLOURS)]
        # The stroke suits the whole picture, but neither drowns a small face nor gets lost on a large one.
        finest = 75 if len(faces.scheme) == 5 else 110
        unit = style.scale * max(np.clip(long_side / 900, sizes[i] / 250, sizes[i] / finest), 0.6)
        if style.box and np.isfinite(boxes[i]).all():
            _draw_box(canvas, boxes[i], unit, PAPER if style.colour_by == "side" else colour)
        if style.points:
            _draw_points(canvas, points[i], faces.scheme, unit, None if style.colour_by == "side" else colour)
        if style.names:
            _draw_names(canvas, points[i], faces.scheme, unit, sizes[i])
    if style.label:
        _draw_labels(canvas, points, faces, boxes, sizes, style)
    return canvas


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = 6, cell: int = 256, captions: Sequence[str] | None = None
) -> np.ndarray:
    """Pictures side by side, to look through many at once. images: (h, w, 3) uint8 each -> (H, W, 3) uint8.

    Each is scaled to fit a square of `cell` pixels, its shape kept; a caption of one line stands below it.
    The sheet is always `columns` cells wide.
    """
    if columns < 1 or cell < 8:
        raise ValueError(f"a sheet needs at least one column and cells of 8 pixels, not {columns} and {cell}")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(images)} images need as many captions, not {len(captions)}")
    gap, text = max(2, cell // 24), max(10, cell / 16)
    pitch = cell + gap + (0 if captions is None else round(1.6 * text))
    rows = math.ceil(len(images) / columns)
    sheet = np.empty((rows * pitch + gap, columns * (cell + gap) + gap, 3), np.uint8)
    sheet[:] = INK
    for i, image in enumerate(images):
        left, top = gap + i % columns * (cell + gap), gap + i // columns * pitch
        height, width = image.shape[:2]
        if height and width:
            zoom = cell / max(height, width)
            size = max(1, round(width * zoom)), max(1, round(height * zoom))
            picture = cv2.resize(image, size, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
            x, y = left + (cell - size[0]) // 2, top + (cell - size[1]) // 2
            sheet[y : y + size[1], x : x + size[0]] = picture
        if captions is not None:
            caption = _shorten(captions[i], text, cell)
            x = left + (cell - _text_width(caption, text)) / 2
            _write(sheet, caption, x, top + cell + 1.2 * text, text, DIM)
    return sheet


# Sizes and boxes


def _face_sizes(points: np.ndarray, faces: Faces) -> np.ndarray:
    """Height of each face in pixels, from the span of eyes and mouth, which does not depend on the scheme or on
    who made the box; from the box where points are missing. points: (N, K, 2) -> (N,)."""
    left_eye, right_eye, mouth_left, mouth_right = np.moveaxis(faces.scheme.anchors(points), -2, 0)
    across = np.linalg.norm(right_eye - left_eye, axis=1)
    down = np.linalg.norm(mouth_left + mouth_right - left_eye - right_eye, axis=1) / 2
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2]).astype(np.float64)
    of_box = np.sqrt(np.abs(sides.prod(axis=1)))
    sizes = 2.3 * np.maximum(across, down)
    return np.where(np.isfinite(sizes), sizes, np.where(np.isfinite(of_box), of_box, 0))


def _visible_boxes(points: np.ndarray, faces: Faces, width: int, height: int) -> np.ndarray:
    """The boxes, cut at the image's border; (N, 4), NaN where nothing is left."""
    boxes = faces.boxes.astype(np.float64)
    low, high = np.full(4, -0.5), np.array([width, height, width, height]) - 0.5
    boxes = np.clip(boxes, low, high)
    boxes[(boxes[:, 2] - boxes[:, 0] < 1) | (boxes[:, 3] - boxes[:, 1] < 1)] = np.nan
    return boxes


# Strokes


def _fixed(path: np.ndarray) -> np.ndarray:
    """Coordinates as OpenCV takes them with `shift`. path: (M, 2) pixels -> (M, 2) int32."""
    return np.round(np.asarray(path) * 2**_SUBPIXEL).astype(np.int32)


def _inset(width: float) -> float | None:
    """Half the width of the polygon that OpenCV fills, with its soft edge, as a stroke `width` pixels wide; None
    where that is a plain line."""
    half = (width - 1.4) / 2
    return half if half > 0.25 else None


def _draw_box(canvas: np.ndarray, box: np.ndarray, unit: float, colour: tuple[int, int, int]) -> None:
    """Rounded corner brackets on a dark outline. box: (4,) x0 y0 x1 y1 in pixels."""
    height, width = canvas.shape[:2]
    edge = 1.3 * unit
    x0, y0, x1, y1 = np.clip(box, edge, [width - 1 - edge, height - 1 - edge] * 2)
    length = 0.2 * min(x1 - x0, y1 - y0)
    if length < 2 * unit:
        return
    for pen, stroke, reach in ((INK, 2.6 * unit, length + 0.7 * unit), (colour, 1.2 * unit, length)):
        half = _inset(stroke)
        for left in (True, False):
            for top in (True, False):
                sides = [_bend(reach, 0.4 * length, offset) for offset in ([0] if half is None else [-half, half])]
                for side in sides:
                    side[:, 0] = x0 + side[:, 0] if left else x1 - side[:, 0]
                    side[:, 1] = y0 + side[:, 1] if top else y1 - side[:, 1]
                if half is None:
                    cv2.polylines(canvas, [_fixed(sides[0])], False, pen, 1, cv2.LINE_AA, _SUBPIXEL)
                else:
                    path = np.concatenate([sides[0], sides[1][::-1]])
                    cv2.fillPoly(canvas, [_fixed(path)], pen, cv2.LINE_AA, _SUBPIXEL)
