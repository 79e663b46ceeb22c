"""landmarks: facial landmarks, head pose, smile, glasses and gender from one network.

The public interface is what this module names. Each name is imported when it is first used, so that `import landmarks`
costs nothing.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from landmarks.batch.options import Resume, RunOptions
    from landmarks.batch.run import Summary, annotate_folder
    from landmarks.datasets.dataset import read_dataset
    from landmarks.drawing.draw import Style, draw
    from landmarks.evaluation.evaluate import evaluate
    from landmarks.faces import Faces
    from landmarks.formats import read_results
    from landmarks.inference.annotator import Annotator
    from landmarks.inference.config import AnnotatorConfig
    from landmarks.models.store import load_model
    from landmarks.record import Record
    from landmarks.sources.find import find

    __version__: str

# Newer builds of onnxruntime tell its maker of their use unless this is set before they are imported. That photographs
# of people are looked at is nobody else's business; who wants it sets 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Annotator",
    "AnnotatorConfig",
    "Faces",
    "Record",
    "Resume",
    "RunOptions",
    "Style",
    "Summary",
    "__version__",
    "annotate_folder",
    "draw",
    "evaluate",
    "find",
    "load_model",
    "read_dataset",
    "read_results",
]

_MODULES = {
    "Annotator": "landmarks.inference.annotator",
    "AnnotatorConfig": "landmarks.inference.config",
    "Faces": "landmarks.faces",
    "Record": "landmarks.record",
    "Resume": "landmarks.batch.options",
    "RunOptions": "landmarks.batch.options",
    "Style": "landmarks.drawing.draw",
    "Summary": "landmarks.batch.run",
    "annotate_folder": "landmarks.batch.run",
    "draw": "landmarks.drawing.draw",
    "evaluate": "landmarks.evaluation.evaluate",
    "find": "landmarks.sources.find",
    "load_model": "landmarks.models.store",
    "read_dataset": "landmarks.datasets.dataset",
    "read_results": "landmarks.formats",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return _version()
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("landmarks")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+unknown"


def __dir__() -> list[str]:
    return sorted(__all__)
