"""How sure the quality is of faces that the border of the picture cuts in two.

    python -m landmarks.studies.half_faces compact photos

takes every good face of the photographs for true, cuts the photograph through the middle of its box at each side, and
counts what is found of the other half: how many are wrong, how many upside down, and how many of these have a quality
above .5 all the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from landmarks import images
from landmarks.faces import Faces
from landmarks.geometry import roll
from landmarks.inference.annotator import Annotator
from landmarks.metrics import extent_size
from landmarks.sources.find import find

SIDES = ("left", "right", "top", "bottom")
GOOD, SURE = 0.9, 0.5
"""Quality from which a whole face counts as true, and above which a half one is believed."""
WRONG = 0.1
"""Mean error of the points over the face size from which a half face is wrong."""
LEAST_SIDE = 24.0
AROUND = 1.5
"""What is kept of the photograph around the box's centre, in sides of the box."""
LEAST_OVERLAP = 0.3
"""Share of a found box that lies in the true one, if it is of that face."""


@dataclass(frozen=True)
class HalfFace:
    """What was found of half a face."""

    side: str
    """Where the picture ends."""
    error: float
    """Mean error of the points over the face size."""
    turned: bool
    """By more than a quarter."""
    quality: float


def cut_at(picture: np.ndarray, box: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray]:
    """The surroundings of a face, of which the picture's `side` runs through the middle of its box (4,) -> the part of
    the picture, and where it begins (2,) x, y."""
    centre, reach = (box[:2] + box[2:]) / 2, AROUND * (box[2:] - box[:2]).max()
    low, high = np.maximum(centre - reach, 0), np.minimum(centre + reach, picture.shape[1::-1])
    axis = 0 if side in ("left", "right") else 1
    (low if side in ("left", "top") else high)[axis] = centre[axis]
    (x0, y0), (x1, y1) = np.round(low).astype(int), np.round(high).astype(int)
    return np.ascontiguousarray(picture[y0:y1, x0:x1]), np.array([x0, y0])


def half_faces(annotator: Annotator, picture: np.ndarray) -> Iterator[HalfFace]:
    """Each half of each good face of a photograph (H, W, 3) that is found again."""
    whole = annotator(picture)
    assert whole.quality is not None
    for box, points, quality in zip(whole.boxes, whole.points, whole.quality):
        if quality < GOOD or (box[2:] - box[:2]).max() < LEAST_SIDE:
            continue
        for side in SIDES:
            part, origin = cut_at(picture, box, side)
            yield from _found_again(annotator(part), box - np.tile(origin, 2), points - origin, side)


def _found_again(found: Faces, box: np.ndarray, points: np.ndarray, side: str) -> Iterator[HalfFace]:
    assert found.quality is not None
    turned = np.abs(roll(found.points, found.scheme)) > np.pi / 2
    for other, seen, quality, upside_down in zip(found.boxes, found.points, found.quality, turned):
        common = np.maximum(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0).prod()
        if common >= LEAST_OVERLAP * (other[2:] - other[:2]).prod() and common > 0:
            error = np.linalg.norm(seen - points, axis=1).mean() / extent_size(points[None])[0]
            yield HalfFace(side, float(error), bool(upside_down), float(quality))


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality of faces that the border cuts in two.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("photos", help="folder of photographs")
    parser.add_argument("--detector", default="centerface")
    arguments = parser.parse_args()
    annotator = Annotator(arguments.weights, arguments.detector, device="cpu")
    found: list[HalfFace] = []
    for source in find([arguments.photos]):
        found += half_faces(annotator, images.read(source.path).pixels)
    for name, sides in (("left, right", SIDES[:2]), ("top", SIDES[2:3]), ("bottom", SIDES[3:])):
        of = [half for half in found if half.side in sides]
        wrong, turned = [half for half in of if half.error > WRONG], [half for half in of if half.turned]
        sure = [sum(half.quality > SURE for half in some) for some in (wrong, turned)]
        highest = max((half.quality for half in turned), default=0.0)
        print(
            f"picture ends {name}: {len(of)} half faces; {len(wrong)} wrong, {sure[0]} of them sure; "
            f"{len(turned)} upside down, {sure[1]} of them sure (highest quality {highest:.2f})"
        )
    good = [half for half in found if half.error <= WRONG]
    print(f"{len(good)} are right, {sum(half.quality > SURE for half in good)} of them sure")


if __name__ == "__main__":
    main()
