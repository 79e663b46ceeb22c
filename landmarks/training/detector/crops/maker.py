"""Training crops: a face at a random size and place, four portraits side by side, or a piece of a picture,
of any or of one in which a detector sees a face where there is none."""

from __future__ import annotations

import math
from collections.abc import Sized
from dataclasses import asdict, dataclass, replace

import numpy as np

from landmarks.detection.overlap import sizes
from landmarks.errors import DataError
from landmarks.training.detector.config import DetectorTraining
from landmarks.training.detector.crops.hard import Hard
from landmarks.training.detector.crops.pictures import BySize, Pictures
from landmarks.training.detector.crops.pixels import augment
from landmarks.training.detector.crops.place import crop_matrix, cut, move_boxes, move_points, sort_out

MOST_ENLARGED, MOST_SHRUNK = 2.5, 4.0
"""By how much a picture is zoomed at most, so that a face has the size that is wanted."""
LEAST_SHOWN = 0.5
"""The picture's long side is at least this share of the crop's."""
ANY_TURN, MOST_TURN = 1 / 16, math.pi / 3
"""Share of the turned crops that are turned by any angle, and by how much, in radians, the others are at most."""
DECOY_ZOOM, LARGEST_DECOY, DECOY_MARGIN = (0.5, 2.0), 0.625, 0.15
"""By how much a picture is zoomed around a decoy, which is no larger than a share of the crop, and no nearer to its
border than another one."""
INSIDE = 0.75
"""Share of the upright crops that are moved into the picture as far as can be."""
LEAST_PORTRAIT = 20.0
"""Portraits are small pictures of large faces: size in pixels of the smallest face that one is shrunk to."""


@dataclass(frozen=True)
class Crop:
    """A piece of a picture, S x S pixels, and what is to be learned there; places are measured from its corner."""

    pixels: np.ndarray
    """(S, S, 3) uint8 RGB."""
    boxes: np.ndarray
    """(N, 4) faces to be learned; may reach over the border."""
    points: np.ndarray
    """(N, 5, 2), NaN where unknown."""
    ignored: np.ndarray
    """(M, 4) boxes in which finding nothing is not learned."""


