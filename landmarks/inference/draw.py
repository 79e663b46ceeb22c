"""Draw faces into a picture: boxes, landmarks and small labels, in sizes that suit the face and the picture."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from landmarks.faces import Faces
from landmarks.schemes import POINTS_5, POINTS_68, Scheme

Colour = tuple[int, int, int]
# Hues that colour-blind people tell apart (after Okabe and Ito), brightened to stand out on any skin.
LEFT, MIDDLE, RIGHT = (255, 150, 30), (255, 255, 255), (70, 160, 255)
FACE_COLOURS = ((245, 230, 70), (30, 205, 150), (240, 140, 200), (140, 225, 245), (235, 95, 60), (185, 160, 255))
INK, GREY, LINE, PAPER = (18, 20, 24), (178, 184, 192), (218, 223, 228), (255, 255, 255)

CHAINS: dict[str, tuple[tuple[int, ...], ...]] = {
    POINTS_5.name: (),
    POINTS_68.name: (
        (*range(17),),  # jaw
        *((*range(17, 22),), (*range(22, 27),)),  # brows
        *((*range(27, 31),), (*range(31, 36),)),  # bridge and base of the nose
        *((36, 37, 38, 39), (39, 40, 41, 36), (42, 43, 44, 45), (45, 46, 47, 42)),  # upper and lower lid of each eye
        *((*range(48, 55),), (*range(54, 60), 48), (*range(60, 65),), (*range(64, 68), 60)),  # upper and lower lip
    ),
}
"""By scheme: the landmarks that lines join."""

LEFT_POINTS: dict[str, frozenset[int]] = {
    POINTS_5.name: frozenset({0, 3}),
    POINTS_68.name: frozenset({*range(8), *range(17, 22), 31, 32, *range(36, 42), *range(48, 51), 58, 59, 60, 61, 67}),
}
"""By scheme: the landmarks on the left of an upright face; `scheme.swap` leads to those on the right."""

UNREMARKABLE = {"frontal", "not smiling", "no glasses"}
"""Attribute labels that are not worth a word in the picture."""
WORDING = {"left": "looking left", "right": "looking right"}

FRACTION_BITS = 5
"""Binary places of the coordinates given to OpenCV."""


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
    """What is remarkable about the face and the detector's score; shortened or left out where there is no room."""
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
        accent = _accent(i, len(faces))
        if style.box:
            _draw_box(canvas, boxes[i], units[i], accent)
        if style.points:
            _draw_points(canvas, points[i], faces.scheme, units[i], accent if style.colour_by == "face" else None)
        if style.names:
            _draw_names(canvas, points[i], faces.scheme, units[i], sizes[i])
    if style.label:
        _draw_labels(canvas, faces, anchors, boxes, sizes, style.scale)
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
            caption = _shorten(captions[i], text, cell)
            _write(sheet, caption, left + (cell - _text_width(caption, text)) / 2, y + height + 1.4 * text, text, GREY)
    return sheet


def _accent(index: int, count: int) -> Colour:
    """What tells a face's box and label from those of others, if there are any."""
    return FACE_COLOURS[index % len(FACE_COLOURS)] if count > 1 else PAPER


def _dense(scheme: Scheme) -> bool:
    return len(scheme) > 20


def _face_sizes(anchors: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """About the height of each face in pixels. anchors: (N, 4, 2), boxes: (N, 4) -> (N,).

    From the span of eyes and mouth, which depends neither on the scheme nor on the source of the boxes; from the
    box where those points are missing.
    """
    left_eye, right_eye, mouth_left, mouth_right = np.moveaxis(anchors, 1, 0)
    across = np.linalg.norm(right_eye - left_eye, axis=1)
    down = np.linalg.norm(mouth_left + mouth_right - left_eye - right_eye, axis=1) / 2
    sizes = 2.3 * np.maximum(across, down)
    of_boxes = np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1))
    return np.nan_to_num(np.where(np.isnan(sizes), of_boxes, sizes))


