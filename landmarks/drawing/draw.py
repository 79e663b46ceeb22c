"""Draw faces into a picture: boxes, landmarks and small labels, in sizes that suit the face and the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landmarks.drawing.labels import draw_labels
from landmarks.drawing.strokes import (
    GREY,
    INK,
    LEFT,
    LINE,
    MIDDLE,
    PAPER,
    RIGHT,
    Colour,
    accent,
    quarter_turn,
    shorten,
    stroke,
    text_width,
    write,
)
from landmarks.faces import Faces
from landmarks.schemes import Scheme


@dataclass(frozen=True)
class Style:
    """What is drawn, and how."""

    box: bool = True
    """The corners of the face box."""
    points: bool = True
    """The landmarks, as dots; the 68 are joined by lines."""
    names: bool = False
    """Each landmark's name, or its number among 68, where the face is large enough to read it."""
    label: bool = True
    """What is remarkable about the face, and its quality or else the detector's score; shorter or left out where there
    is no room."""
    gender: bool = False
    """Whether labels tell the gender, which errs, and in some groups more than in others."""
    colour_by: str = "side"
    """`side`: landmarks on the left are orange, on the right blue, between them white; `face`: a colour a face."""
    scale: float = 1.0
    """Factor on the size of dots, lines and text."""

    def __post_init__(self) -> None:
        if self.colour_by not in ("side", "face"):
            raise ValueError(f"colour_by must be side or face, not {self.colour_by!r}")
        if not 0.1 <= self.scale <= 10:
            raise ValueError(f"scale must be between 0.1 and 10, not {self.scale}")


