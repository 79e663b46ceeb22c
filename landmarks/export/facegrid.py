"""A face detector as an ONNX graph in eight bits that takes a picture's own bytes.

The graph is built layer by layer, as eight bits want it: the bytes themselves are the stem's quantised input, four
pixels side by side as twelve channels, so that nothing is moved or computed before the first convolution. The heads
stay in floating point, or places would fall on a coarse grid.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from landmarks.atomic import replacing
from landmarks.datasets.photographs import read_photographs
from landmarks.detection.search import shrink
from landmarks.errors import DataError, ImageError, LandmarksError
from landmarks.models.facegrid import CENTRE, KIND, SPREAD, STRIDES, FaceGrid, load_facegrid
from landmarks.models.files import KEY
from landmarks.sessions import require

INPUT = "pixels"
"""(1, H, W / 4, 12) uint8: a picture (H, W, 3), sides multiples of 64, as it lies in memory."""
ZERO_POINT = 128
"""The byte that is zero to the stem; what it is off CENTRE is in the stem's bias."""
OPSET = 17
FORMAT = 1
PHOTOGRAPHS, MAX_SIDE = 64, 640
"""How many training photographs of a dataset give the ranges, and the long side at which they are seen."""


class _Graph:
    """Nodes and numbers of a graph that grows."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.numbers: list[Any] = []

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def number(self, name: str, value: np.ndarray) -> str:
        self.numbers.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def convolution(self, x: str, name: str, layer: nn.Conv2d, pads: Sequence[int] | None = None) -> str:
        """pads: top, left, bottom, right."""
        assert layer.bias is not None
        weight = self.number(f"{name}.weight", layer.weight.detach().numpy())
        bias = self.number(f"{name}.bias", layer.bias.detach().numpy())
        around = [layer.kernel_size[0] // 2] * 4
        return self.add("Conv", [x, weight, bias], name, strides=list(layer.stride), pads=list(pads or around))

    def block(self, x: str, name: str, layers: nn.Module, pads: Sequence[int] | None = None) -> str:
        """Convolutions and what follows each."""
        assert isinstance(layers, nn.Sequential)
        if isinstance(layers[0], nn.Sequential):
            for i, inner in enumerate(layers):
                x = self.block(x, f"{name}.{i}", inner)
            return x
        assert isinstance(layers[0], nn.Conv2d)
        return self.add("Relu", [self.convolution(x, f"{name}.conv", layers[0], pads)], name)


def export_facegrid(weights: str | Path, out: str | Path, data: Sequence[str | Path]) -> Path:
    """Write a detector's weights as NAME.int8.onnx, which `--detector` runs; whole or not at all.

    out: a file ending in .onnx, or a folder; data: photographs with boxes (`read_photographs`), on whose training part
    the ranges of the maps are measured. Raises WeightsError, DataError, or LandmarksError without the extra `onnx`.
    """
    weights, out = Path(weights), Path(out)
    path = out if out.suffix == ".onnx" and not out.is_dir() else out / f"{weights.stem}.int8.onnx"
    network, about = load_facegrid(weights)
    if not data:
        raise DataError("eight bits need photographs to measure their ranges on; name some with --data")
    pictures = (picture for folder in data for picture in _photographs(folder))
    header = {
        "format": FORMAT, "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "config": asdict(network.config), "about": about,
    }  # fmt: skip
    graph = quantised_graph(network, pictures, header)
    try:
        with replacing(path) as partial:
            partial.write_bytes(graph)
    except OSError as error:
        raise LandmarksError(f"{path}: cannot be written ({error.strerror})") from error
    return path


def _photographs(folder: str | Path) -> Iterator[np.ndarray]:
    """Training photographs as the detector sees them."""
    photographs = read_photographs(folder)
    names = np.random.default_rng(0).permutation(photographs.names("train"))[:PHOTOGRAPHS]
    if not len(names):
        raise DataError(f"{folder}: no training photograph to measure ranges on")
    for name in names:
        try:
            pixels, _ = shrink(photographs.pixels(str(name)), MAX_SIDE)
        except ImageError:
            continue
        height, width = pixels.shape[:2]
        yield cv2.copyMakeBorder(pixels, 0, -height % STRIDES[-1], 0, -width % STRIDES[-1], cv2.BORDER_CONSTANT)


def float_graph(network: FaceGrid) -> bytes:
    """The network on `normalised` pixels: one output (1, 15, H / stride, W / stride) a grid."""
    onnx = require("onnx")
    folded, graph = network.folded(), _Graph(onnx)
    x = graph.block(INPUT, "stem", nn.Sequential(_stem(folded), nn.Identity(), nn.ReLU()), [0, 0, 2, 1])
    x8 = graph.block(x, "down8", folded.down8)
    x16 = graph.block(x8, "down16", folded.down16)
    x32 = graph.block(x16, "down32", folded.down32)
    x64 = graph.block(x32, "down64", folded.down64)
    twice = graph.number("twice", np.array([1, 1, 2, 2], np.float32))

    def joined(fine: str, coarse: str, stride: int) -> str:
        up = graph.block(coarse, f"up{stride}", getattr(folded, f"up{stride}"))
        larger = graph.add(
            "Resize", [up, "", twice], f"larger{stride}",
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        return graph.block(
            graph.add("Add", [fine, larger], f"sum{stride}"), f"merge{stride}", getattr(folded, f"merge{stride}")
        )

    x32 = joined(x32, x64, 32)
    x16 = joined(x16, x32, 16)
    x8 = joined(x8, x16, 8)
    for x, stride, head in zip((x8, x16, x32, x64), STRIDES, folded.heads):
        assert isinstance(head, nn.Conv2d)
        graph.convolution(x, f"grid{stride}", head)
    helper, numbers = onnx.helper, onnx.TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(f"grid{s}", numbers, [1, 15, f"h{s}", f"w{s}"]) for s in STRIDES]
    inputs = [helper.make_tensor_value_info(INPUT, numbers, [1, 12, "h", "w"])]
    made = helper.make_graph(graph.nodes, KIND, inputs, outputs, graph.numbers)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def quantised_graph(network: FaceGrid, pictures: Iterable[np.ndarray], header: dict[str, Any]) -> bytes:
    """The network in eight bits on a picture's bytes; see INPUT.

    pictures: (H, W, 3) uint8 RGB, sides multiples of 64, such as it will see: the ranges of its maps are taken from
    them. header: facts for the file. Weights have seven bits, as processors without 8-bit instructions of their own
    add up pairs of products in 16 bits. Raises LandmarksError if the extra `onnx` is not installed.
    """
    onnx, quantization = require("onnx"), require("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[name-defined]
        feeds = ({INPUT: normalised(picture)} for picture in pictures)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self.feeds, None)

    level = logging.root.level
    logging.root.setLevel(logging.ERROR)  # it recommends a preparation that the graph does not need
    try:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
            source.write_bytes(float_graph(network))
            quantization.quantize_static(
                source, target, Reader(), quant_format=quantization.QuantFormat.QDQ,
                per_channel=True, reduce_range=True,
                nodes_to_exclude=[f"grid{stride}" for stride in STRIDES],
                activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            )  # fmt: skip
            model = onnx.load_model_from_string(target.read_bytes())
    finally:
        logging.root.setLevel(level)
    _take_bytes(model, onnx)
    onnx.helper.set_model_props(model, {KEY: json.dumps({"kind": KIND, "precision": "int8", **header})})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def normalised(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (1, 12, H, W / 4) float32 as `float_graph` takes it: four pixels side by side a column."""
    height, width = picture.shape[:2]
    fours = picture.reshape(1, height, width // 4, 12).transpose(0, 3, 1, 2)
    return (fours.astype(np.float32) - ZERO_POINT) / SPREAD


def _stem(folded: FaceGrid) -> nn.Conv2d:
    """The stem on fours of pixels: a quarter of the columns, the left pixel's channels first. Its six columns become
    two of four, the last two of them zero."""
    layer = folded.stem[0]
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    width = layer.out_channels
    stem = nn.Conv2d(12, width, (6, 2), (4, 1))
    eight = F.pad(layer.weight.detach(), (0, 2))
    weight = eight.view(width, 3, 6, 2, 4).permute(0, 4, 1, 2, 3).reshape(width, 12, 6, 2)
    shift = (ZERO_POINT - CENTRE) / SPREAD
    with torch.no_grad():
        stem.weight.copy_(weight)
        assert stem.bias is not None
        stem.bias.copy_(layer.bias + shift * weight.sum(dim=(1, 2, 3)))
    return stem


def _take_bytes(model: Any, onnx: Any) -> None:
    """Make the quantised input the picture's bytes: (value - ZERO_POINT) / SPREAD is what eight bits mean by them."""
    graph, helper = model.graph, onnx.helper
    first = next(node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] == INPUT)
    for name, value in zip(first.input[1:], (np.float32(1 / SPREAD), np.uint8(ZERO_POINT))):
        old = next(number for number in graph.initializer if number.name == name)
        old.CopyFrom(onnx.numpy_helper.from_array(np.asarray(value).reshape(tuple(old.dims)), name))
    # Channels last is how eight-bit convolutions are computed: this turn is one that the runtime need not make.
    turn = helper.make_node("Transpose", [INPUT], [first.output[0]], perm=[0, 3, 1, 2])
    graph.node.remove(first)
    nodes = [turn, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, [1, "h", "w", 12]))
