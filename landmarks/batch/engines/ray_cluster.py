"""Joining a Ray cluster in bounded time, and saying what is waited for when it is silent."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from landmarks.batch.engines.processes import default_workers
from landmarks.errors import LandmarksError

REACH_SECONDS = 10.0
"""For an answer of the machine at the address at all."""
JOIN_SECONDS = 120.0
"""To join, or start, a cluster; by itself Ray asks an address that nobody has for more than five minutes."""
SILENCE_SECONDS = 15.0
"""After so long without a result the user is told what is waited for; then after twice as long, and so on."""
STORE_BYTES = 1 << 29
"""Shared memory for a cluster that is started here."""


def connect(ray: ModuleType, address: str, size: int) -> None:
    """Join the cluster at an address, or start one of `size` cores, 0: of those there are. Raises LandmarksError."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Nothing about a run leaves the machine unasked.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # Else it calls its own way to restart actors an error.
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if not address:
        cores = size or default_workers()
        options |= {"num_cpus": cores, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    failed: list[str] = []

    def join() -> None:
        try:
            ray.init(address or "local", **options)
        except Exception as error:
            failed.append(_reason(error))

    failed += _unreachable(ray, address)
    if not failed:
        thread = threading.Thread(target=join, daemon=True)
        thread.start()
        thread.join(JOIN_SECONDS)
        if thread.is_alive():
            failed.append(f"no answer of Ray within {JOIN_SECONDS:g} s; is this the address of a cluster's head?")
    if failed:
        where = f"the Ray cluster {address}: cannot be reached" if address else "Ray cannot be started here"
        raise LandmarksError(f"{where} ({failed[0]})")


def _unreachable(ray: ModuleType, address: str) -> list[str]:
    """Why nobody answers at host:port or ray://host:port, at most one reason."""
    place = re.fullmatch(r"(?:ray://)?\[?([^/\]]+?)\]?:(\d+)", address)
    if not place:
        return []
    hosts = [place[1]]
    if place[1] in ("localhost", "127.0.0.1", "::1"):  # By which Ray understands this machine's other address.
        hosts.append(ray.util.get_node_ip_address())
    reason = ""
    for host in hosts:
        try:
            socket.create_connection((host, int(place[2])), REACH_SECONDS).close()
            return []
        except TimeoutError:
            reason = reason or f"no answer within {REACH_SECONDS:g} s"
        except (OSError, ValueError, OverflowError) as error:
            reason = reason or getattr(error, "strerror", None) or str(error)
    return [reason]


def _reason(error: Exception) -> str:
    """The first line of an error, and that it is about authentication if it is."""
    lines = [line.strip() for line in str(error).strip().splitlines()] or [type(error).__name__]
    about = re.search(r"authenticat|auth[_ ]?(?:token|mode)|unauthorized", f"{type(error).__name__} {error}", re.I)
    cure = "authentication failed: give this machine the cluster's token, see RAY_AUTH_MODE and RAY_AUTH_TOKEN; "
    return f"{cure if about else ''}{lines[0]}"


class Herald:
    """Says what is waited for while nothing comes."""

    def __init__(self, ray: ModuleType) -> None:
        self._ray, self._heard, self._over = ray, threading.Event(), False

    def heard(self) -> None:
        """Something has come."""
        self._heard.set()

    @contextmanager
    def waiting(self) -> Iterator[Herald]:
        """Around all that waits for the cluster."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._over = True
            self._heard.set()

    def _watch(self) -> None:
        silent, step = 0.0, SILENCE_SECONDS
        while not self._over:
            if self._heard.wait(step):
                self._heard.clear()
                silent, step = 0.0, SILENCE_SECONDS
                continue
            silent += step
            step = silent  # Twice as long in all.
            warnings.warn(f"no result for {silent:g} s; {self._state()}", stacklevel=2)

    def _state(self) -> str:
        """What the cluster says of itself."""
        try:
            nodes = self._ray.nodes()
            lost = sorted(str(node.get("NodeManagerHostname")) for node in nodes if not node["Alive"])
            free = self._ray.available_resources().get("CPU", 0)
        except Exception as error:  # The head may be what is lost.
            return f"the cluster does not answer ({type(error).__name__}); waiting for it"
        if lost:
            left = len(nodes) - len(lost)
            names = ", ".join(lost)
            return f"lost: {names}; waiting for Ray to give its work to those that are left ({left})"
        return f"all {len(nodes)} machines of the cluster are there, {free:g} cores are free; waiting for Ray"