def draw(image: np.ndarray, faces: Faces, style: Style = Style()) -> np.ndarray:
    """A copy of the image with the faces drawn into it. image: (H, W, 3) uint8 RGB -> the same shape.

    Points and boxes that are NaN or outside the image are left out.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
    canvas = np.array(image, order="C")
    if not len(faces) or not canvas.size:
        return canvas
    height, width = canvas.shape[:2]
    points = np.where(np.isfinite(faces.points), faces.points, np.nan).astype(np.float64)
    boxes = np.clip(faces.boxes.astype(np.float64), -0.5, np.array([width, height, width, height]) - 0.5)
    boxes[np.isnan(boxes).any(axis=1)] = 0
    anchors = faces.scheme.anchors(points)
    sizes = np.minimum(_face_sizes(anchors, boxes), 2 * max(height, width))
    # Strokes suit both the face and the picture, and do not drown a small face.
    units = np.minimum(np.sqrt(sizes * max(height, width)) / 270, sizes / 45)
    units = style.scale * np.maximum(units, 0.85)
    for i in range(len(faces)):
        tint = accent(i, len(faces))
        if style.box:
            _draw_box(canvas, boxes[i], units[i], tint)
        if style.points:
            _draw_points(canvas, points[i], faces.scheme, units[i], tint if style.colour_by == "face" else None)
        if style.names:
            _draw_names(canvas, points[i], faces.scheme, units[i], sizes[i])
    if style.label:
        draw_labels(canvas, faces, anchors, boxes, sizes, style.scale, style.gender)
    return canvas


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = 6, cell: int = 256, captions: Sequence[str] | None = None
) -> np.ndarray:
    """Pictures side by side, to look through many at once. images: (h, w, 3) uint8 each -> (H, W, 3) uint8.

    Each is scaled to fit a square of `cell` pixels, its shape kept, with a line of caption below. The sheet is
    always `columns` cells wide.
    """
    if columns < 1 or cell < 8:
        raise ValueError(f"a sheet needs at least one column and cells of 8 pixels, not {columns} and {cell}")
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"{len(images)} images need as many captions, not {len(captions)}")
    gap, text = max(2, cell // 24), max(10, cell // 22)
    row = cell + gap + (0 if captions is None else 2 * text)
    sheet = np.empty((math.ceil(len(images) / columns) * row + gap, columns * (cell + gap) + gap, 3), np.uint8)
    sheet[:] = INK
    for i, image in enumerate(images):
        left, top = gap + i % columns * (cell + gap), gap + i // columns * row
        zoom = cell / max(*image.shape[:2], 1)
        height, width = (max(1, round(side * zoom)) for side in image.shape[:2])
        x, y = left + (cell - width) // 2, top + (cell - height) // 2
        if image.size:
            how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
            sheet[y : y + height, x : x + width] = cv2.resize(image, (width, height), interpolation=how)
        if captions is not None:
            caption = shorten(captions[i], text, cell)
            write(sheet, caption, left + (cell - text_width(caption, text)) / 2, y + height + 1.4 * text, text, GREY)
    return sheet


def _dense(scheme: Scheme) -> bool:
    return len(scheme) > 20


def _face_sizes(anchors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """About the height of each face in pixels. anchors: (N, 5, 2), boxes: (N, 4) -> (N,).

    From the span of eyes and mouth, which depends neither on the scheme nor on the source of the boxes; from the
    box where those points are missing.
    """
    left_eye, right_eye, _, mouth_left, mouth_right = np.moveaxis(anchors, 1, 0)
    across = np.linalg.norm(right_eye - left_eye, axis=1)
    down = np.linalg.norm(mouth_left + mouth_right - left_eye - right_eye, axis=1) / 2
    sizes = 2.3 * np.maximum(across, down)
    of_boxes = np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1))
    return np.nan_to_num(np.where(np.isnan(sizes), of_boxes, sizes))


def _draw_box(canvas: np.ndarray, box: np.ndarray, unit: float, colour: Colour) -> None:
    """Rounded corner brackets on a dark outline. box: (4,) x0 y0 x1 y1."""
    height, width = canvas.shape[:2]
    edge = 1.5 * unit
    x0, y0, x1, y1 = np.clip(box, edge, np.array([width, height, width, height]) - 1 - edge)
    length = 0.18 * min(x1 - x0, y1 - y0)
    if length < 3 * unit:
        return
    for pen, breadth, reach in ((INK, 2.4 * unit, length + 0.7 * unit), (colour, unit, length)):
        bracket = np.concatenate([[[0, reach]], 0.4 * length * quarter_turn(), [[reach, 0]]])
        for x, inward in ((x0, 1), (x1, -1)):
            for y, down in ((y0, 1), (y1, -1)):
                stroke(canvas, bracket * [inward, down] + [x, y], breadth, pen)


def _draw_points(canvas: np.ndarray, points: np.ndarray, scheme: Scheme, unit: float, colour: Colour | None) -> None:
    """Dots, on the lines that join them. points: (K, 2); colour: None for the colours of the sides."""
    height, width = canvas.shape[:2]
    # Drops NaN and what would not fit OpenCV's 32 bits.
    near = (np.abs(points - [width / 2, height / 2]) < 2 * max(width, height)).all(axis=1)
    for chain in map(list, scheme.chains):
        if near[chain].all():
            stroke(canvas, points[chain], 0.5 * unit, colour or LINE)
    radius, ring = (1.0, 0.4) if _dense(scheme) else (1.9, 0.7)
    fills = np.array([colour] * len(scheme) if colour else _side_colours(scheme), np.float32)
    _draw_dots(canvas, points[near], fills[near], max(radius * unit, 0.7), max(ring * unit, 0.4))


@lru_cache
def _side_colours(scheme: Scheme) -> tuple[Colour, ...]:
    """(K,): the colour of each landmark by its side of the face."""
    sides = {i: LEFT for i in scheme.left} | {scheme.swap[i]: RIGHT for i in scheme.left}
    return tuple(sides.get(i, MIDDLE) for i in range(len(scheme)))


def _draw_dots(canvas: np.ndarray, points: np.ndarray, fills: np.ndarray, radius: float, ring: float) -> None:
    """Discs in dark rings, true to a fraction of a pixel as OpenCV's small circles are not.

    points: (K, 2) near the image; fills: (K, 3) colours; radius, ring: pixels.
    """
    reach = math.ceil(radius + ring + 1)
    corners = np.floor(points).astype(int) - reach  # (K, 2): the first pixel of each dot's patch
    offsets = corners[:, :, None] + np.arange(2 * reach + 2) - points[:, :, None]  # (K, 2, P)
    distances = np.hypot(offsets[:, 0, None, :], offsets[:, 1, :, None])[..., None].astype(np.float32)  # (K, P, P, 1)
    covers = np.clip(radius + ring + 0.5 - distances, 0, 1)
    ink = np.array(INK, np.float32)
    colours = ink + np.clip(radius + 0.5 - distances, 0, 1) * (fills[:, None, None] - ink)  # (K, P, P, 3)
    for (x, y), cover, colour in zip(corners.tolist(), covers, colours):
        patch = canvas[max(0, y) : max(0, y + len(cover)), max(0, x) : max(0, x + len(cover))]
        rows, columns = slice(max(0, -y), max(0, -y) + len(patch)), slice(max(0, -x), max(0, -x) + patch.shape[1])
        if patch.size:
            patch[:] = patch + cover[rows, columns] * (colour[rows, columns] - patch) + 0.5


def _draw_names(canvas: np.ndarray, points: np.ndarray, scheme: Scheme, unit: float, face_size: float) -> None:
    """Names beside the dots, those of the left to the left; light letters in a dark halo. points: (K, 2)."""
    height, width = canvas.shape[:2]
    size = round(min((0.026 if _dense(scheme) else 0.065) * face_size, 8 * unit))
    if size < 7:
        return
    for (x, y), name, side in zip(points, scheme.points, _side_colours(scheme)):
        if not (0 <= x < width and 0 <= y < height):  # nor where it is NaN
            continue
        text = name.removeprefix("point_").replace("_", " ")
        room, away = text_width(text, size, 500), 2.5 * unit + 0.3 * size
        left = np.clip(x - away - room if side == LEFT else x + away, 1, max(1, width - 1 - room))
        halo = max(1, size / 14)
        for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            write(canvas, text, left + halo * dx, y + 0.35 * size + halo * dy, size, INK, 500)
        write(canvas, text, left, y + 0.35 * size, size, PAPER, 500)
