"""How far points tremble on a photograph that stands still.

    python -m landmarks.studies.steadiness compact data/samples/grace_hopper.jpg --scheme 68 --size 320 --size 130

scales the photograph so that its largest face is so many pixels wide, sees it in 60 frames with noise of 4 grey levels
of their own, and gives the standard deviation of a point's x and y over the frames, mean over the points, in pixels and
in % of the width of the face's box; the same where all frames have the box that was found in the first one, which tells
what the detector's trembling does; and how often a label changes from frame to frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from landmarks import images
from landmarks.errors import LandmarksError
from landmarks.faces import Faces
from landmarks.inference.annotator import Annotator
from landmarks.inference.config import PASSES
from landmarks.sources.find import find

FRAMES, NOISE, SIZES = 60, 4.0, (320, 130)


class Steadiness(NamedTuple):
    """Of one face, over all frames."""

    width: float
    """Of its box, pixels."""
    pixels: float
    """Standard deviation of a coordinate, mean over the points."""
    boxed: float
    """The same, all frames with the box of the first one."""
    flips: dict[str, int]
    """By attribute, how often the label is another one than in the frame before."""

    @property
    def share(self) -> float:
        """The deviation over the width."""
        return self.pixels / self.width


def largest(faces: Faces) -> Faces:
    """The face with the widest box. Raises LandmarksError without any."""
    if not len(faces):
        raise LandmarksError("no face is found; take a photograph with one large face")
    return faces[[int((faces.boxes[:, 2] - faces.boxes[:, 0]).argmax())]]


def steadiness(annotator: Annotator, picture: np.ndarray, width: float, seed: int = 0) -> Steadiness:
    """How far the points of the largest face of a photograph (H, W, 3) tremble when it is `width` pixels wide.

    Raises LandmarksError if the face is not found in every frame.
    """
    box = largest(annotator(picture)).boxes[0]
    factor = width / (box[2] - box[0])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    scaled = np.asarray(cv2.resize(picture, None, fx=factor, fy=factor, interpolation=method), np.uint8)
    rng = np.random.default_rng(seed)
    seen: list[Faces] = []
    boxed: list[Faces] = []
    for _ in range(FRAMES):
        frame = np.clip(scaled + rng.normal(0, NOISE, scaled.shape), 0, 255).round().astype(np.uint8)
        seen.append(largest(annotator(frame)))
        boxed += annotator.predict([frame], [seen[0].boxes])
    together = Faces.concatenate(seen)
    flips = {
        name: int((scores.indices[1:] != scores.indices[:-1]).sum()) for name, scores in together.attributes.items()
    }
    boxes = together.boxes
    pixels, in_one_box = (float(faces.points.std(axis=0).mean()) for faces in (together, Faces.concatenate(boxed)))
    return Steadiness(float((boxes[:, 2] - boxes[:, 0]).mean()), pixels, in_one_box, flips)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="How far points tremble on a photograph that stands still.")
    parser.add_argument("weights", help="shipped name or file")
    parser.add_argument("photograph", nargs="+")
    parser.add_argument("--scheme", type=int, default=5)
    parser.add_argument("--detector", default="centerface")
    parser.add_argument("--size", type=int, action="append", help="width of the face in pixels; again for more")
    parser.add_argument("--passes", type=int, default=PASSES, help="how often a face is cropped")
    parser.add_argument("--backend")
    given = parser.parse_args(arguments)
    annotator = Annotator(given.weights, given.detector, given.scheme, passes=given.passes, backend=given.backend)
    for source in find(given.photograph):
        picture = images.read(source.path).pixels
        for width in given.size or SIZES:
            found = steadiness(annotator, picture, width)
            flips = ", ".join(f"{name} {count}" for name, count in found.flips.items())
            name = Path(source.path).name
            print(
                f"{name}: {found.width:.0f} px, sd {found.pixels:.3f} px, {found.share:.3%}, in one box "
                f"{found.boxed:.3f} px; flips: {flips}"
            )


if __name__ == "__main__":
    main()