class CropMaker:
    """Makes crops of pictures. Raises DataError if there are no faces to be learned."""

    def __init__(self, pictures: Pictures, config: DetectorTraining, hard: Hard | None = None) -> None:
        """hard: what is hard in the pictures; None: nothing is known to be."""
        self.pictures, self.config = pictures, config
        seen = hard or Hard()

        def times(number: int) -> np.ndarray:
            return seen.times(number, len(pictures.faces(number).boxes), config.hard)

        self.in_scenes = BySize(pictures, pictures.scenes, times)
        self.in_portraits = BySize(pictures, pictures.portraits, times)
        self.decoys, self._decoys_until = seen.decoys, np.cumsum(seen.decoys[:, -1])
        self.in_any = np.cumsum(pictures.weights(pictures.scenes))
        of: dict[str, Sized] = {
            "face": self.in_scenes, "portrait": self.in_portraits, "mosaic": self.in_portraits,
            "anywhere": pictures.scenes, "empty": pictures.empty, "decoy": self.decoys,
        }  # fmt: skip
        shares = {kind: share for kind, share in asdict(config.shares).items() if share > 0 and len(of[kind])}
        if not set(shares) - {"empty", "decoy"}:
            raise DataError("no photograph of the split has a face to be learned")
        self._kinds, self._shares = list(shares), np.array(list(shares.values())) / sum(shares.values())

    def __call__(self, rng: np.random.Generator) -> Crop:
        """One crop of a kind drawn by its share, its pixels changed as another camera might have."""
        kind, side = self._kinds[int(rng.choice(len(self._kinds), p=self._shares))], self.config.side
        if kind == "mosaic":
            crop = self.mosaic(rng)
        elif kind in ("empty", "anywhere"):
            crop = self.anywhere(kind == "empty", rng)
        elif kind == "decoy":
            crop = self.around_decoy(rng)
        else:
            sizes_wanted = (self.config.smallest, self.config.largest)
            crop = self.around_face(kind == "portrait", (side, side), sizes_wanted, rng)
        if rng.random() < self.config.changed:
            crop = replace(crop, pixels=augment(crop.pixels, crop.boxes, rng))
        return crop

    def around_face(
        self, portrait: bool, size: tuple[int, int], between: tuple[float, float], rng: np.random.Generator
    ) -> Crop:
        """A crop of w x h = size, chosen for one face of a size between two; others may be in it."""
        smallest, largest = between
        if portrait:
            smallest, largest = max(smallest, LEAST_PORTRAIT), max(largest, LEAST_PORTRAIT)
        wanted = math.exp(rng.uniform(math.log(smallest), math.log(largest)))
        drawn = self.in_portraits if portrait else self.in_scenes
        number, i = drawn.draw(wanted / MOST_ENLARGED, wanted * MOST_SHRUNK, rng)
        box, shape = self.pictures.faces(number).boxes[i], self.pictures.store.shape(number)
        own = sizes(box[None])[0]
        shown = LEAST_SHOWN * max(size) / max(shape)
        zoom = min(max(wanted / own, shown if portrait else min(shown, 1.0)), MOST_ENLARGED)
        margin = [min(0.3 * own * zoom, side / 2) for side in size]
        at = np.array([rng.uniform(low, side - low) for low, side in zip(margin, size)])
        centre, angle, half = (box[:2] + box[2:]) / 2, self._angle(rng), np.array(size) / 2
        if angle == 0 and rng.random() < INSIDE:
            centre, at = _inside(centre + (half - at) / zoom, half / zoom, shape), half
        return self._take(number, centre, at, zoom, angle, size, rng)

    def anywhere(self, empty: bool, rng: np.random.Generator) -> Crop:
        """A piece of any scene, or of any picture without faces."""
        side = self.config.side
        if empty:
            number = int(rng.choice(self.pictures.empty))
        else:
            at = np.searchsorted(self.in_any, rng.uniform(0, self.in_any[-1]), side="right")
            number = int(self.pictures.scenes[min(int(at), len(self.in_any) - 1)])
        height, width = self.pictures.store.shape(number)
        zoom = math.exp(rng.uniform(math.log(min(1.0, 0.8 * side / max(height, width))), math.log(2.0)))
        middle = np.full(2, side / 2)
        centre = _inside(rng.uniform(0, [width, height]), middle / zoom, (height, width))
        return self._take(number, centre, middle, zoom, self._angle(rng), (side, side), rng)

    def around_decoy(self, rng: np.random.Generator) -> Crop:
        """A crop with a decoy, at about its size; those of higher scores are drawn more often."""
        side = self.config.side
        at_all = np.searchsorted(self._decoys_until, rng.uniform(0, self._decoys_until[-1]), side="right")
        number, *corners, _ = self.decoys[min(int(at_all), len(self.decoys) - 1)]
        box, shape = np.array(corners), self.pictures.store.shape(int(number))
        factor = math.exp(rng.uniform(math.log(DECOY_ZOOM[0]), math.log(DECOY_ZOOM[1])))
        shown = min(LEAST_SHOWN * side / max(shape), 1.0)
        zoom = min(max(min(factor, LARGEST_DECOY * side / sizes(box[None])[0]), shown), MOST_ENLARGED)
        at = rng.uniform(DECOY_MARGIN * side, (1 - DECOY_MARGIN) * side, 2)
        centre, angle, half = (box[:2] + box[2:]) / 2, self._angle(rng), np.full(2, side / 2)
        if angle == 0 and rng.random() < INSIDE:
            centre, at = _inside(centre + (half - at) / zoom, half / zoom, shape), half
        return self._take(int(number), centre, at, zoom, angle, (side, side), rng)

    def mosaic(self, rng: np.random.Generator) -> Crop:
        """Four portraits, their seams crossing at a random place."""
        side = self.config.side
        x, y = (int(v) for v in rng.integers(5 * side // 16, 11 * side // 16, 2))
        pixels, parts = np.empty((side, side, 3), np.uint8), []
        for left, top, right, bottom in ((0, 0, x, y), (x, 0, side, y), (0, y, x, side), (x, y, side, side)):
            size = (right - left, bottom - top)
            crop = self.around_face(True, size, (LEAST_PORTRAIT, 0.9 * min(size)), rng)
            pixels[top:bottom, left:right] = crop.pixels
            move = np.array([left, top])
            parts.append((crop.boxes + np.tile(move, 2), crop.points + move, crop.ignored + np.tile(move, 2)))
        boxes, points, ignored = (np.concatenate(of) for of in zip(*parts))
        return Crop(pixels, boxes, points, ignored)

    def _take(
        self, number: int, centre: np.ndarray, at: np.ndarray, zoom: float, angle: float, size: tuple[int, int],
        rng: np.random.Generator,
    ) -> Crop:  # fmt: skip
        """The crop in which the picture's place `centre` (2,) lies at `at` (2,), and its labels."""
        matrix = crop_matrix(centre, at, zoom, angle, rng.random() < 0.5)
        border = (0, 0, 0) if rng.random() < 0.5 else tuple(int(v) for v in rng.integers(0, 256, 3))
        pixels = cut(self.pictures.store[number], matrix, size, border, smooth=rng.random() < 0.75)
        faces = self.pictures.faces(number)
        boxes, points = move_boxes(faces.boxes, matrix), move_points(faces.points, matrix)
        learn, ignored = sort_out(boxes, faces.ignore, size, self.config.smallest)
        return Crop(pixels, boxes[learn], points[learn], np.clip(boxes[ignored], 0, [*size, *size]))

    def _angle(self, rng: np.random.Generator) -> float:
        """Radians: mostly none."""
        kind, turned = rng.random(), self.config.turned
        if kind < ANY_TURN * turned:
            return rng.uniform(-math.pi, math.pi)
        return rng.uniform(-MOST_TURN, MOST_TURN) if kind < turned else 0.0


def _inside(centre: np.ndarray, half: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The nearest centre (2,) from which half a crop (2,) reaches as little as can be over a picture (H, W)."""
    sides = np.array(shape[::-1])
    return np.clip(centre, np.minimum(half, sides / 2), np.maximum(sides - half, sides / 2))
