"""Draw faces into a picture: boxes, landmarks and small labels, in sizes that suit the face and the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landmarks.drawing.labels import DOUBTFUL, draw_labels
from landmarks.drawing.strokes import (
    FRACTION_BITS,
    GREY,
    INK,
    LEFT,
    LINE,
    MIDDLE,
    PAPER,
    RIGHT,
    Colour,
    accent,
    dashes,
    fixed,
    quarter_turn,
    shorten,
    stroke,
    text_width,
    write,
)
from landmarks.faces import Faces
from landmarks.geometry import face_squares
from landmarks.schemes import Scheme

DIM, DISC = 0.55, 0.3
"""How much of the picture doubtful faces cover, and the discs of expected errors."""
LARGEST_ERROR = 0.12
"""Of an expected error as it is drawn, as a share of the face size: larger ones would hide the face."""


@dataclass(frozen=True)
class Style:
    """What is drawn, and how."""

    box: bool = True
    """The corners of the face box."""
    points: bool = True
    """The landmarks inside the image, as dots; the 68 are joined by lines. Around a dot lies a disc as large as its
    expected error."""
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

    Points and boxes that are NaN or outside the image are left out. Faces of a quality below DOUBTFUL are dim, their
    lines and boxes dashed.
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
    doubtful = _doubtful(faces)
    radii = _error_radii(points, faces)
    layer = canvas.copy() if doubtful.any() else canvas  # Doubtful faces lie below the others, and shine through.
    for i in np.argsort(~doubtful, kind="stable").tolist():
        if layer is not canvas and not doubtful[i]:
            layer = _blend(canvas, layer)
        tint = accent(i, len(faces))
        if style.box:
            _draw_box(layer, boxes[i], units[i], tint, doubtful[i])
        if style.points:
            colour = tint if style.colour_by == "face" else None
            _draw_points(layer, points[i], radii[i], faces.scheme, units[i], colour, doubtful[i])
        if style.names:
            _draw_names(layer, points[i], faces.scheme, units[i], sizes[i])
    _blend(canvas, layer)
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


def _doubtful(faces: Faces) -> np.ndarray:
    """(N,) bool: the faces that are not to be trusted; none where nothing says so."""
    if faces.quality is None:
        return np.zeros(len(faces), bool)
    return faces.quality < DOUBTFUL


def _error_radii(points: np.ndarray, faces: Faces) -> np.ndarray:
    """Expected errors in pixels, at most LARGEST_ERROR of the face size. points: (N, K, 2) -> (N, K); 0: not known."""
    if faces.point_errors is None:
        return np.zeros(points.shape[:2])
    size = face_squares(points, faces.scheme, 1.0)[:, 2]
    return np.nan_to_num(np.minimum(faces.point_errors, LARGEST_ERROR) * size[:, None])


def _blend(canvas: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """Let a layer of doubtful faces shine through on the canvas, in place; returns the canvas."""
    if layer is not canvas:
        cv2.addWeighted(layer, DIM, canvas, 1 - DIM, 0, dst=canvas)
    return canvas


def _draw_box(canvas: np.ndarray, box: np.ndarray, unit: float, colour: Colour, dashed: bool) -> None:
    """Rounded corner brackets on a dark outline, or a dashed rectangle. box: (4,) x0 y0 x1 y1."""
    height, width = canvas.shape[:2]
    edge = 1.5 * unit
    x0, y0, x1, y1 = np.clip(box, edge, np.array([width, height, width, height]) - 1 - edge)
    length = 0.18 * min(x1 - x0, y1 - y0)
    if length < 3 * unit:
        return
    if dashed:
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
        for pen, breadth in ((INK, 2.4 * unit), (colour, unit)):
            dashes(canvas, corners, breadth, pen, max(5 * unit, length / 3))
        return
    for pen, breadth, reach in ((INK, 2.4 * unit, length + 0.7 * unit), (colour, unit, length)):
        bracket = np.concatenate([[[0, reach]], 0.4 * length * quarter_turn(), [[reach, 0]]])
        for x, inward in ((x0, 1), (x1, -1)):
            for y, down in ((y0, 1), (y1, -1)):
                stroke(canvas, bracket * [inward, down] + [x, y], breadth, pen)


def _draw_points(
    canvas: np.ndarray,
    points: np.ndarray,
    radii: np.ndarray,
    scheme: Scheme,
    unit: float,
    colour: Colour | None,
    dashed: bool,
) -> None:
    """Dots inside the image, on the lines that join them, in discs of their expected errors. points: (K, 2); radii:
    (K,) pixels; colour: None for the colours of the sides."""
    height, width = canvas.shape[:2]
    # Not where it is NaN.
    inside = np.all((points >= -0.5) & (points <= np.array([width, height]) - 0.5), axis=1)
    radius, ring = (1.0, 0.4) if _dense(scheme) else (1.9, 0.7)
    radius, ring = max(radius * unit, 0.7), max(ring * unit, 0.4)
    fills = np.array([colour] * len(scheme) if colour else _side_colours(scheme), np.float32)
    wide = inside & (radii > radius + ring)
    _draw_discs(canvas, points[wide], radii[wide], fills[wide])
    for chain in scheme.chains:
        for line in _runs(np.array(chain), inside):
            draw_line = dashes if dashed else stroke
            draw_line(canvas, points[line], 0.5 * unit, colour or LINE)
    _draw_dots(canvas, points[inside], fills[inside], radius, ring)


def _runs(chain: np.ndarray, inside: np.ndarray) -> list[np.ndarray]:
    """The parts of a chain of landmarks, at least two long, that lie inside the image."""
    breaks = np.flatnonzero(~inside[chain])
    return [
        part for part in np.split(chain, np.unique([*breaks, *(breaks + 1)])) if len(part) > 1 and inside[part].all()
    ]


def _draw_discs(canvas: np.ndarray, points: np.ndarray, radii: np.ndarray, fills: np.ndarray) -> None:
    """Discs that the picture shines through. points: (M, 2), radii: (M,) pixels, fills: (M, 3) colours."""
    if not len(points):
        return
    low = np.maximum(np.floor((points - radii[:, None]).min(axis=0)).astype(int) - 1, 0)
    high = np.ceil((points + radii[:, None]).max(axis=0)).astype(int) + 2
    patch = canvas[low[1] : high[1], low[0] : high[0]]
    layer = patch.copy()
    for place, radius, fill in zip(fixed(points - low).tolist(), fixed(radii).tolist(), fills.tolist()):
        cv2.circle(layer, place, radius, fill, -1, cv2.LINE_AA, FRACTION_BITS)
    cv2.addWeighted(layer, DISC, patch, 1 - DISC, 0, dst=layer)
    patch[:] = layer


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
