"""One picture, several networks: what each says of it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import Any

from landmarks import images
from landmarks.errors import LandmarksError
from landmarks.formats.plain import plain
from landmarks.formats.tools.shared import edges
from landmarks.inference.annotator import Annotator
from landmarks.inference.choice import DEFAULT_DETECTOR
from landmarks.models.config import NetworkConfig
from landmarks.schemes import SCHEMES

MAX_PIXELS = 50_000_000
MOST = 4
"""Networks."""


class SideBySide:
    """Annotates pictures with several networks, which are loaded when the first picture comes. Threads may share it."""

    def __init__(self, names: Sequence[str], detector: str = DEFAULT_DETECTOR, hidden: Collection[str] = ()) -> None:
        """names: shipped weights or files; hidden: attributes of which nothing is told. Raises LandmarksError for none
        or too many networks."""
        if not 1 <= len(names) <= MOST:
            raise LandmarksError(f"name one to {MOST} networks, such as compact,accurate")
        self.names, self.detector, self.hidden = list(names), detector, hidden
        self._annotators: list[Annotator] = []
        self._lock = threading.Lock()

    def __call__(self, data: bytes) -> dict[str, Any]:
        """What each network says of the bytes of an image file. Raises ImageError, WeightsError, DetectorError."""
        image = images.decode(data, "the picture", MAX_PIXELS)
        with self._lock:
            if not self._annotators:
                self._annotators = [self._annotator(name) for name in self.names]
            annotators = self._annotators
        boxes = annotators[0].detector(image.pixels, "").boxes  # The same for all: networks are compared, not boxes.
        found = []
        for name, annotator in zip(self.names, annotators):
            (faces,) = annotator.predict([image.pixels], [boxes])
            shown = {task: scores for task, scores in faces.attributes.items() if task not in self.hidden}
            found.append(
                {
                    "name": name,
                    "tasks": [annotator.scheme.name, *shown],
                    "edges": edges(annotator.scheme),
                    "boxes": plain(faces.boxes),
                    "points": plain(faces.points),
                    "quality": None if faces.quality is None else plain(faces.quality),
                    "attributes": {
                        task: {"labels": scores.labels.tolist(), "probabilities": plain(scores.confidence)}
                        for task, scores in shown.items()
                    },
                }
            )
        return {"width": image.width, "height": image.height, "networks": found}

    def _annotator(self, name: str) -> Annotator:
        """The most landmarks that the network knows of those that all draw."""
        from landmarks.inference.backend import load_backend

        backend = load_backend(name, "auto", None)
        return Annotator(backend, self.detector, scheme=_landmarks(backend.config), max_pixels=MAX_PIXELS)


def _landmarks(config: NetworkConfig) -> int:
    """5 where a network knows them, since every one of ours does; else what it knows first."""
    return len(SCHEMES["points_5" if "points_5" in config.schemes else config.schemes[0]])
