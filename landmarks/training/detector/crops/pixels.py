"""What happens to a training crop's pixels: light, colour, blur, noise, compression, things in front of faces."""

from __future__ import annotations

import cv2
import numpy as np

GRAIN = np.random.default_rng(0).normal(0, 1, (512, 512, 3)).astype(np.float32)
"""Drawn once: a piece of it from a random place is as good as new noise."""
RAMP = np.arange(256, dtype=np.float32) / 255


def augment(crop: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A crop as another camera might have taken it. crop: (S, S, 3) uint8 RGB, boxes: (N, 4) faces -> like crop."""
    if rng.random() < 0.1:
        crop = cover(crop, boxes, rng)
    if rng.random() < 0.85:
        crop = tone(crop, rng)
    for step, often in STEPS:
        if rng.random() < often:
            crop = step(crop, rng)
    return crop


def tone(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, gamma and colour cast by one table a channel; one in ten is dark."""
    dark = rng.random() < 0.1
    gamma = np.exp(rng.normal(0.7, 0.3) if dark else rng.normal(0, 0.25))
    gain = rng.uniform(0.25, 0.7) if dark else rng.uniform(0.7, 1.3)
    cast = rng.normal(0, 0.06, 3) if rng.random() < 0.5 else np.zeros(3)
    shift = rng.normal(0, 0.08)
    curve = RAMP[:, None] ** gamma
    curve = (curve - 0.5) * gain * (1 + cast) + (0.5 * gain if dark else 0.5) + shift
    return cv2.LUT(crop, (255 * curve).clip(0, 255).astype(np.uint8)[None])


def colour(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hue and saturation, or grey."""
    if rng.random() < 0.45:
        return cv2.cvtColor(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    values = np.arange(256)
    hue, saturation = (values + rng.integers(-12, 13)) % 180, (values * rng.uniform(0.4, 1.6)).clip(0, 255)
    table = np.stack([hue, saturation, values], axis=1).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(cv2.cvtColor(crop, cv2.COLOR_RGB2HSV), table[None]), cv2.COLOR_HSV2RGB)


def blur(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus, or moved."""
    if rng.random() < 0.6:
        return cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.5, 2.0))
    length, angle = int(rng.integers(3, 10)), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle, reach = (length - 1) / 2, (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = ([round(float(v)) for v in middle + sign * reach] for sign in (-1, 1))
    cv2.line(kernel, start, end, (1.0,))
    return cv2.filter2D(crop, -1, kernel / kernel.sum())


def noise(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Of every pixel and channel."""
    y, x = (int(rng.integers(0, 512 - side, endpoint=True)) for side in crop.shape[:2])
    grain = GRAIN[y : y + crop.shape[0], x : x + crop.shape[1]] * np.float32(rng.uniform(2, 16))
    return cv2.add(crop, grain, dtype=cv2.CV_8U)


def compress(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """As JPEG does; the order of the channels is of little moment to it."""
    _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 90))])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def coarsen(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shrunk and enlarged again."""
    height, width = crop.shape[:2]
    zoom = rng.uniform(0.4, 0.85)
    small = cv2.resize(crop, (max(1, int(width * zoom)), max(1, int(height * zoom))), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def cover(crop: np.ndarray, boxes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hides up to a third of some faces behind a patch of one colour or of another part of the crop."""
    crop, side = crop.copy(), crop.shape[0]
    for x0, y0, x1, y1 in boxes[rng.random(len(boxes)) < 0.5]:
        w, h = (x1 - x0) * rng.uniform(0.2, 0.7), (y1 - y0) * rng.uniform(0.2, 0.45)
        if rng.random() < 0.3:
            w, h = h, w
        x, y = (int(v) for v in (rng.uniform(x0 - w / 3, x1 - 2 * w / 3), rng.uniform(y0 - h / 3, y1 - 2 * h / 3)))
        left, top, right, bottom = (int(np.clip(v, 0, side)) for v in (x, y, x + w, y + h))
        if right <= left or bottom <= top:
            continue
        if rng.random() < 0.5:
            crop[top:bottom, left:right] = rng.integers(0, 256, 3)
        else:
            u, v = (int(rng.integers(0, side - length, endpoint=True)) for length in (right - left, bottom - top))
            crop[top:bottom, left:right] = crop[v : v + bottom - top, u : u + right - left].copy()
    return crop


STEPS = ((colour, 0.22), (blur, 0.14), (coarsen, 0.1), (noise, 0.12), (compress, 0.2))
"""What may happen to the pixels and how often."""
