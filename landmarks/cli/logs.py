"""The options `--verbose` and `--log` of every command that works for long."""

from __future__ import annotations

import functools
import inspect
import logging
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from landmarks.cli.shared import errors, visible
from landmarks.log import log

PANEL = "Logging"
SAID = "landmarks.said"
"""The logger of what a command says on stderr in any case: `--verbose` does not say it again."""
VERBOSE = Annotated[
    bool, typer.Option("--verbose", help="Tell on stderr what is done, step by step.", rich_help_panel=PANEL)
]
LOG = Annotated[
    Optional[Path],
    typer.Option("--log", help="Add all that is told to this file, with times.", rich_help_panel=PANEL),
]


def say(text: str) -> None:
    """Tell the user something on stderr, and whoever reads the log."""
    errors.print(text)
    logging.getLogger(SAID).info("%s", text)


def on_screen() -> bool:
    """Whether all that is logged is told on stderr."""
    return any(isinstance(handler, _OnScreen) for handler in log.handlers)


def with_logs(command: Callable[..., None]) -> Callable[..., None]:
    """The command with two options more."""
    signature = inspect.signature(command, eval_str=True)
    more = [("verbose", VERBOSE, False), ("log_file", LOG, None)]
    parameters = [
        *signature.parameters.values(),
        *(inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d, annotation=kind) for n, kind, d in more),
    ]

    @functools.wraps(command)
    def run(*arguments: Any, verbose: bool, log_file: Path | None, **options: Any) -> None:
        with logging_to(log_file, verbose):
            started = time.perf_counter()
            log.debug("begins: %s", shlex.join(sys.argv))
            command(*arguments, **options)
            log.debug("ends after %.1f s", time.perf_counter() - started)

    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


@contextmanager
def logging_to(file: Path | None, verbose: bool) -> Iterator[None]:
    """Have what is logged inside go to the end of a file, to stderr, or nowhere. Raises OSError for the file.

    The error that ends the block is logged, too.
    """
    if file is None and not verbose:
        yield
        return
    with ExitStack() as stack:
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.DEBUG)
        for handler in _handlers(file, verbose):
            log.addHandler(handler)
            stack.callback(handler.close)
            stack.callback(log.removeHandler, handler)
        try:
            yield
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            log.warning("interrupted")
            raise
        except Exception as error:
            log.error("%s", error, exc_info=True)
            raise


def _handlers(file: Path | None, verbose: bool) -> Iterator[logging.Handler]:
    if verbose:
        yield _OnScreen()
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
        kept.setFormatter(_Visible("%(asctime)s %(levelname)s %(message)s"))
        yield kept


class _Visible(logging.Formatter):
    """Control characters, which the name of a file may hold, are spelt out."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


class _OnScreen(logging.Handler):
    """To stderr, without what is told there in any case."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != SAID and not record.exc_info:
            errors.print(record.getMessage())
