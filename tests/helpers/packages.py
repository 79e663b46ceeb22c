"""Packages that tests need, not imported as tests are collected: every process that shares them would."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch

from landmarks.export.graph import OLDEST_TORCH


def needs(name: str, extra: str) -> None:
    """Skip where a package is not installed; extra: which of ours installs it."""
    if find_spec(name) is None:
        pytest.skip(f"needs {name}, of the extra `{extra}`", allow_module_level=True)


def needs_export() -> None:
    """Skip where networks cannot be exported."""
    needs("onnxscript", "onnx")
    if torch.__version__ < OLDEST_TORCH:
        pytest.skip(f"torch {torch.__version__} is too old to export networks", allow_module_level=True)
