"""The commands. No logic: each reads its options, calls the package and shows what came of it.

Worker processes import this module, as the command's file does, so it imports nothing itself.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence


def _open_closed_streams() -> None:
    """Have standard input, output and errors lead nowhere where a service manager has closed them.

    The next files to be opened would take their numbers, and what is printed would end up in results.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest free number, which is this one.
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _tell(text: str) -> None:
    """Tell the user something that went wrong, on stderr."""
    from landmarks.cli.shared import errors

    errors.print(f"landmarks: {text}")


def _warn(message: object) -> None:
    """The same, and whoever reads the log."""
    from landmarks.cli.logs import say

    say(f"landmarks: {message}")


_NOT_USUAL = {"--weights", "--device", "--backend", "--engine", "--help", "--workers=0", "0"}
"""Words with which `annotate` may have no workers, or such as import something else."""


def _start_early(words: Sequence[str]) -> None:
    """Have the workers of a usual `annotate` import what they need while this process imports the command line.

    What they need as well as this one it imports first, so that they have it, too. What other calls need, only the
    command knows.
    """
    if words[1:2] != ["annotate"] or any({word, word.partition("=")[0]} & _NOT_USUAL for word in words):
        return
    from landmarks.batch.engines.processes import OPENED, WORKER, prepare
    from landmarks.device import AUTO
    from landmarks.inference.choice import DEFAULT_WEIGHTS, RUNTIME, modules

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy's: they would take cores from others, and hinder a fork.
    importlib.import_module(WORKER)
    needed = modules(DEFAULT_WEIGHTS, AUTO, None)
    prepare([*needed, OPENED] if RUNTIME in needed else needed)


def main() -> None:
    """Run a command; the user's errors end in one sentence and exit code 2."""
    _open_closed_streams()
    warnings.showwarning = lambda message, *_: _warn(message)
    from landmarks.errors import LandmarksError

    try:
        _start_early(sys.argv)
        from landmarks.cli.commands import app
        from landmarks.cli.shared import refuse_empty_paths

        refuse_empty_paths(sys.argv)
        app(standalone_mode=True)
    except (LandmarksError, ValueError) as error:
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        _tell(str(error))
        sys.exit(2)
    except OSError as error:  # A folder that is a file, a full disk: named by what the system says of it.
        if os.environ.get("LANDMARKS_DEBUG"):
            raise
        reason = error.strerror or type(error).__name__
        _tell(f"{error.filename or 'the output'}: cannot be read or written ({reason})")
        sys.exit(2)
    except KeyboardInterrupt:
        _tell("interrupted")
        sys.exit(130)
