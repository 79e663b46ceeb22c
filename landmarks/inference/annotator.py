"""Annotator: one image or many in, Faces out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image

from landmarks import images
from landmarks.clock import Clock
from landmarks.detection.base import Detector
from landmarks.detection.create import create_detector
from landmarks.errors import ImageError, ProcessError
from landmarks.faces import Faces
from landmarks.head_pose import head_angles
from landmarks.inference.backend import Backend, load_backend
from landmarks.inference.border import border_factors
from landmarks.inference.config import AnnotatorConfig, chosen_heads
from landmarks.inference.eye import NOTHING_SEEN, Content, Eye, Seen
from landmarks.inference.locate import Located, locate
from landmarks.record import ERROR, NO_FACE, OK, Record
from landmarks.schemes import POINTS_68, SCHEMES
from landmarks.scores import QuantityValues
from landmarks.sources.find import expand, find
from landmarks.sources.source import Source

if TYPE_CHECKING:
    from landmarks.models.store import Model

MAX_WAITING_PIXELS = 64_000_000
"""Images wait for each other, so that faces make full batches, until they are as large as this together."""
RESULTS_VERSION = 6
"""Raised whenever the same images and settings give other numbers: a run does not go on with another one."""


class Annotator:
    """Finds faces, landmarks, attributes and quantities. The arguments are the fields of AnnotatorConfig, which
    describes them.

    Threads may share it, and each gets what it would get alone. A process that was forked off after it was made may
    not: the threads that compute do not come along, and a call raises ProcessError.

    Raises WeightsError or DetectorError if the parts are not there or do not fit, LandmarksError if the extra `onnx`
    is needed and missing, ValueError for values that cannot be meant.
    """

    def __init__(
        self,
        weights: str | Path | Model | Backend = AnnotatorConfig.weights,
        detector: str | Path | Detector = AnnotatorConfig.detector,
        scheme: int = AnnotatorConfig.scheme,
        device: str = AnnotatorConfig.device,
        tasks: Sequence[str] | None = AnnotatorConfig.tasks,
        passes: int = AnnotatorConfig.passes,
        batch_size: int = AnnotatorConfig.batch_size,
        max_pixels: int = AnnotatorConfig.max_pixels,
        max_faces: int | None = AnnotatorConfig.max_faces,
        min_face_size: float = AnnotatorConfig.min_face_size,
        backend: str | None = AnnotatorConfig.backend,
        accept_damaged: bool = AnnotatorConfig.accept_damaged,
        exact: bool = AnnotatorConfig.exact,
        keep_pixels: bool = AnnotatorConfig.keep_pixels,
    ) -> None:
        self.config = AnnotatorConfig(
            weights, detector, scheme, device, tasks, passes, batch_size, max_pixels, max_faces, min_face_size, backend,
            accept_damaged, exact, keep_pixels,
        )  # fmt: skip
        self.backend = load_backend(weights, device, backend)
        self.calibration = self.backend.calibration
        network = self.backend.config
        self.scheme, chosen = chosen_heads(self.config, network)
        self.attributes = tuple(name for name in chosen if name in network.attributes)
        self.quantities = {name: one for name, one in network.quantities.items() if name in chosen}
        self.detector = create_detector(str(detector)) if isinstance(detector, (str, Path)) else detector
        held = [network.attribute(name) for name in self.attributes]
        self.empty = Faces.empty(self.scheme, held, self.calibrated, turned=True, quantities=self.quantities.values())
        """What it gives for an image without faces; its fields are those of every result."""
        self._process = os.getpid()
        self.clock = Clock()
        """Seconds of `stream` by stage: read, decode, detect, locate (crops and network)."""
        self._eye = Eye(self.config, self.detector, network.input_size, network.crop_scale, self.clock)

    @classmethod
    def from_config(cls, config: AnnotatorConfig) -> Annotator:
        """The Annotator that a config describes. Raises the errors of `Annotator`."""
        return cls(**config.options())

    def settings(self) -> dict[str, Any]:
        """All that its results depend on, beside the images, as JSON takes it."""
        return {
            "results_version": RESULTS_VERSION,
            "weights": self.backend.sha256,
            "locator": self.backend.locator_sha256,
            "backend": self.backend.name,
            "precision": self.backend.precision,
            "detector": {"name": self.detector.name, **asdict(self.detector.rule), **self.detector.settings()},
            "scheme": self.scheme.name,
            "tasks": [*self.attributes, *self.quantities],
            "passes": self.config.passes,
            "max_pixels": self.config.max_pixels,
            "max_faces": self.config.max_faces,
            "min_face_size": self.config.min_face_size,
            "accept_damaged": self.config.accept_damaged,
            "exact": self.config.exact,
        }

    def __call__(self, image: str | Path | bytes | np.ndarray | PIL.Image.Image) -> Faces:
        """The faces of one image: a path, the bytes of a file, (H, W, 3) uint8 RGB, or a picture of Pillow's.

        A picture is taken as its file would be: any mode, turned upright by its EXIF orientation. Raises ImageError.
        """
        self._check_process()
        content: Content
        if isinstance(image, np.ndarray):
            name, content = "", images.from_array(image, "array")
        elif isinstance(image, bytes):
            name, content = "", image
        elif isinstance(image, PIL.Image.Image):
            name = ""
            content = images.from_picture(image, "picture", self.config.max_pixels, self.config.accept_damaged)
        else:
            name = images.printable(image)
            content = images.read_bytes(image, images.most_bytes(self.config.max_pixels))
        seen = self._eye(content, name or "bytes", str(image) if name else "")
        faces = self._faces([seen.image], [seen.found.boxes], [seen.found.scores])[0]
        return replace(faces, path=str(image)) if name else faces

    def predict(self, pictures: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[Faces]:
        """Faces whose boxes are known: (H, W, 3) uint8 RGB images and their (n, 4) x0 y0 x1 y1 pixel boxes.

        The boxes are taken as the detector's would be. Raises ImageError, or ValueError for what are no boxes.
        """
        self._check_process()
        if len(pictures) != len(boxes):
            raise ValueError(f"{len(pictures)} images but {len(boxes)} arrays of boxes")
        loaded = [images.from_array(picture, f"array {i}") for i, picture in enumerate(pictures)]
        boxes = [_boxes(b, f"array {i}") for i, b in enumerate(boxes)]
        return self._faces(loaded, boxes, [np.full(len(b), np.nan, np.float32) for b in boxes])

    def stream(self, sources: str | Path | Source | Iterable[str | Path | Source]) -> Iterator[Record]:
        """One record an image, in order, whatever happens to the image; memory does not grow with their number.

        A source is anything that `find` takes, such as a file, a folder, a glob or a video, or what it has found. The
        images of a single folder or glob are named as `find` names them; of several sources by their paths as given.
        Raises LandmarksError for a source that stands for no images.
        """
        self._check_process()
        waiting: list[tuple[Record, Seen]] = []
        for source in expand(_found(sources)):
            waiting.append(self._detect(source))
            faces = sum(len(seen.found) for _, seen in waiting)
            pixels = sum(seen.image.pixels.size // 3 for _, seen in waiting)
            if max(faces, len(waiting)) >= self.config.batch_size or pixels >= MAX_WAITING_PIXELS:
                yield from self._finish(waiting)
                waiting = []
        yield from self._finish(waiting)

    def _detect(self, source: Source) -> tuple[Record, Seen]:
        """An image's record, still without faces, and what was seen of it."""
        record = Record(source.name, OK, self.empty, frame=source.frame, time=source.time)
        try:
            with self.clock("read"):
                content = source.load(images.most_bytes(self.config.max_pixels))
            seen = self._eye(content, source.name, source.name)
            pixels = seen.image.pixels
            if self.config.keep_pixels and seen.image.reduction > 1:
                with self.clock("decode"):
                    pixels = self._eye.decode(content, source.name).pixels
        except ImageError as error:
            return replace(record, status=error.status, reason=error.reason), NOTHING_SEEN
        except Exception as error:  # One image must not end a run of a million.
            return _failed(record, error), NOTHING_SEEN
        image = seen.image
        record = replace(
            record, status=OK if len(seen.found) else NO_FACE, reason=image.note, width=image.width,
            height=image.height, orientation=image.orientation, pixels=pixels if self.config.keep_pixels else None,
        )  # fmt: skip
        return record, seen

    def _check_process(self) -> None:
        """Raises ProcessError in a process that was forked off: waiting for threads that are not there has no end."""
        if os.getpid() != self._process:
            raise ProcessError(
                "this Annotator was made before the process was forked, and its threads did not come along; start "
                "processes by `spawn` (multiprocessing.get_context('spawn')) and make an Annotator in each, or share "
                "one among threads"
            )

    def _finish(self, waiting: list[tuple[Record, Seen]]) -> Iterator[Record]:
        try:
            with self.clock("locate"):
                faces = self._faces(
                    [seen.image for _, seen in waiting],
                    [seen.found.boxes for _, seen in waiting],
                    [seen.found.scores for _, seen in waiting],
                )
        except Exception as error:
            if len(waiting) == 1:
                yield _failed(waiting[0][0], error)
            else:  # Whose fault it is shows when each is alone.
                for one in waiting:
                    yield from self._finish([one])
            return
        for (record, _), found in zip(waiting, faces):
            yield replace(record, faces=found)

    def _faces(self, pictures: list[images.Image], boxes: list[np.ndarray], scores: list[np.ndarray]) -> list[Faces]:
        """Faces of each picture, all pictures' faces located together. Boxes and faces: in pixels of the images."""
        counts = [len(b) for b in boxes]
        if not sum(counts):
            return [self.empty for _ in pictures]
        owners = np.repeat(np.arange(len(pictures)), counts)
        squares = self._eye.squares(np.concatenate(boxes))  # Faces without one keep NaN.
        reduced = [(i, image) for i, image in enumerate(pictures) if image.reduction > 1]
        for i, image in reduced:
            squares[owners == i] = images.reduce_squares(squares[owners == i], image)
        with np.errstate(invalid="ignore", over="ignore"):
            found = locate(
                self.backend, [image.pixels for image in pictures], owners, squares, self.config.passes,
                self.config.batch_size,
            )  # fmt: skip
            for i, image in reduced:
                for points in found.points.values():
                    points[owners == i] = images.from_reduced(points[owners == i], image)
            sizes = np.array([pictures[owner].size for owner in owners], np.float64)
            errors, quality = self._certainty(found, sizes)
        of_angles = SCHEMES[POINTS_68.name if POINTS_68.name in found.points else self.scheme.name]
        yaw, pitch, roll = head_angles(found.points[of_angles.name], of_angles).T
        together = Faces(
            boxes=np.concatenate(boxes),
            points=found.points[self.scheme.name],
            scores=np.concatenate(scores),
            attributes={
                name: self.calibration.scores(none.attribute, found.logits[name], np.concatenate(boxes))
                for name, none in self.empty.attributes.items()
            },
            scheme=self.scheme,
            point_errors=errors,
            quality=quality,
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            quantities={name: QuantityValues(one, found.values[name]) for name, one in self.quantities.items()},
        )
        return [together[np.flatnonzero(owners == i)] for i in range(len(pictures))]

    @property
    def calibrated(self) -> bool:
        """Whether results have expected errors and a quality."""
        return self.scheme.name in self.calibration.errors and self.calibration.quality is not None

    def _certainty(self, found: Located, sizes: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Expected errors (N, K), NaN of points that are, and quality (N,). sizes: (N, 2) of each face's image."""
        curve = self.calibration.quality
        if not self.calibrated or curve is None:
            return None, None
        errors = {
            name: np.where(
                np.isfinite(found.points[name]).all(axis=-1), of_scheme(found.error_cues[name]), np.float32("nan")
            )
            for name, of_scheme in self.calibration.errors.items()
        }
        first = self.backend.config.schemes[0]
        quality = curve(errors[first]) * border_factors(found.points[first], sizes, SCHEMES[first])
        return errors[self.scheme.name], quality


def _boxes(boxes: np.ndarray, name: str) -> np.ndarray:
    """Boxes (n, 4) as they may be given; one box may come alone. Raises ValueError for anything else."""
    boxes = np.asarray(boxes, np.float32)
    boxes = boxes[None] if boxes.shape == (4,) else boxes.reshape(0, 4) if not boxes.size else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name}: boxes are an array (n, 4) of x0, y0, x1, y1, not {boxes.shape}")
    if (boxes[:, :2] >= boxes[:, 2:]).any():  # NaN is none: it gives NaN.
        raise ValueError(f"{name}: a box needs x0 < x1 and y0 < y1")
    return boxes


def _found(sources: str | Path | Source | Iterable[str | Path | Source]) -> Iterator[Source]:
    """The files that sources stand for, one after the other."""
    if isinstance(sources, (str, Path)):
        yield from find(sources)
        return
    for source in [sources] if isinstance(sources, Source) else sources:
        if isinstance(source, Source):
            yield source
        else:
            yield from (replace(one, name=images.printable(one.path)) for one in find(source))


def _failed(record: Record, error: Exception) -> Record:
    """The record of an image on which something failed that should not."""
    text = str(error).strip().splitlines()
    reason = f"failed unexpectedly ({type(error).__name__}{': ' + text[-1] if text else ''})"
    return replace(record, status=ERROR, reason=reason, pixels=None)
