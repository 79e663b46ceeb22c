"""Exported networks, read with the caution due to a file from anywhere: bounded, whole, ours, with nothing outside."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landmarks.errors import WeightsError
from landmarks.models.calibration import Calibration
from landmarks.models.network import NetworkConfig
from landmarks.models.store import KEY, MAX_BYTES
from landmarks.sessions import CURE, require

FORMAT = 1
SUFFIX = ".onnx"
NETWORK, LOCATOR, FACE = PARTS = "network", "locator", "face"
"""The graphs of a network: it alone, its locator, and both passes in one. Their files lie beside each other, see
`part_path`."""
ERROR_CUES, ERRORS, LOGITS = "_signs", "_errors", "_logits"
"""What the names of a scheme's error cues and expected errors and an attribute's logits end in."""
QUALITY = "quality"


@dataclass(frozen=True)
class OnnxFile:
    """An exported graph and what its file says about it."""

    graph: bytes
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
    return Path(path) if part == NETWORK else Path(path).with_suffix(f".{part}{SUFFIX}")


def locator_path(path: str | Path) -> Path:
    """Where the locator lies that belongs to a network's file: NAME.onnx -> NAME.locator.onnx."""
    return part_path(path, LOCATOR)


def read_onnx(path: str | Path) -> OnnxFile:
    """Read an exported file. Raises WeightsError if it is not a whole one of this package, and LandmarksError if the
    extra `onnx` is not installed."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path}: larger than {MAX_BYTES} bytes, which no network of this package is")
        return parse_onnx(path.read_bytes(), str(path))
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror})") from error


def parse_onnx(data: bytes, name: str) -> OnnxFile:
    """The same from memory; name: how messages call the file."""
    onnx = require("onnx")
    try:
        proto = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has two implementations, each with errors of its own
        raise WeightsError(f"{name}: not a whole ONNX file; {CURE}") from error
    try:
        header = json.loads({entry.key: entry.value for entry in proto.metadata_props}[KEY])
        if header["format"] != FORMAT:
            raise WeightsError(
                f"{name}: written in format {header['format']}, this version reads {FORMAT}; export it again"
            )
        texts = {key: str(header[key]) for key in ("part", "precision", "weights_sha256")}
        config, calibration = NetworkConfig(**header["config"]), Calibration.from_dict(header["calibration"])
        about = dict(header["about"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{name}: an ONNX file, but not of this package; {CURE}") from error
    if _points_outside(proto):
        raise WeightsError(f"{name}: keeps numbers in other files, which files of this package never do; {CURE}")
    return OnnxFile(
        data, config=config, calibration=calibration, about=about, sha256=hashlib.sha256(data).hexdigest(), **texts
    )


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
