"""An exported network in onnxruntime, as a back end. torch is imported only where a network is still to be exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from landmarks.errors import WeightsError
from landmarks.export.file import ERROR_CUES, LOCATOR, LOGITS, NETWORK, OnnxFile, locator_path, parse_onnx, read_onnx
from landmarks.inference.backend import NetworkOutputs
from landmarks.inference.choice import ONNX
from landmarks.schemes import POINTS_5

if TYPE_CHECKING:
    from landmarks.models.store import Model


class OnnxBackend:
    """An exported network in onnxruntime, on the CPU, with as many threads as `landmarks.device.thread_count` says.

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
        self.precision = network.precision
        self._session, self._locator = network.session, locator.session if locator else None
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
        from landmarks.export.graph import export_model

        files = {part: parse_onnx(graph, part) for part, graph in export_model(model, (NETWORK, LOCATOR)).parts.items()}
        backend = cls(files[NETWORK], files.get(LOCATOR))
        backend.sha256, backend.locator_sha256 = model.sha256, ""
        return backend

    def run_network(self, crops: np.ndarray) -> NetworkOutputs:
        found = iter(self._session.run(self._names, {"crops": crops}))
        schemes, others = self.config.schemes, (self.config.attributes, self.config.quantities)
        points, cues, logits, values = (dict(zip(names, found)) for names in (schemes, schemes, *others))
        return NetworkOutputs(points, cues, logits, values)

    def run_locator(self, crops: np.ndarray) -> np.ndarray:
        assert self._locator is not None
        return self._locator.run([POINTS_5.name], {"crops": crops})[0]

    @property
    def _names(self) -> list[str]:
        """The outputs that `NetworkOutputs` is made of, in its order."""
        schemes, logits = self.config.schemes, (name + LOGITS for name in self.config.attributes)
        return [*schemes, *(name + ERROR_CUES for name in schemes), *logits, *self.config.quantities]
