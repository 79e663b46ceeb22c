"""Imported by the process that all workers come from: opens the networks of a usual run, once for all of them."""

from __future__ import annotations

from contextlib import suppress

from landmarks.device import CPU, use_threads
from landmarks.errors import LandmarksError
from landmarks.inference.config import AnnotatorConfig

with suppress(LandmarksError, OSError, ValueError):  # Who needs them will say so.
    use_threads(1)  # As each worker does: without threads of their own they may be forked.
    ANNOTATOR = AnnotatorConfig(device=CPU).create()
