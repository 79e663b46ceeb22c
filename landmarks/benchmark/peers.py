"""Other packages that find faces and their landmarks, for comparisons of speed; none of them is needed.

A peer takes the place of an Annotator, so that it runs in the same processes, on the same decoded images and with the
same journal. Each finds the faces its own way, and another number of them; its landmarks are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from landmarks import images
from landmarks.clock import Clock
from landmarks.device import CPU
from landmarks.errors import ImageError, LandmarksError
from landmarks.faces import Faces
from landmarks.record import NO_FACE, OK, Record
from landmarks.schemes import POINTS_5
from landmarks.sources.find import expand
from landmarks.sources.source import Source

Find = Callable[[np.ndarray], int]
"""(H, W, 3) uint8 RGB -> how many faces got landmarks."""
MOST_FACES = 20
"""MediaPipe must be told how many faces an image may have."""
DLIB_VARIABLE = "LANDMARKS_DLIB"


def _mediapipe() -> Find:
    import mediapipe

    if not hasattr(mediapipe, "solutions"):
        raise LandmarksError("this MediaPipe ships no face mesh; install mediapipe<0.10.22")
    mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=MOST_FACES)
    return lambda image: len(mesh.process(image).multi_face_landmarks or ())


def _dlib() -> Find:
    import dlib

    path = os.environ.get(DLIB_VARIABLE)
    package = find_spec("face_recognition_models")
    if not path and package and package.submodule_search_locations:
        path = str(Path(package.submodule_search_locations[0]) / "models" / "shape_predictor_68_face_landmarks.dat")
    if not path or not Path(path).is_file():
        raise LandmarksError(f"dlib needs shape_predictor_68_face_landmarks.dat; name it in {DLIB_VARIABLE}")
    detect, predict = dlib.get_frontal_face_detector(), dlib.shape_predictor(path)
    return lambda image: len([predict(image, box) for box in detect(image)])


def _mtcnn() -> Find:
    from facenet_pytorch import MTCNN

    network = MTCNN(keep_all=True, device="cpu")

    def find(image: np.ndarray) -> int:
        boxes, _, _ = network.detect(image, landmarks=True)
        return 0 if boxes is None else len(boxes)

    return find


PEERS: dict[str, tuple[str, Callable[[], Find]]] = {
    "MediaPipe face mesh": ("mediapipe", _mediapipe),
    "dlib, 68 points": ("dlib", _dlib),
    "MTCNN of facenet-pytorch": ("facenet_pytorch", _mtcnn),
}
"""The package of each, and what makes it."""


class Peer:
    """A peer in the place of an Annotator. Raises LandmarksError if it lacks something, ImportError if it is broken."""

    def __init__(self, name: str, max_side: int | None = None) -> None:
        """name: in PEERS; max_side: of the copy that it looks at, None: the image itself."""
        self.name, self.max_side = name, max_side
        self.find = PEERS[name][1]()
        self.clock = Clock()
        self.empty = Faces.empty(POINTS_5, ())

    def settings(self) -> dict[str, Any]:
        return {"peer": self.name, "max_side": self.max_side, "max_pixels": images.MAX_PIXELS}

    def stream(self, sources: Iterable[Source]) -> Iterator[Record]:
        """One record an image, with as many faces as were found, without landmarks."""
        for source in expand(sources):
            try:
                with self.clock("decode"):
                    content = source.load(images.most_bytes(images.MAX_PIXELS))
                    image = images.take(content, source.name)
            except ImageError as error:
                yield Record(source.name, error.status, self.empty, error.reason)
                continue
            with self.clock("detect"):
                count = self.find(_shrunk(image.pixels, self.max_side))
            nan = np.full(count, np.nan)
            faces = Faces(np.zeros((count, 4)), np.full((count, 5, 2), np.nan), nan, {}, POINTS_5)
            yield Record(source.name, OK if count else NO_FACE, faces, width=image.width, height=image.height)


def installed() -> list[str]:
    """The peers whose packages are there."""
    return [name for name, (package, _) in PEERS.items() if find_spec(package)]


@dataclass(frozen=True)
class PeerFactory:
    """Makes a Peer in each worker."""

    name: str
    max_side: int | None = None
    device: ClassVar[str] = CPU
    preload: ClassVar[tuple[str, ...]] = (__name__,)

    def create(self, worker: int = 0) -> Peer:
        return Peer(self.name, self.max_side)


def _shrunk(image: np.ndarray, side: int | None) -> np.ndarray:
    """A copy with a long side of at most `side` pixels."""
    zoom = 1.0 if side is None else min(1.0, side / max(image.shape[:2]))
    return image if zoom == 1 else cv2.resize(image, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
