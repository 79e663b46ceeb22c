"""Which back end runs some weights: told from names and from this machine, before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from landmarks.device import AUTO, driver_in_sight, means_cpu
from landmarks.errors import WeightsError
from landmarks.models.files import ONNX_SUFFIX, resolve, shipped_export

TORCH, ONNX = "torch", "onnx"
RUNTIME = "onnxruntime"
"""The package that runs exported networks."""
BACKENDS = (TORCH, ONNX)
DEFAULT_WEIGHTS = "compact"
DEFAULT_DETECTOR = "centerface"


def check_backend(backend: str | None) -> None:
    """Raises ValueError unless it is one of BACKENDS or None."""
    if backend not in (None, *BACKENDS):
        raise ValueError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}")


def exported_file(weights: str | Path, device: str, backend: str | None) -> Path | None:
    """The exported file that runs some weights: their own, or, on the CPU, the one that comes with shipped weights.
    None if there is none or torch is to run them. Raises WeightsError if there are no such weights."""
    path = resolve(weights)
    if path.suffix == ONNX_SUFFIX:
        if backend == TORCH:
            raise WeightsError(f"{weights}: torch cannot run an exported network; give the weights it was made from")
        return path
    shipped = None if backend == TORCH else shipped_export(weights)
    return shipped if shipped and (backend == ONNX or means_cpu(device)) else None


def modules(weights: Any, device: str, backend: str | None) -> tuple[str, ...]:
    """What workers import, once for all of them, to annotate: the Annotator and its back end. Raises WeightsError.

    torch is not asked for a GPU, which would take longer than all else here: where a driver is in sight, it is among
    them.
    """
    torch = not isinstance(weights, (str, Path)) or not exported_file(
        weights, "cuda" if device == AUTO and driver_in_sight() else device, backend
    )
    back_end = ("landmarks.inference.torch_backend",) if torch else ("landmarks.inference.onnx_backend", RUNTIME)
    return ("landmarks.inference.annotator", *back_end)