def _fixed(path: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV takes fractions of them: int32 with `FRACTION_BITS` binary places."""
    return np.round(path * 2**FRACTION_BITS).astype(np.int32)


def _stroke(canvas: np.ndarray, path: np.ndarray, width: float, colour: Colour) -> None:
    """An open line through path (M, 2), M > 1; all in pixels. OpenCV draws none thinner than 1.4."""
    half = (width - 1.4) / 2
    if half < 0.25:
        cv2.polylines(canvas, [_fixed(path)], False, colour, 1, cv2.LINE_AA, FRACTION_BITS)
        return
    # A polygon, because OpenCV's thick smooth lines are wider than asked for. Its soft edge adds 0.7 on each side.
    along = np.gradient(path, axis=0)
    along *= half / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = along[:, ::-1] * [-1, 1]
    outline = np.concatenate([path + across, (path - across)[::-1]])
    cv2.fillPoly(canvas, [_fixed(outline)], colour, cv2.LINE_AA, FRACTION_BITS)


def _draw_box(canvas: np.ndarray, box: np.ndarray, unit: float, colour: Colour) -> None:
    """Rounded corner brackets on a dark outline. box: (4,) x0 y0 x1 y1."""
    height, width = canvas.shape[:2]
    edge = 1.5 * unit
    x0, y0, x1, y1 = np.clip(box, edge, np.array([width, height, width, height]) - 1 - edge)
    length = 0.18 * min(x1 - x0, y1 - y0)
    if length < 3 * unit:
        return
    for pen, stroke, reach in ((INK, 2.4 * unit, length + 0.7 * unit), (colour, unit, length)):
        bracket = np.concatenate([[[0, reach]], 0.4 * length * _quarter_turn(), [[reach, 0]]])
        for x, inward in ((x0, 1), (x1, -1)):
            for y, down in ((y0, 1), (y1, -1)):
                _stroke(canvas, bracket * [inward, down] + [x, y], stroke, pen)


@lru_cache
def _quarter_turn() -> np.ndarray:
    """(8, 2): the arc of radius 1 from (0, 1) to (1, 0) that rounds off the corner (0, 0)."""
    angle = np.linspace(0, np.pi / 2, 8)
    return 1 - np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _draw_points(canvas: np.ndarray, points: np.ndarray, scheme: Scheme, unit: float, colour: Colour | None) -> None:
    """Dots, on the lines that join them. points: (K, 2); colour: None for the colours of the sides."""
    height, width = canvas.shape[:2]
    # Drops NaN and what would not fit OpenCV's 32 bits.
    near = (np.abs(points - [width / 2, height / 2]) < 2 * max(width, height)).all(axis=1)
    for chain in map(list, CHAINS.get(scheme.name, ())):
        if near[chain].all():
            _stroke(canvas, points[chain], 0.5 * unit, colour or LINE)
    radius, ring = (1.0, 0.4) if _dense(scheme) else (1.9, 0.7)
    fills = np.array([colour] * len(scheme) if colour else _side_colours(scheme), np.float32)
    _draw_dots(canvas, points[near], fills[near], max(radius * unit, 0.7), max(ring * unit, 0.4))


@lru_cache
def _side_colours(scheme: Scheme) -> tuple[Colour, ...]:
    """(K,): the colour of each landmark by its side of the face."""
    left = LEFT_POINTS.get(scheme.name, ())
    return tuple(LEFT if i in left else RIGHT if scheme.swap[i] in left else MIDDLE for i in range(len(scheme)))


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


_thread = threading.local()
"""Holds a font for each thread: an OpenCV font keeps its last weight and size, and breaks when threads share it."""


def _font() -> cv2.FontFace | None:
    """The font inside OpenCV 5, so there is no file to ship or find; OpenCV 4 has plotter letters only."""
    if not hasattr(_thread, "font"):
        _thread.font = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
    return _thread.font


@lru_cache(maxsize=10_000)
def _text_width(text: str, size: int, weight: int = 400) -> int:
    """Width of a line of text in pixels. size: em in pixels; weight: 400 regular, 500 medium."""
    font = _font()
    if font is None:
        return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 30, 1 + size // 30)[0][0]
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)
    return x + width


def _write(
    canvas: np.ndarray | None, text: str, x: float, y: float, size: int, colour: Colour, weight: int = 400
) -> float:
    """A line of text whose baseline starts at x, y; only measured where there is no canvas. Returns its right end."""
    if canvas is not None and text:
        start, font = (round(x), round(y)), _font()
        if font is None:
            plotter = cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(canvas, text, start, plotter, size / 30, colour, 1 + size // 30, cv2.LINE_AA)
        else:
            cv2.putText(canvas, text, start, colour, font, size, weight)
    return x + _text_width(text, size, weight) if text else x


def _shorten(text: str, size: int, room: float) -> str:
    """The text without its middle, where it is wider than `room` pixels: file names differ at their ends."""
    short, kept = text, len(text)
    while kept and _text_width(short, size) > room:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
    return short


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
        room, away = _text_width(text, size, 500), 2.5 * unit + 0.3 * size
        left = np.clip(x - away - room if side == LEFT else x + away, 1, max(1, width - 1 - room))
        halo = max(1, size / 14)
        for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            _write(canvas, text, left + halo * dx, y + 0.35 * size + halo * dy, size, INK, 500)
        _write(canvas, text, left, y + 0.35 * size, size, PAPER, 500)


Line = list[tuple[str, str]]
"""A line of a label: words, each with a number or without."""


def _draw_labels(
    canvas: np.ndarray, faces: Faces, anchors: np.ndarray, boxes: np.ndarray, sizes: np.ndarray, scale: float
) -> None:
    """Each face's label, where it covers least and says most. anchors: (N, 4, 2); boxes: (N, 4) inside the image."""
    height, width = canvas.shape[:2]
    margins = 0.25 * sizes[:, None]
    cores = np.concatenate([anchors.min(axis=1) - margins, anchors.max(axis=1) + margins], axis=1)
    cores = np.where(np.isnan(cores), boxes, cores)
    taken = np.zeros((0, 4))
    for i, (words, score, box, size) in enumerate(zip(_words(faces), faces.scores, boxes, sizes)):
        text = max(7, round(scale * max(10, np.clip(0.014 * max(height, width), 0.03 * size, 0.12 * size))))
        numbers = [("", f"{score:.2f}")] if np.isfinite(score) else []
        room = np.minimum([1.9, 0.9] * (box[2:] - box[:2]), [width - 2, height - 2])  # no room where there is no box
        least, best = 1.3, None
        for rank, lines in enumerate(_layouts(words, numbers, text, box[2] - box[0])):
            plate = np.array([max(_write_line(None, line, 0, 0, text) for line in lines), 1.4 * len(lines) * text])
            plate += [1.25 * text, 0.4 * text]
            if (plate > room).any() or plate.prod() > 0.12 * height * width:
                continue
            spots = _spots(plate, box, 0.4 * text, height, width)
            cost = 10 * _covered(spots, taken) + 2 * _covered(spots, cores) + 0.5 * _covered(spots, boxes)
            cost += 0.05 * rank + 0.02 * np.arange(len(spots))
            if cost.min() < least:
                least, best = cost.min(), (lines, spots[cost.argmin()])
            if least < 0.05 * (rank + 1):  # no shorter label can do better
                break
        if best is not None:
            _draw_plate(canvas, *best, text, _accent(i, len(faces)))
            taken = np.concatenate([taken, best[1][None]])


def _words(faces: Faces) -> list[Line]:
    """What is remarkable about each face, with its probability."""
    words: list[Line] = [[] for _ in range(len(faces))]
    for scores in faces.attributes.values():
        for line, label, confidence in zip(words, scores.labels, scores.confidence):
            if label not in UNREMARKABLE and np.isfinite(confidence):
                line.append((WORDING.get(label, label), f"{100 * confidence:.0f}%"))
    return words


def _layouts(words: Line, score: Line, text: int, room: float) -> Iterator[list[Line]]:
    """Ways to write a label, the fullest first: each in one line, then in lines of about `room` pixels."""
    bare = [(word, "") for word, _ in words]
    for items in filter(None, (words + score, words, bare, bare[:2], bare[:1])):
        yield [items]
        lines: list[Line] = [[]]
        for item in items:
            if lines[-1] and _write_line(None, [*lines[-1], item], 0, 0, text) + text > room:
                lines.append([])
            lines[-1].append(item)
        if all(line[0][0] for line in lines):  # a score does not stand alone
            yield lines


def _spots(plate: np.ndarray, box: np.ndarray, gap: float, height: int, width: int) -> np.ndarray:
    """Where a label may stand, best first: above the box, below, beside, inside. plate: (2,) w, h -> (C, 4)."""
    (w, h), (x0, y0, x1, y1) = plate, box
    xs = (x0, (x0 + x1 - w) / 2, x1 - w)
    outside = [(x, y) for y in (y0 - gap - h, y1 + gap) for x in xs]
    beside = [(x, y) for x in (x1 + gap, x0 - gap - w) for y in (y0, y1 - h)]
    inside = [(x, y) for y in (y1 - gap - h, y0 + gap) for x in xs]
    corners = np.clip(np.round([*outside, *beside, *inside]), 1, np.floor([width - 1 - w, height - 1 - h]))
    return np.concatenate([corners, corners + plate], axis=1)


def _covered(spots: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The share of each spot (C, 4) that others (M, 4) cover, added up over the others -> (C,)."""
    low = np.maximum(spots[:, None, :2], others[None, :, :2])
    high = np.minimum(spots[:, None, 2:], others[None, :, 2:])
    areas = (spots[:, 2:] - spots[:, :2]).prod(axis=1)
    return np.maximum(high - low, 0).prod(axis=2).sum(axis=1) / areas


def _draw_plate(canvas: np.ndarray, lines: list[Line], spot: np.ndarray, text: int, accent: Colour) -> None:
    """A label: light words and grey numbers on a dark plate that lets the picture through. spot: (4,) x0 y0 x1 y1."""
    x0, y0, x1, y1 = np.round(spot).astype(int).tolist()
    patch = canvas[y0:y1, x0:x1]
    plate = patch.copy()
    right, bottom, turn = x1 - x0 - 1, y1 - y0 - 1, 0.35 * text * _quarter_turn()
    arcs = (turn, ([right, 0] + turn * [-1, 1])[::-1], [right, bottom] - turn, ([0, bottom] + turn * [1, -1])[::-1])
    outline = np.concatenate(arcs)
    for fill, reach in ((INK, right), (INK if accent == PAPER else accent, 0.25 * text)):
        path = _fixed(np.minimum(outline, [reach, bottom]))
        cv2.fillPoly(plate, [path], fill, cv2.LINE_AA, FRACTION_BITS)
    patch[:] = cv2.addWeighted(plate, 0.78, patch, 0.22, 0)
    for i, line in enumerate(lines):
        _write_line(canvas, line, x0 + 0.75 * text, y0 + (1.4 * i + 1.25) * text, text)


def _write_line(canvas: np.ndarray | None, line: Line, x: float, y: float, text: int) -> float:
    """Write a line of a label, or only measure it where there is no canvas; returns its right end."""
    for i, (word, number) in enumerate(line):
        x += 0.7 * text if i else 0
        x = _write(canvas, word, x, y, text, PAPER, 500)
        x += 0.3 * text if word and number else 0
        x = _write(canvas, number, x, y, text, GREY)
    return x
