"""What goes wrong behind a URL: what may pass is tried again, and a server that is down is not asked without end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from landmarks.errors import ImageError
from landmarks.record import UNREACHABLE

ATTEMPTS = 3
FIRST_WAIT, LONGEST_WAIT = 0.5, 20.0
"""Seconds before the second attempt, about doubled each time; and the longest that a server may ask us to wait."""
DOWN_AFTER = 3
"""Files in a row that a host did not give, each after all attempts; then it counts as down."""
DOWN_SECONDS = 30.0
"""For so long this process does not ask a host that is down."""

Result = TypeVar("Result")


class Trouble(Exception):
    """Why a file behind a URL cannot be had. status: `unreachable` if that may pass."""

    def __init__(self, status: str, reason: str, retry_after: float | None = None) -> None:
        """retry_after: seconds that the server asks to wait."""
        super().__init__(reason)
        self.status, self.reason, self.retry_after = status, reason, retry_after

    def of(self, name: str) -> ImageError:
        """As the error of an image."""
        return ImageError(name, self.status, self.reason)


class RemoteError(OSError):
    """A Trouble, as readers of files expect an error."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.reason)
        self.status = trouble.status


def behind(error: BaseException | None) -> RemoteError | None:
    """The RemoteError that led to an error: readers of archives call any error theirs."""
    while error is not None and not isinstance(error, RemoteError):
        error = error.__cause__ or error.__context__
    return error


class _Hosts:
    """Which hosts are down, as far as this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: dict[str, tuple[int, float, str]] = {}

    def check(self, host: str) -> None:
        """Raise Trouble if it is down."""
        with self._lock:
            count, when, reason = self._failures.get(host, (0, 0.0, ""))
        if count >= DOWN_AFTER and time.monotonic() - when < DOWN_SECONDS:
            raise Trouble(UNREACHABLE, f"{host} is not asked for now, since it did not answer before ({reason})")

    def note(self, host: str, reason: str | None) -> None:
        """Note that it answered, or why not."""
        with self._lock:
            if reason is None:
                self._failures.pop(host, None)
            else:
                self._failures[host] = (self._failures.get(host, (0,))[0] + 1, time.monotonic(), reason)

    def clear(self) -> None:
        with self._lock:
            self._failures.clear()


hosts = _Hosts()


def persist(host: str, call: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
    """What `call` gives; it is called again after a Trouble that may pass. Raises the last Trouble."""
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    hosts.check(host)
    again = Retrying(
        retry=retry_if_exception(_may_pass_soon), stop=stop_after_attempt(attempts), wait=_wait, reraise=True
    )
    try:
        result = again(call)
    except Trouble as trouble:
        hosts.note(host, trouble.reason if trouble.status == UNREACHABLE else None)
        raise
    hosts.note(host, None)
    return result


def _may_pass_soon(error: BaseException) -> bool:
    return isinstance(error, Trouble) and error.status == UNREACHABLE and (error.retry_after or 0) <= LONGEST_WAIT


def _wait(state: Any) -> float:
    """Seconds before the next attempt."""
    from tenacity import wait_random_exponential

    error = state.outcome.exception()
    if error.retry_after is not None:
        return error.retry_after
    return wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT)(state)


def bounded(call: Callable[[], Result], seconds: float, what: str) -> Result:
    """What `call` gives. Raises Trouble if it takes longer; then it is left to itself."""
    answer: list[Any] = []

    def run() -> None:
        try:
            answer.append((call(), None))
        except BaseException as error:
            answer.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise Trouble(UNREACHABLE, f"{what}: no answer within {seconds:g} s")
    result, error = answer[0]
    if error is not None:
        raise error
    return result
