"""Labels for drawings: what is remarkable about each face, written where it covers least."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from landmarks.drawing.strokes import FRACTION_BITS, GREY, INK, PAPER, Colour, accent, fixed, quarter_turn, write
from landmarks.faces import Faces
from landmarks.schemes import UNCERTAIN

UNREMARKABLE = {"frontal", "not smiling", "no glasses"}
"""Attribute labels that are not worth a word in the picture."""
GENDER = "gender"
WORDING = {"left": "looking left", "right": "looking right"}

DOUBTFUL = 0.5
"""Faces of a lower quality are drawn as such."""
LEAST_ROOM = (9.5, 2.0)
"""Width and height that a label may have however small the face, in sizes of its letters: `quality 20%` in a line."""

Line = list[tuple[str, str]]
"""A line of a label: words, each with a number or without."""


def draw_labels(
    canvas: np.ndarray,
    faces: Faces,
    anchors: np.ndarray,
    boxes: np.ndarray,
    sizes: np.ndarray,
    scale: float,
    gender: bool,
) -> None:
    """Each face's label, where it covers least and says most. anchors: (N, 5, 2); boxes: (N, 4) inside the image;
    gender: whether it is told."""
    height, width = canvas.shape[:2]
    margins = 0.25 * sizes[:, None]
    cores = np.concatenate([anchors.min(axis=1) - margins, anchors.max(axis=1) + margins], axis=1)
    cores = np.where(np.isnan(cores), boxes, cores)
    taken = np.zeros((0, 4))
    doubtful = np.zeros(len(faces), bool) if faces.quality is None else faces.quality < DOUBTFUL
    told = zip(_words(faces, gender), _numbers(faces), doubtful, boxes, sizes)
    for i, (words, numbers, warn, box, size) in enumerate(told):
        text = max(7, round(scale * max(10, np.clip(0.014 * max(height, width), 0.03 * size, 0.12 * size))))
        sides = box[2:] - box[:2]
        room = np.maximum([1.9, 0.9] * sides, np.array(LEAST_ROOM) * text) * (sides > 0).all()
        room = np.minimum(room, [width - 2, height - 2])
        least, best = 1.3, None
        for rank, lines in enumerate(_layouts(words, numbers, warn, text, sides[0])):
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
            _draw_plate(canvas, *best, text, accent(i, len(faces)))
            taken = np.concatenate([taken, best[1][None]])


def _numbers(faces: Faces) -> list[Line]:
    """How good each face's landmarks are expected to be or, without that, how sure the detector is; by name."""
    name, values = ("score", faces.scores) if faces.quality is None else ("quality", faces.quality)
    return [[(name, f"{100 * value:.0f}%")] if np.isfinite(value) else [] for value in values]


def _words(faces: Faces, gender: bool) -> list[Line]:
    """What is remarkable about each face, with its probability; first the number of its track."""
    words: list[Line] = [[] for _ in range(len(faces))]
    for line, track in zip(words, [] if faces.track is None else faces.track):
        if np.isfinite(track):
            line.append((f"#{track:.0f}", ""))
    for name, scores in faces.attributes.items():
        if name == GENDER and not gender:
            continue
        for line, label, confidence in zip(words, scores.labels, scores.confidence):
            if label == UNCERTAIN:
                line.append((f"{name} {label}", ""))
            elif label not in UNREMARKABLE and np.isfinite(confidence):
                line.append((WORDING.get(label, label), f"{100 * confidence:.0f}%"))
    for name, quantity in faces.quantities.items():
        for line, value in zip(words, quantity.values):
            if np.isfinite(value):
                line.append((name, f"{value:.3g} {quantity.quantity.unit}".rstrip()))
    return words


def _layouts(words: Line, numbers: Line, doubtful: bool, text: int, room: float) -> Iterator[list[Line]]:
    """Ways to write a label, the fullest first: each in one line, then in lines of about `room` pixels.

    The number is the first to go, but for a doubtful face the last.
    """
    bare = [(word, "") for word, _ in words]
    shorter = (numbers,) if doubtful else (words, bare, bare[:2], bare[:1])
    for items in filter(None, (words + numbers, *shorter)):
        yield [items]
        lines: list[Line] = [[]]
        for item in items:
            if lines[-1] and _write_line(None, [*lines[-1], item], 0, 0, text) + text > room:
                lines.append([])
            lines[-1].append(item)
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


def _draw_plate(canvas: np.ndarray, lines: list[Line], spot: np.ndarray, text: int, colour: Colour) -> None:
    """A label: light words and grey numbers on a dark plate that lets the picture through. spot: (4,) x0 y0 x1 y1."""
    x0, y0, x1, y1 = np.round(spot).astype(int).tolist()
    patch = canvas[y0:y1, x0:x1]
    plate = patch.copy()
    right, bottom, turn = x1 - x0 - 1, y1 - y0 - 1, 0.35 * text * quarter_turn()
    arcs = (turn, ([right, 0] + turn * [-1, 1])[::-1], [right, bottom] - turn, ([0, bottom] + turn * [1, -1])[::-1])
    outline = np.concatenate(arcs)
    for fill, reach in ((INK, right), (INK if colour == PAPER else colour, 0.25 * text)):
        path = fixed(np.minimum(outline, [reach, bottom]))
        cv2.fillPoly(plate, [path], fill, cv2.LINE_AA, FRACTION_BITS)
    patch[:] = cv2.addWeighted(plate, 0.78, patch, 0.22, 0)
    for i, line in enumerate(lines):
        _write_line(canvas, line, x0 + 0.75 * text, y0 + (1.4 * i + 1.25) * text, text)


def _write_line(canvas: np.ndarray | None, line: Line, x: float, y: float, text: int) -> float:
    """Write a line of a label, or only measure it where there is no canvas; returns its right end."""
    for i, (word, number) in enumerate(line):
        x += 0.7 * text if i else 0
        x = write(canvas, word, x, y, text, PAPER, 500)
        x += 0.3 * text if word and number else 0
        x = write(canvas, number, x, y, text, GREY)
    return x
