"""Detectors by name."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from landmarks.detection.base import Detector
from landmarks.detection.boxes import BoxFile
from landmarks.detection.centerface import CenterFace
from landmarks.detection.facegrid import FaceGrid
from landmarks.detection.search import STRIDE
from landmarks.detection.whole_image import WholeImage
from landmarks.detection.yunet import YuNet
from landmarks.errors import DetectorError

DETECTORS: dict[str, type] = {kind.name: kind for kind in (FaceGrid, CenterFace, YuNet, WholeImage)}


def create_detector(spec: str | Path, **options: Any) -> Detector:
    """The detector of that name, the boxes of that CSV file, or a detector of your own that `landmarks export` wrote;
    options are its constructor's.

    `yunet:320` is YuNet with a `max_side` of 320. Raises DetectorError, or DataError for a file.
    """
    kind: Any
    name, _, side = str(spec).partition(":")
    if str(spec).lower().endswith(".csv"):
        kind, options = BoxFile, {"path": spec, **options}
    elif str(spec).lower().endswith(".onnx"):
        kind, options = FaceGrid, {"model": spec, **options}
    elif name in DETECTORS:
        kind = DETECTORS[name]
        if side:
            options = {"max_side": _parse_side(side, str(spec)), **options}
    else:
        raise DetectorError(
            f"there is no detector {str(spec)!r}; use {', '.join(DETECTORS)}, "
            "a .csv file of boxes or an exported detector (.onnx)"
        )
    strange = options.keys() - inspect.signature(kind).parameters.keys()
    if strange:
        raise DetectorError(f"the detector {kind.name} has no option {', '.join(sorted(strange))}")
    return kind(**options)


def _parse_side(text: str, spec: str) -> int:
    """A long side in pixels. Raises DetectorError."""
    if not (text.isascii() and text.isdigit() and STRIDE <= int(text) <= 1 << 14):
        raise DetectorError(f"detector {spec!r}: after the colon goes a long side in pixels, such as yunet:320")
    return int(text)


def installed_detectors() -> list[str]:
    """Names of the detectors that look at pictures and whose files are there."""
    there = []
    for name, kind in DETECTORS.items():
        if kind is WholeImage:
            continue
        try:
            kind()
        except DetectorError:
            continue
        there.append(name)
    return there
