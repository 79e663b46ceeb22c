"""Static int8: the convolutions and the projection of an exported graph in eight bits, a scale a channel.

The heads stay in floating point: in 256 steps, a point that is a number would fall on a grid of a third of a pixel.
Weights take seven of the eight bits: processors without VNNI add two products of eight bits each in sixteen, which
overflows (docs/networks.md has the figures), and with them the graph gives the same numbers on all processors.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from landmarks.models.files import KEY
from landmarks.sessions import require

HEADS = ("network.heads.", "network.errors.", "locator.head.", "network.locator.head.")
"""What the names of the weights begin with that stay in floating point."""


def quantise(graph: bytes, batches: Iterable[dict[str, np.ndarray]]) -> bytes:
    """An exported float graph -> the same in int8, its ranges those seen in batches of what it takes, by name.

    Raises LandmarksError if the extra `onnx` is not installed.
    """
    onnx, quantization = require("onnx"), require("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        feeds = iter(batches)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    proto = onnx.load_model_from_string(graph)
    heads = [node.name for node in proto.graph.node if any(name.startswith(HEADS) for name in node.input)]
    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it recommends a preparation that the exporter has made
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            source.write_bytes(graph)
            quantization.quantize_static(
                source, target, Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                op_types_to_quantize=["Conv", "Gemm"], nodes_to_exclude=heads,
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
                reduce_range=True,
            )  # fmt: skip
            result = onnx.load_model_from_string(target.read_bytes())
    finally:
        logging.root.setLevel(level)
    header = json.loads({entry.key: entry.value for entry in proto.metadata_props}[KEY])
    del result.metadata_props[:]
    onnx.helper.set_model_props(result, {KEY: json.dumps(header | {"precision": "int8"})})
    return result.SerializeToString()
