"""From what a source gives to the boxes in it: an image is decoded only as far as detector and crops need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from landmarks import images
from landmarks.clock import Clock
from landmarks.detection.base import Detections, Detector
from landmarks.inference.config import AnnotatorConfig

Content = bytes | np.ndarray | images.Image
"""What sources give of an image: its file, its pixels, or an image that is decoded."""


@dataclass(frozen=True)
class Seen:
    """What was seen of an image."""

    image: images.Image
    """Perhaps reduced."""
    found: Detections
    """In pixels of the whole image."""


NOTHING_SEEN = Seen(images.Image(np.zeros((0, 0, 3), np.uint8)), Detections(np.zeros((0, 4)), np.zeros(0)))


@dataclass(frozen=True)
class Eye:
    """Decodes images and finds the boxes in them."""

    config: AnnotatorConfig
    detector: Detector
    input_size: int
    """Side in pixels of the crops that will be cut out."""
    crop_scale: float
    """Side of a crop over the larger side of the landmarks' extent."""
    clock: Clock
    """Gets the seconds of `decode` and `detect`."""

    def __call__(self, content: Content, name: str, key: str) -> Seen:
        """An image and the boxes that the config lets pass. Raises ImageError.

        A file that can be decoded to a quarter of its sides or less, with all that the detector looks at left, is; then
        faces that are small in its own pixels have it decoded again. name: for messages; key: what a file of boxes
        calls it.
        """
        # A detector of somebody's own may not say; then it wants all.
        least_side = None if self.config.exact else getattr(self.detector, "least_side", None)
        with self.clock("decode"):
            image = self.decode(content, name, least_side)
        with self.clock("detect"):
            found = self.detector(image.pixels, key)
            if image.reduction > 1:
                corners = images.from_reduced(found.boxes.reshape(-1, 2, 2), image)
                found = Detections(corners.reshape(-1, 4), found.scores)
            found = found.select(self.config.max_faces, self.config.min_face_size)
        if image.reduction > 1 and len(found):
            smallest = float(np.nanmin(self.squares(found.boxes)[:, 2]))
            needed = images.reduction_below(smallest / self.input_size)
            if needed < image.reduction:
                with self.clock("decode"):
                    image = self.decode(content, name, -(-max(image.size) // needed))
        return Seen(image, found)

    def decode(self, content: Content, name: str, least_side: int | None = None) -> images.Image:
        """An image of what a source gives; least_side: see `images.decode`. Raises ImageError."""
        return images.take(content, name, self.config.max_pixels, self.config.accept_damaged, least_side)

    def squares(self, boxes: np.ndarray) -> np.ndarray:
        """The face squares (N, 4) of boxes; NaN where there is none."""
        with np.errstate(invalid="ignore", over="ignore"):
            squares = self.detector.rule.squares(boxes, self.crop_scale)
        squares[~np.isfinite(squares).all(axis=1)] = np.nan
        return squares
