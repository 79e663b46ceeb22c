"""All that can be chosen about an Annotator, as one value that can be checked, compared and sent to a worker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from landmarks import images
from landmarks.detection.base import Detector
from landmarks.device import AUTO
from landmarks.errors import WeightsError
from landmarks.inference.choice import DEFAULT_DETECTOR, DEFAULT_WEIGHTS, check_backend, modules
from landmarks.schemes import SCHEMES, Scheme, scheme_of_size

if TYPE_CHECKING:
    from landmarks.inference.annotator import Annotator
    from landmarks.inference.backend import Backend
    from landmarks.models.config import NetworkConfig
    from landmarks.models.store import Model

PASSES = 2
"""The second pass crops again, upright, from the points of the first, so that results hardly depend on the box. The
first is the locator's, where the network has one."""


@dataclass(frozen=True)
class AnnotatorConfig:
    """The options of an Annotator. Raises ValueError for values that cannot be meant.

    Nothing is loaded before `create`. A config of names and numbers can be pickled, so that every worker process makes
    an Annotator of its own.
    """

    weights: str | Path | Model | Backend = DEFAULT_WEIGHTS
    """Shipped weights by name, a weights file, an exported .onnx file, a loaded model or a backend."""
    detector: str | Path | Detector = DEFAULT_DETECTOR
    """`facegrid`, `centerface`, `yunet`, `whole-image`, a CSV file of boxes, an exported detector, or a Detector;
    `yunet:320` sets the longest side."""
    scheme: int = 5
    """Number of landmarks, 5 or 68."""
    device: str = AUTO
    """`auto`, `cpu`, `cuda`, `cuda:1`, ...; several, with commas, are shared out among workers."""
    tasks: Sequence[str] | None = None
    """Attributes that results hold; None for all that the network has."""
    passes: int = PASSES
    """How often a face is cropped."""
    batch_size: int = 64
    """Maximum faces per forward pass."""
    max_pixels: int = images.MAX_PIXELS
    """Images with more pixels are not decoded."""
    max_faces: int | None = None
    """Maximum faces per image, largest first; None for all."""
    min_face_size: float = 0.0
    """Faces smaller than this are skipped: sqrt(width x height) of the box, in pixels."""
    backend: str | None = None
    """`torch` or `onnx`; None for onnx with an exported file and, on the CPU, with shipped weights that come with an
    export; for torch with all else."""
    accept_damaged: bool = False
    """Take what can be decoded of damaged images; the reason of their records says so."""
    exact: bool = False
    """Decode every file whole. Else a JPEG is decoded to a quarter of its sides or less where the detector sees no more
    of it, and again as far as its smallest face needs; points move a little (docs/annotate.md says how much)."""
    keep_pixels: bool = True
    """Records of `stream` have their image's pixels."""

    def __post_init__(self) -> None:
        scheme_of_size(self.scheme)
        if self.passes < 1 or self.batch_size < 1 or (self.max_faces is not None and self.max_faces < 1):
            raise ValueError("passes, batch_size and max_faces must be at least 1")
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1, not {self.max_pixels}")
        if not 0 <= self.min_face_size < math.inf:
            raise ValueError(f"min_face_size is a number of pixels, not {self.min_face_size}")
        check_backend(self.backend)
        if isinstance(self.tasks, str):
            raise ValueError(f"tasks is a list of names, such as [{self.tasks!r}], not one name")
        if self.tasks is not None:
            object.__setattr__(self, "tasks", tuple(self.tasks))

    def options(self) -> dict[str, Any]:
        """The value of each field by its name: the arguments of `Annotator`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def preload(self) -> tuple[str, ...]:
        """The modules that worker processes import before they are given a config. Raises WeightsError."""
        return modules(self.weights, self.device, self.backend)

    def for_worker(self, number: int) -> AnnotatorConfig:
        """The same with one device: the workers, numbered from 0, take those named in turn."""
        devices = self.device.split(",")
        return replace(self, device=devices[number % len(devices)].strip())

    def create(self, worker: int = 0) -> Annotator:
        """Make the Annotator of a worker. Raises the errors of `Annotator`."""
        from landmarks.inference.annotator import Annotator

        return Annotator.from_config(self.for_worker(worker))


def chosen_heads(config: AnnotatorConfig, network: NetworkConfig) -> tuple[Scheme, tuple[str, ...]]:
    """The landmarks of a network that are wanted, and the names of its attributes and quantities that are.

    Raises WeightsError if the network has no head for one.
    """
    scheme, known = scheme_of_size(config.scheme), (*network.attributes, *network.quantities)
    if scheme.name not in network.schemes:
        has = ", ".join(str(len(SCHEMES[name])) for name in network.schemes) or "no"
        raise WeightsError(
            f"{config.weights}: has no head for {len(scheme)} landmarks, only for {has}; choose another --scheme"
        )
    for name in config.tasks or ():
        if name not in known:
            raise WeightsError(f"{config.weights}: has no head for {name!r}, only for {', '.join(known) or 'none'}")
    return scheme, known if config.tasks is None else tuple(config.tasks)
