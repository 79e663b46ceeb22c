"""Annotator: one image or many in, Faces out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from landmarks import __version__, images
from landmarks.clock import Clock
from landmarks.detection.base import Detector
from landmarks.detection.create import create_detector
from landmarks.errors import ImageError, WeightsError
from landmarks.faces import AttributeScores, Faces
from landmarks.inference.backend import load_backend
from landmarks.inference.locate import PASSES, Located, locate
from landmarks.models.store import Model
from landmarks.record import ERROR, FAILED, NO_FACE, OK, Record
from landmarks.schemes import ATTRIBUTES, SCHEMES, scheme_of_size
from landmarks.sources.find import expand
from landmarks.sources.source import Source

__all__ = ["FAILED", "NO_FACE", "OK", "Annotator", "Record"]

MAX_WAITING_PIXELS = 64_000_000
"""Images wait for each other, so that faces make full batches, until they are as large as this together."""


class Annotator:
    """Finds faces, landmarks and attributes.

    weights: a shipped name, a weights file or an exported .onnx file; detector: `centerface`, `yunet`, `whole-image`,
    a CSV file of boxes, or any Detector; scheme: 5 or 68 landmarks; tasks: the attributes wanted, all that the network
    has if None; device: `auto`, `cpu`, `cuda`, `cuda:1`, ...; passes: how often a face is cropped; batch_size: faces a
    network call; max_faces: only the largest of an image; min_face_size: boxes whose size (root of the area, pixels)
    is below are passed over; backend: `torch` or `onnx`, None for what the weights call for, see `load_backend`;
    accept_damaged: take what can be decoded of damaged images, and say so in the record's reason.

    Raises WeightsError or DetectorError if the parts are not there or do not fit, LandmarksError if the extra `onnx`
    is needed and missing.
    """

    def __init__(
        self,
        weights: str | Path | Model = "compact",
        detector: str | Path | Detector = "centerface",
        scheme: int = 5,
        device: str = "auto",
        tasks: Sequence[str] | None = None,
        passes: int = PASSES,
        batch_size: int = 64,
        max_pixels: int = images.MAX_PIXELS,
        max_faces: int | None = None,
        min_face_size: float = 0.0,
        backend: str | None = None,
        accept_damaged: bool = False,
    ) -> None:
        if passes < 1 or batch_size < 1 or (max_faces is not None and max_faces < 1):
            raise ValueError("passes, batch_size and max_faces must be at least 1")
        self.backend = load_backend(weights, device, backend)
        self.scheme = scheme_of_size(scheme)
        config = self.backend.config
        if self.scheme.name not in config.schemes:
            has = ", ".join(str(len(SCHEMES[name])) for name in config.schemes) or "no"
            raise WeightsError(
                f"{weights}: has no head for {scheme} landmarks, only for {has}; choose another --scheme"
            )
        self.attributes = config.attributes if tasks is None else tuple(tasks)
        for name in self.attributes:
            if name not in config.attributes:
                raise WeightsError(
                    f"{weights}: has no head for {name!r}, only for {', '.join(config.attributes) or 'none'}"
                )
        self.detector = create_detector(str(detector)) if isinstance(detector, (str, Path)) else detector
        self.calibration = self.backend.calibration
        self.passes, self.batch_size, self.max_pixels = passes, batch_size, max_pixels
        self.max_faces, self.min_face_size = max_faces, min_face_size
        self.accept_damaged = accept_damaged
        self.nothing = Faces.empty(self.scheme, self.attributes, self.calibrated)
        """What it gives for an image without faces; its fields are those of every result."""
        self.clock = Clock()
        """Seconds of `stream` by stage: read, decode, detect, locate (crops and network)."""

    def settings(self) -> dict:
        """All that its results depend on, beside the images, as JSON takes it."""
        options = {name: value for name, value in vars(self.detector).items() if isinstance(value, (str, int, float))}
        return {
            "version": __version__,
            "weights": self.backend.sha256,
            "locator": self.backend.locator_sha256,
            "backend": self.backend.name,
            "detector": {"name": self.detector.name, **asdict(self.detector.rule), **options},
            "scheme": self.scheme.name,
            "tasks": list(self.attributes),
            "passes": self.passes,
            "max_pixels": self.max_pixels,
            "max_faces": self.max_faces,
            "min_face_size": self.min_face_size,
            "accept_damaged": self.accept_damaged,
        }

    def __call__(self, image: str | Path | bytes | np.ndarray) -> Faces:
        """The faces of one image: a path, the bytes of a file, or (H, W, 3) uint8 RGB. Raises ImageError."""
        if isinstance(image, np.ndarray):
            loaded = images.from_array(image, "array")
        elif isinstance(image, bytes):
            loaded = images.decode(image, "bytes", self.max_pixels, self.accept_damaged)
        else:
            loaded = images.read(image, self.max_pixels, self.accept_damaged)
        name = str(image) if isinstance(image, (str, Path)) else ""
        found = self.detector(loaded.pixels, name).select(self.max_faces, self.min_face_size)
        return self._faces([loaded.pixels], [found.boxes], [found.scores])[0]

    def predict(self, pictures: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[Faces]:
        """Faces whose boxes are known: (H, W, 3) uint8 RGB images and their (n, 4) x0 y0 x1 y1 pixel boxes.

        The boxes are taken as the detector's would be.
        """
        if len(pictures) != len(boxes):
            raise ValueError(f"{len(pictures)} images but {len(boxes)} arrays of boxes")
        pictures = [images.from_array(picture, f"array {i}").pixels for i, picture in enumerate(pictures)]
        boxes = [np.asarray(b, np.float32).reshape(-1, 4) for b in boxes]
        return self._faces(pictures, boxes, [np.full(len(b), np.nan, np.float32) for b in boxes])

    def stream(self, sources: Iterable[str | Path | Source]) -> Iterator[Record]:
        """One record an image, in order, whatever happens to the image; memory does not grow with their number.

        Archives and videos that `landmarks.sources.find` found give a record for each image in them.
        """
        waiting: list[tuple[Record, np.ndarray, np.ndarray]] = []
        named = (source if isinstance(source, Source) else Source(source, str(source)) for source in sources)
        for source in expand(named):
            waiting.append(self._detect(source))
            faces = sum(len(boxes) for _, boxes, _ in waiting)
            pixels = sum(record.width * record.height for record, _, _ in waiting)
            if faces >= self.batch_size or pixels >= MAX_WAITING_PIXELS or len(waiting) >= self.batch_size:
                yield from self._finish(waiting)
                waiting = []
        yield from self._finish(waiting)

    def _detect(self, source: Source) -> tuple[Record, np.ndarray, np.ndarray]:
        """An image's record, still without faces, and the boxes and scores found in it."""
        record = Record(source.name, OK, self.nothing, frame=source.frame, time=source.time)
        try:
            with self.clock("read"):
                content = source.load(images.most_bytes(self.max_pixels))
            with self.clock("decode"):
                image = images.take(content, source.name, self.max_pixels, self.accept_damaged)
            with self.clock("detect"):
                found = self.detector(image.pixels, source.name).select(self.max_faces, self.min_face_size)
        except ImageError as error:
            return replace(record, status=error.status, reason=error.reason), np.zeros((0, 4)), np.zeros(0)
        except Exception as error:  # One image must not end a run of a million.
            return _failed(record, error), np.zeros((0, 4)), np.zeros(0)
        record = replace(
            record, status=OK if len(found) else NO_FACE, reason=image.note, width=image.width, height=image.height,
            orientation=image.orientation, pixels=image.pixels,
        )  # fmt: skip
        return record, found.boxes, found.scores

    def _finish(self, waiting: list[tuple[Record, np.ndarray, np.ndarray]]) -> Iterator[Record]:
        try:
            with self.clock("locate"):
                faces = self._faces(
                    [record.pixels for record, _, _ in waiting],
                    [boxes for _, boxes, _ in waiting],
                    [scores for _, _, scores in waiting],
                )
        except Exception as error:
            if len(waiting) == 1:
                yield _failed(waiting[0][0], error)
            else:  # Whose fault it is shows when each is alone.
                for one in waiting:
                    yield from self._finish([one])
            return
        for (record, _, _), found in zip(waiting, faces):
            yield replace(record, faces=found)

    def _faces(self, pictures: list, boxes: list[np.ndarray], scores: list[np.ndarray]) -> list[Faces]:
        """Faces of each picture, all pictures' faces located together."""
        counts = [len(b) for b in boxes]
        if not sum(counts):
            return [self.nothing for _ in pictures]
        owners = np.repeat(np.arange(len(pictures)), counts)
        with np.errstate(invalid="ignore", over="ignore"):
            squares = self.detector.rule.squares(np.concatenate(boxes), self.backend.config.crop_scale)
            squares[~np.isfinite(squares).all(axis=1)] = np.nan  # Such faces keep NaN.
            found = locate(self.backend, pictures, owners, squares, self.passes, self.batch_size)
            errors, quality = self._certainty(found)
        together = Faces(
            boxes=np.concatenate(boxes),
            points=found.points[self.scheme.name],
            scores=np.concatenate(scores),
            attributes={
                name: AttributeScores(ATTRIBUTES[name], self.calibration.probabilities(name, found.logits[name]))
                for name in self.attributes
            },
            scheme=self.scheme,
            point_errors=errors,
            quality=quality,
        )
        return [together[np.flatnonzero(owners == i)] for i in range(len(pictures))]

    @property
    def calibrated(self) -> bool:
        """Whether results have expected errors and a quality."""
        return self.scheme.name in self.calibration.errors and self.calibration.quality is not None

    def _certainty(self, found: Located) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Expected errors (N, K), NaN of points that are, and quality (N,)."""
        curve = self.calibration.quality
        if not self.calibrated or curve is None:
            return None, None
        errors = {
            name: np.where(
                np.isfinite(found.points[name]).all(axis=-1), of_scheme(found.signs[name]), np.float32("nan")
            )
            for name, of_scheme in self.calibration.errors.items()
        }
        return errors[self.scheme.name], curve(errors[self.backend.config.schemes[0]])


def _failed(record: Record, error: Exception) -> Record:
    """The record of an image on which something failed that should not."""
    text = str(error).strip().splitlines()
    reason = f"failed unexpectedly ({type(error).__name__}{': ' + text[-1] if text else ''})"
    return replace(record, status=ERROR, reason=reason, pixels=None)
