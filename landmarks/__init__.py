"""landmarks: facial landmarks, head pose, smile, glasses and gender from one network."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("landmarks")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

_PUBLIC = {
    "Annotator": "landmarks.inference.annotator",
    "Faces": "landmarks.faces",
    "draw": "landmarks.drawing.draw",
    "evaluate": "landmarks.evaluation.measures",
    "load_model": "landmarks.models.store",
    "read_dataset": "landmarks.datasets.dataset",
    "read_results": "landmarks.formats",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    """Public names are imported when first used, so that `import landmarks` costs nothing."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
