"""A network as ONNX graphs that need nothing but pixels: resizing, normalisation, decoding and calibration inside.

The graph `network` takes `crops`, (N, H, W, 3) uint8 RGB of any size, one face each. It resizes them bilinearly, with
antialiasing where they shrink, pixel centres at integers: x_out = (x_in + 0.5) * S / W - 0.5; a crop of the network's
own size passes unchanged. `locator` finds five points in rough crops. `face` takes images and detectors' boxes and
makes both passes, cropping inside. `landmarks.export.header` says what comes out.
"""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from landmarks import __version__
from landmarks.errors import LandmarksError
from landmarks.export.file import ERROR_CUES, ERRORS, FACE, LOCATOR, LOGITS, NETWORK, PARTS, QUALITY
from landmarks.export.header import header
from landmarks.export.sampling import cut, first_squares, squares_of, to_image
from landmarks.geometry import FACE_BOX
from landmarks.models.calibration import Calibration, Softmax
from landmarks.models.files import KEY
from landmarks.models.network import Locator, Network, predict, quantity_heads
from landmarks.models.store import Model
from landmarks.schemes import POINTS_5, SCHEMES
from landmarks.sessions import open_session, require

OLDEST_TORCH = "2.6"
"""2.5 takes all that an export is asked, and fails in it."""
OPSET = 18
"""The first whose Resize can antialias."""
TOLERANCE = 0.01
"""How far an output of the graph may be from torch's: points in pixels of the crop, quantities in standard deviations,
all else in their own units."""
DIGITS = 1e4
"""A quantity whose mean is so many deviations or more from 0 is no more exact than 32 bits tell such numbers apart."""


