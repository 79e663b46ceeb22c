"""Exported networks, read with the caution due to a file from anywhere: bounded, whole, ours, with nothing outside."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landmarks.config import build
from landmarks.errors import LandmarksError, WeightsError
from landmarks.models.calibration import Calibration
from landmarks.models.config import NetworkConfig
from landmarks.models.files import KEY, ONNX_SUFFIX, is_shipped, read_verified
from landmarks.sessions import CURE, open_session, require

FORMAT = 1
NETWORK, LOCATOR, FACE = PARTS = "network", "locator", "face"
"""The graphs of a network: it alone, its locator, and both passes in one. Their files lie beside each other, see
`part_path`."""
ERROR_CUES, ERRORS, LOGITS = "_signs", "_errors", "_logits"
"""What the names of a scheme's error cues and expected errors and an attribute's logits end in."""
QUALITY = "quality"


@dataclass(frozen=True)
class OnnxFile:
    """An exported graph, ready to run, and what its file says about it."""

    session: Any
    """The graph in onnxruntime, open."""
    part: str
    """`network`, `locator` or `face`."""
    config: NetworkConfig
    calibration: Calibration
    about: dict[str, Any]
    """Facts about the weights, as in their file."""
    precision: str
    """`float32` or `int8`."""
    weights_sha256: str
    """Of the weights file that was exported."""
    sha256: str
    """Of this file."""


def part_path(path: str | Path, part: str) -> Path:
    """Where a part lies that belongs to a network's file: NAME.onnx itself or NAME.PART.onnx."""
    return Path(path) if part == NETWORK else Path(path).with_suffix(f".{part}{ONNX_SUFFIX}")


def locator_path(path: str | Path) -> Path:
    """Where the locator lies that belongs to a network's file: NAME.onnx -> NAME.locator.onnx."""
    return part_path(path, LOCATOR)


def read_onnx(path: str | Path) -> OnnxFile:
    """Read an exported file. Raises WeightsError if it is not a whole one of this package, and LandmarksError if the
    extra `onnx` is not installed, which only files need that did not come with the package."""
    path = Path(path)
    data, sha256 = read_verified(path)
    if not is_shipped(path):
        return parse_onnx(data, str(path))
    session = open_session(data, str(path))
    return OnnxFile(session, sha256=sha256, **_header(session.get_modelmeta().custom_metadata_map, str(path)))


def parse_onnx(data: bytes, name: str) -> OnnxFile:
    """The same from memory and from anywhere; name: how messages call the file."""
    onnx = require("onnx")
    try:
        proto = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has two implementations, each with errors of its own
        raise WeightsError(f"{name}: not a whole ONNX file; {CURE}") from error
    header = _header({entry.key: entry.value for entry in proto.metadata_props}, name)
    if _points_outside(proto):
        raise WeightsError(f"{name}: keeps numbers in other files, which files of this package never do; {CURE}")
    return OnnxFile(open_session(data, name), sha256=hashlib.sha256(data).hexdigest(), **header)


def _header(metadata: Mapping[str, str], name: str) -> dict[str, Any]:
    """What a graph's metadata say of it: fields of OnnxFile. Raises WeightsError if they are not of this package."""
    try:
        header = json.loads(metadata[KEY])
        if header["format"] != FORMAT:
            raise WeightsError(
                f"{name}: written in format {header['format']}, this version reads {FORMAT}; export it again"
            )
        texts = {key: str(header[key]) for key in ("part", "precision", "weights_sha256")}
        config, calibration = build(NetworkConfig, header["config"], name), Calibration.from_dict(header["calibration"])
        return {"config": config, "calibration": calibration, "about": dict(header["about"]), **texts}
    except WeightsError:
        raise
    except (LandmarksError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{name}: an ONNX file, but not of this package; {CURE}") from error


def _points_outside(message: Any) -> bool:
    """Whether a tensor anywhere in a protobuf message lies in another file."""
    if message.DESCRIPTOR.name == "TensorProto":
        return message.data_location == message.EXTERNAL or len(message.external_data) > 0
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE and any(
            map(_points_outside, value if hasattr(value, "__len__") else [value])
        ):
            return True
    return False
