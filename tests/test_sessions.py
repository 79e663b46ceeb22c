"""Opened ONNX graphs."""

from __future__ import annotations

import gc
from pathlib import Path

from landmarks import sessions
from landmarks.sessions import open_session

WEIGHTS = Path(__file__).parent.parent / "weights"
GRAPH = WEIGHTS / "compact.int8.locator.onnx"


def test_those_who_open_a_graph_without_threads_share_it():
    graph = GRAPH.read_bytes()
    first, again = (open_session(bytes(graph), "the locator", threads=1) for _ in range(2))
    assert first is again
    other = open_session((WEIGHTS / "detector.int8.onnx").read_bytes(), "the detector", threads=1)
    assert other is not first


def test_sessions_with_threads_are_not_shared():
    graph = GRAPH.read_bytes()
    assert open_session(graph, "the locator", threads=2) is not open_session(graph, "the locator", threads=2)


def test_a_session_that_nobody_uses_is_closed():
    before = set(sessions._alone)
    session = open_session((WEIGHTS / "compact.int8.onnx").read_bytes(), "the network", threads=1)
    mine = set(sessions._alone) - before
    del session
    gc.collect()
    assert not mine & set(sessions._alone)
