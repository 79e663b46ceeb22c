"""What computes a network: torch, or onnxruntime from an exported file. A network gives the same in both, but for what
eight bits lose: docs/annotate.md says how much that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from landmarks.device import AUTO, CPU
from landmarks.inference.choice import ONNX, check_backend, exported_file
from landmarks.models.calibration import Calibration
from landmarks.models.config import NetworkConfig

if TYPE_CHECKING:
    from landmarks.models.store import Model


class NetworkOutputs(NamedTuple):
    """What a network gives for N crops; all float32."""

    points: dict[str, np.ndarray]
    """(N, K, 2) crop pixels by scheme."""
    error_cues: dict[str, np.ndarray]
    """(N, K, 2) by scheme: what tells of a point's error, before calibration."""
    logits: dict[str, np.ndarray]
    """(N, C) by attribute."""
    values: dict[str, np.ndarray]
    """(N,) in its unit by quantity."""
    levels: tuple[np.ndarray, ...] = ()
    """(N, 5, 2) crop pixels after each of a cascade's levels but the last one, whose points are `points`."""


class Backend(Protocol):
    """A network that can be run, and what is known about it."""

    name: str
    """`torch` or `onnx`."""
    precision: str
    """`float32` or `int8`."""
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


def load_backend(weights: str | Path | Model | Backend, device: str = AUTO, backend: str | None = None) -> Backend:
    """What runs some weights: a shipped name, a weights file, an exported file or a model in memory. A backend is
    given back as it is.

    backend: `torch` or `onnx`; None: onnx for an exported file and, where the device is the CPU, for shipped weights
    that come with an export; torch for all else. With `onnx` weights without an export are exported first, in memory.
    device: `auto`, or one of torch's; onnx computes on the CPU.

    Raises WeightsError if the weights cannot be loaded or run so, LandmarksError if the extra `onnx` is missing, and
    ValueError for an unknown backend or device.
    """
    check_backend(backend)
    export = exported_file(weights, device, backend) if isinstance(weights, (str, Path)) else None
    if (export or backend == ONNX) and device not in (AUTO, CPU):
        raise ValueError(f"device {device!r}: exported networks are run on the CPU; leave --device out")
    if export:
        from landmarks.inference.onnx_backend import OnnxBackend

        return OnnxBackend.open(export)
    from landmarks.models.store import Model, load_model

    model = load_model(weights) if isinstance(weights, (str, Path)) else weights
    if not isinstance(model, Model):
        return model
    if backend == ONNX:
        from landmarks.inference.onnx_backend import OnnxBackend

        return OnnxBackend.of(model)
    from landmarks.inference.torch_backend import TorchBackend

    model.network.fuse()
    return TorchBackend(model, device)
