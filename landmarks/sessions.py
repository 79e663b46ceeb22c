"""ONNX graphs opened in onnxruntime."""

from __future__ import annotations

import hashlib
from importlib import import_module
from typing import Any
from weakref import WeakValueDictionary

from landmarks.device import thread_count
from landmarks.errors import LandmarksError, WeightsError

CURE = "make it with `landmarks export`"
_alone: WeakValueDictionary[bytes, Any] = WeakValueDictionary()
"""The sessions of one thread that somebody uses, by the SHA-256 of their graph."""


def open_session(graph: bytes, name: str, threads: int = 0) -> Any:
    """An onnxruntime session on the CPU; name: how messages call the graph; threads: 0 for as many as
    `landmarks.device.thread_count` says.

    One that has no threads of its own is given to all who open the same graph, in forks of this process too: its
    weights are in memory once. Raises WeightsError if it is no graph that onnxruntime can run.
    """
    runtime, threads = require("onnxruntime"), threads or thread_count()
    if threads > 1:
        return _open(runtime, graph, name, threads)
    key = hashlib.sha256(graph).digest()
    session = _alone.get(key)
    if session is None:
        session = _alone[key] = _open(runtime, graph, name, threads)
    return session


def _open(runtime: Any, graph: bytes, name: str, threads: int) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # Else they keep the cores from torch and OpenCV for a while after each call.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False  # Pictures differ in size: it would keep a plan of memory for each.
    options.log_severity_level = 4  # errors come as exceptions
    try:
        return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no base of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{name}: not a graph that onnxruntime can run ({reason}); {CURE}") from error


def require(package: str) -> Any:
    """A package of the extra `onnx`. Raises LandmarksError if it is not installed."""
    try:
        return import_module(package)
    except ImportError as error:
        raise LandmarksError(
            f"{package} cannot be imported ({error}); ONNX needs an extra: pip install 'landmarks[onnx]'"
        ) from error
