"""Ink for drawings: colours, strokes with sub-pixel places, and text."""

from __future__ import annotations

import threading
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

Colour = tuple[int, int, int]
# Hues that colour-blind people tell apart (after Okabe and Ito), brightened to stand out on any skin.
LEFT, MIDDLE, RIGHT = (255, 150, 30), (255, 255, 255), (70, 160, 255)
FACE_COLOURS = ((245, 230, 70), (30, 205, 150), (240, 140, 200), (140, 225, 245), (235, 95, 60), (185, 160, 255))
INK, GREY, LINE, PAPER = (18, 20, 24), (178, 184, 192), (218, 223, 228), (255, 255, 255)

FRACTION_BITS = 5
"""Binary places of the coordinates given to OpenCV."""


def accent(index: int, count: int) -> Colour:
    """What tells a face's box and label from those of others, if there are any."""
    return FACE_COLOURS[index % len(FACE_COLOURS)] if count > 1 else PAPER


def fixed(path: np.ndarray) -> np.ndarray:
    """Pixels as OpenCV takes fractions of them: int32 with `FRACTION_BITS` binary places."""
    return np.round(path * 2**FRACTION_BITS).astype(np.int32)


def stroke(canvas: np.ndarray, path: np.ndarray, width: float, colour: Colour) -> None:
    """An open line through path (M, 2), M > 1; all in pixels. OpenCV draws none thinner than 1.4."""
    half = (width - 1.4) / 2
    if half < 0.25:
        cv2.polylines(canvas, [fixed(path)], False, colour, 1, cv2.LINE_AA, FRACTION_BITS)
        return
    # A polygon, because OpenCV's thick smooth lines are wider than asked for. Its soft edge adds 0.7 on each side.
    along = np.gradient(path, axis=0)
    along *= half / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    across = along[:, ::-1] * [-1, 1]
    outline = np.concatenate([path + across, (path - across)[::-1]])
    cv2.fillPoly(canvas, [fixed(outline)], colour, cv2.LINE_AA, FRACTION_BITS)


def dashes(canvas: np.ndarray, path: np.ndarray, width: float, colour: Colour, length: float = 4.0) -> None:
    """The same line in dashes of about `length` pixels, each as long as the gaps between them."""
    for start, end in pairwise(path):
        count = max(1, round(float(np.linalg.norm(end - start)) / (2 * length)))
        cuts = start + np.linspace(0, 1, 2 * count + 1)[:, None] * (end - start)
        for i in range(0, 2 * count, 2):
            stroke(canvas, cuts[i : i + 2], width, colour)


@lru_cache
def quarter_turn() -> np.ndarray:
    """(8, 2): the arc of radius 1 from (0, 1) to (1, 0) that rounds off the corner (0, 0)."""
    angle = np.linspace(0, np.pi / 2, 8)
    return 1 - np.stack([np.cos(angle), np.sin(angle)], axis=1)


_thread = threading.local()
"""Holds a font for each thread: an OpenCV font keeps its last weight and size, and breaks when threads share it."""


def _font() -> cv2.FontFace | None:
    """The font inside OpenCV 5, so there is no file to ship or find; OpenCV 4 has plotter letters only."""
    if not hasattr(_thread, "font"):
        _thread.font = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
    return _thread.font


@lru_cache(maxsize=10_000)
def text_width(text: str, size: int, weight: int = 400) -> int:
    """Width of a line of text in pixels. size: em in pixels; weight: 400 regular, 500 medium."""
    font = _font()
    if font is None:
        return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 30, 1 + size // 30)[0][0]
    x, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), font, size, weight)
    return x + width


def write(
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
    return x + text_width(text, size, weight) if text else x


def shorten(text: str, size: int, room: float) -> str:
    """The text without its middle, where it is wider than `room` pixels: file names differ at their ends."""
    short, kept = text, len(text)
    while kept and text_width(short, size) > room:
        kept -= 1
        short = f"{text[: (kept + 1) // 2]}...{text[len(text) - kept // 2 :]}"
    return short
