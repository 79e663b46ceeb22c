"""What computes a network: torch, or onnxruntime from an exported file. Both give the same for the same crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from landmarks.device import choose_device, one_thread_for_few
from landmarks.errors import WeightsError
from landmarks.export.file import (
    ERROR_CUES,
    LOCATOR,
    LOGITS,
    NETWORK,
    SUFFIX,
    OnnxFile,
    locator_path,
    parse_onnx,
    read_onnx,
)
from landmarks.export.graph import export_model
from landmarks.inference.config import BACKENDS, ONNX, TORCH
from landmarks.models.calibration import Calibration
from landmarks.models.network import NetworkConfig, predict
from landmarks.models.store import Model, load_model, resolve
from landmarks.schemes import POINTS_5
from landmarks.sessions import open_session


class NetworkOutputs(NamedTuple):
    """What a network gives for N crops; all float32."""

    points: dict[str, np.ndarray]
    """(N, K, 2) crop pixels by scheme."""
    error_cues: dict[str, np.ndarray]
    """(N, K, 2) by scheme: what tells of a point's error, before calibration."""
    logits: dict[str, np.ndarray]
    """(N, C) by attribute."""
    levels: tuple[np.ndarray, ...] = ()
    """(N, 5, 2) crop pixels after each of a cascade's levels but the last one, whose points are `points`."""


class Backend(Protocol):
    """A network that can be run, and what is known about it."""

    name: str
    """`torch` or `onnx`."""
    config: NetworkConfig
    calibration: Calibration
    about: dict[str, Any]
    sha256: str
    """Of the file it came from; empty if from none."""
    locator_sha256: str
    """Of the locator's, where it has a file of its own; else empty."""

    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        """crops: (N, S, S, 3) uint8 RGB, S the config's `input_size`."""
        ...

    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        """The locator. crops: (N, s, s, 3) uint8 RGB, s the config's `locator_size` -> (N, 5, 2) crop pixels."""
        ...


class TorchBackend:
    """A model in torch, on any of its devices. The model's network is moved there, and computes as it is."""

    name = TORCH
    locator_sha256 = ""

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self.device = choose_device(device)
        self.network = model.network.to(self.device)
        self.config, self.calibration = self.network.config, model.calibration
        self.about, self.sha256 = model.about, model.sha256

    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        with one_thread_for_few(len(crops)):
            prediction = predict(self.network, self._tensor(crops))
        points, cues, logits = ({name: value.cpu().numpy() for name, value in field.items()} for field in prediction)
        return NetworkOutputs(points, cues, logits)

    @torch.inference_mode()
    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        assert self.network.locator is not None
        with one_thread_for_few(len(crops)):
            return self.network.locator(self._tensor(crops)).cpu().numpy()

    def _tensor(self, crops: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(crops).to(self.device)


class OnnxBackend:
    """An exported network in onnxruntime, on the CPU, with as many threads as torch uses.

    Raises WeightsError if the graphs are not those of one network or lack an output.
    """

    name = ONNX

    def __init__(self, network: OnnxFile, locator: OnnxFile | None = None, source: str = "the export") -> None:
        if network.part != NETWORK:
            raise WeightsError(f"{source}: holds a {network.part}; give the network's file, which lies beside it")
        if (locator is None) == bool(network.config.locator_size):
            raise WeightsError(f"{source}: its locator, {locator_path(source).name}, is not beside it")
        if locator and (locator.part, locator.weights_sha256) != (LOCATOR, network.weights_sha256):
            raise WeightsError(f"{locator_path(source)}: is not the locator of {source}; export both together")
        self.config, self.calibration = network.config, network.calibration
        self.about, self.sha256 = network.about, network.sha256
        self.locator_sha256 = locator.sha256 if locator else ""
        self._session = open_session(network.graph, source)
        self._locator = open_session(locator.graph, str(locator_path(source))) if locator else None
        given = {output.name for output in self._session.get_outputs()}
        missing = sorted(set(self._names) - given)
        if missing:
            raise WeightsError(f"{source}: lacks the output {missing[0]}; export it again with `landmarks export`")

    @classmethod
    def open(cls, path: str | Path) -> OnnxBackend:
        """From a file, its locator beside it. Raises WeightsError."""
        beside = locator_path(path)
        network = read_onnx(path)
        return cls(network, read_onnx(beside) if network.config.locator_size and beside.is_file() else None, str(path))

    @classmethod
    def of(cls, model: Model) -> OnnxBackend:
        """From a model, exported in memory, which takes some seconds. Raises LandmarksError."""
        files = {part: parse_onnx(graph, part) for part, graph in export_model(model, (NETWORK, LOCATOR)).parts.items()}
        backend = cls(files[NETWORK], files.get(LOCATOR))
        backend.sha256, backend.locator_sha256 = model.sha256, ""
        return backend

    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        values = iter(self._session.run(self._names, {"crops": crops}))
        schemes, attributes = self.config.schemes, self.config.attributes
        points, cues, logits = (dict(zip(names, values)) for names in (schemes, schemes, attributes))
        return NetworkOutputs(points, cues, logits)

    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        assert self._locator is not None
        return self._locator.run([POINTS_5.name], {"crops": crops})[0]

    @property
    def _names(self) -> list[str]:
        """The outputs that `NetworkOutputs` is made of, in its order."""
        schemes = self.config.schemes
        return [*schemes, *(name + ERROR_CUES for name in schemes), *(name + LOGITS for name in self.config.attributes)]


def load_backend(weights: str | Path | Model | Backend, device: str = "auto", backend: str | None = None) -> Backend:
    """What runs some weights: a shipped name, a weights file, an exported file or a model in memory. A backend is
    given back as it is.

    backend: `torch` or `onnx`; None: onnx for an exported file, torch for all else. With `onnx` other weights are
    exported first, in memory. device: `auto`, or one of torch's; onnx computes on the CPU.

    Raises WeightsError if the weights cannot be loaded or run so, LandmarksError if the extra `onnx` is missing, and
    ValueError for an unknown backend or device.
    """
    if backend not in (None, *BACKENDS):
        raise ValueError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}")
    if not isinstance(weights, (str, Path, Model)):
        return weights
    exported = not isinstance(weights, Model) and resolve(weights).suffix == SUFFIX
    if exported and backend == TORCH:
        raise WeightsError(f"{weights}: torch cannot run an exported network; give the weights it was made from")
    if (exported or backend == ONNX) and device not in ("auto", "cpu"):
        raise ValueError(f"device {device!r}: exported networks are run on the CPU; leave --device out")
    if isinstance(weights, (str, Path)):
        if exported:
            return OnnxBackend.open(weights)
        weights = load_model(weights)
    if backend == ONNX:
        return OnnxBackend.of(weights)
    weights.network.fuse()
    return TorchBackend(weights, device)