class Reader(nn.Module):
    """Network and calibration: what is read from crops of the network's own size."""

    def __init__(self, network: Network, calibration: Calibration) -> None:
        super().__init__()
        self.network, self.calibration = network, calibration

    def read(self, crops: Tensor, back: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """crops: (N, S, S, 3), 0 to 255, S the network's `input_size`; back: takes points (N, K, 2) from their pixels
        to those of what was given."""
        config, calibration = self.network.config, self.calibration
        seen = predict(self.network, crops)
        outputs = {}
        for name in config.schemes:
            outputs[name] = back(seen.points[name])
            outputs[name + ERROR_CUES] = seen.error_cues[name]
            if name in calibration.errors:
                curve = calibration.errors[name]
                factors = torch.tensor([curve.expected, curve.spread])
                log = curve.constant + (seen.error_cues[name] * factors).sum(dim=-1)
                outputs[name + ERRORS] = log.clamp(-12, 3).exp()
        for name in config.attributes:
            outputs[name + LOGITS] = seen.logits[name]
            softmax = calibration.attributes.get(name, Softmax())
            bias = torch.tensor(softmax.bias) if softmax.bias else 0.0
            outputs[name] = torch.softmax((seen.logits[name] + bias) / softmax.temperature, dim=1)
        outputs |= seen.values
        if calibration.quality is not None and config.schemes[0] + ERRORS in outputs:
            mean_log = outputs[config.schemes[0] + ERRORS].clamp_min(1e-6).log().mean(dim=1)
            outputs[QUALITY] = torch.sigmoid(calibration.quality.constant + calibration.quality.slope * mean_log)
        return outputs


class WholeNetwork(Reader):
    """What `network` computes."""

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops: (N, H, W, 3) uint8 RGB -> outputs by name."""
        size = self.network.config.input_size
        return self.read(resize(crops, size), lambda points: to_crop(points, crops, size))


class WholeLocator(nn.Module):
    """What `locator` computes."""

    def __init__(self, locator: Locator) -> None:
        super().__init__()
        self.locator = locator

    def forward(self, crops: Tensor) -> dict[str, Tensor]:
        """crops: (N, H, W, 3) uint8 RGB -> `points_5`: (N, 5, 2) in pixels of the crop given."""
        size = self.locator.size
        return {POINTS_5.name: to_crop(self.locator(resize(crops, size)), crops, size)}


class WholeFace(Reader):
    """What `face` computes: both passes, as `landmarks.inference.locate` makes them."""

    def forward(self, images: Tensor, boxes: Tensor) -> dict[str, Tensor]:
        """images: (N, H, W, 3) or (1, H, W, 3) uint8 RGB; boxes: (N, 4) -> outputs by name, points in image pixels.

        A box that is not finite gives points and errors that are NaN and quality 0.
        """
        config = self.network.config
        squares = self._second_squares(images, first_squares(boxes, FACE_BOX, config.crop_scale))
        crops = cut(images, squares, config.input_size)
        outputs = self.read(crops, lambda points: to_image(points, squares, config.input_size))
        lost = ((squares - squares) != 0).any(dim=1)
        for name in config.schemes:
            if name + ERRORS in outputs:
                outputs[name + ERRORS] = torch.where(lost[:, None], float("nan"), outputs[name + ERRORS])
        if QUALITY in outputs:
            outputs[QUALITY] = torch.where(lost, 0.0, outputs[QUALITY])
        return outputs

    def _second_squares(self, images: Tensor, squares: Tensor) -> Tensor:
        """The first pass, the locator's or else the network's: (N, 5) -> (N, 5)."""
        config, locator = self.network.config, self.network.locator
        if locator is not None:
            scheme, size = POINTS_5, locator.size
            points = locator(cut(images, squares, size))
        else:
            scheme, size = SCHEMES[config.schemes[0]], config.input_size
            points = predict(self.network, cut(images, squares, size)).points[scheme.name]
        return squares_of(to_image(points, squares, size), scheme, config.crop_scale)


def resize(crops: Tensor, size: int) -> Tensor:
    """crops: (N, H, W, 3) uint8 -> (N, size, size, 3) float32, 0 to 255."""
    planes = crops.permute(0, 3, 1, 2).float()
    planes = functional.interpolate(planes, (size, size), mode="bilinear", align_corners=False, antialias=True)
    return planes.permute(0, 2, 3, 1)


def to_crop(points: Tensor, crops: Tensor, size: int) -> Tensor:
    """points: (N, K, 2) in pixels of the resized crops -> in pixels of the crops given."""
    height, width = crops.shape[1:3]
    x, y = (points[..., 0] + 0.5) * (width / size) - 0.5, (points[..., 1] + 0.5) * (height / size) - 0.5
    return torch.stack([x, y], dim=-1)


@dataclass(frozen=True)
class Graphs:
    """A network's ONNX files in memory."""

    parts: dict[str, bytes]
    """`network`; `locator` where there is one; `face` where there are landmarks."""
    parity: float
    """Largest distance of a point from torch's, pixels of the crop or image given."""


def export_model(model: Model, wanted: Collection[str] = PARTS) -> Graphs:
    """Export those parts of a model that are wanted and there, and compare the graphs with torch on seeded crops.

    Raises LandmarksError if a package of the extra is missing or if the graphs say something else than torch does.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package)
    if torch.__version__ < OLDEST_TORCH:  # It compares as a version.
        raise LandmarksError(
            f"torch {torch.__version__} is too old to export networks; install {OLDEST_TORCH} or a newer one"
        )
    network = copy.deepcopy(model.network).cpu().float().fuse()
    modules: dict[str, nn.Module] = {NETWORK: WholeNetwork(network, model.calibration)}
    if network.locator is not None:
        modules[LOCATOR] = WholeLocator(network.locator)
    if network.config.schemes:
        modules[FACE] = WholeFace(network, model.calibration)
    modules = {part: module.eval() for part, module in modules.items() if part in wanted}
    parts = {part: _graph(module, header(model, part)) for part, module in modules.items()}
    parity = max(_compare(part, module, parts[part], network.config.input_size) for part, module in modules.items())
    return Graphs(parts, parity)


def _graph(module: nn.Module, facts: dict[str, Any]) -> bytes:
    """The ONNX file of a module that maps pictures to named outputs."""
    part = facts["part"]
    # Sizes that no constant of a network equals. A locator's N images and a face's N boxes are the rows of the outputs.
    example = {name: torch.from_numpy(value) for name, value in seeded_inputs(part, 2, 97, 113).items()}
    pictures = {
        axis: torch.export.Dim(name, min=low) for axis, (name, low) in enumerate((("N", 1), ("H", 2), ("W", 2)))
    }
    sizes = {"crops": pictures}
    if part == FACE:
        sizes = {"images": pictures | {0: torch.export.Dim("images", min=1)}, "boxes": {0: pictures[0]}}
    names = list(module(**example))
    logger, level = logging.getLogger("torch.onnx"), logging.getLogger("torch.onnx").level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter warns of its own parts
            program = torch.onnx.export(
                module, tuple(example.values()), input_names=list(example), output_names=names, opset_version=OPSET,
                dynamo=True, dynamic_shapes=sizes, verbose=False,
            )  # fmt: skip
    finally:
        logger.setLevel(level)
    assert program is not None
    proto = program.model_proto
    graph = proto.graph
    for entry in (*graph.node, *graph.value_info, *graph.initializer, *graph.input, *graph.output, graph):
        del entry.metadata_props[:]  # where each line of our source lies on this machine
    for given in graph.input:
        given.doc_string = facts["inputs"][given.name]
    for output in graph.output:
        output.doc_string = facts["outputs"][output.name]["meaning"]
    proto.producer_name, proto.producer_version = KEY, __version__
    require("onnx").helper.set_model_props(proto, {KEY: json.dumps(facts)})
    return proto.SerializeToString()


def _compare(part: str, module: nn.Module, graph: bytes, size: int) -> float:
    """Largest distance between a module's points and its graph's; raises LandmarksError beyond the tolerance."""
    session = open_session(graph, "the exported graph")
    names = [output.name for output in session.get_outputs()]
    heads = quantity_heads(module.network) if isinstance(module, Reader) else {}
    scales = {name: max(float(head.scale), abs(float(head.mean)) / DIGITS) for name, head in heads.items()}
    farthest = 0.0
    for shape in ((7, size, size), (1, size, size), (3, 2 * size, size + 5), (2, size // 2, size)):
        inputs = seeded_inputs(part, *shape)
        with torch.inference_mode():
            given = {name: torch.from_numpy(value) for name, value in inputs.items()}
            expected = {name: value.numpy() for name, value in module(**given).items()}
        for name, value in zip(names, session.run(names, inputs)):
            difference = float(np.abs(value - expected[name]).max()) / scales.get(name, 1.0)
            if not difference <= TOLERANCE:
                raise LandmarksError(f"the exported graph differs from torch by {difference:.3g} in {name}")
            if name in SCHEMES:
                farthest = max(farthest, float(np.linalg.norm(value - expected[name], axis=-1).max()))
    return farthest


def seeded_inputs(part: str, count: int, height: int, width: int) -> dict[str, np.ndarray]:
    """What a graph takes, the same in every run: pictures and, for `face`, a box in each."""
    crops = seeded_crops(count, height, width)
    if part != FACE:
        return {"crops": crops}
    shares = np.random.default_rng(0).uniform((0.1, 0.1, 0.6, 0.6), (0.4, 0.4, 0.9, 0.9), (count, 4))
    return {"images": crops, "boxes": (shares * [width, height, width, height]).astype(np.float32)}


def seeded_crops(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """(count, height, width, 3) uint8: soft coloured noise, the same in every run."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 6, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(crop, (width, height), interpolation=cv2.INTER_CUBIC) for crop in coarse])
