"""The command line in the process of the test: one of its own would import everything anew, which takes seconds."""

from __future__ import annotations

import sys
import warnings

import pytest

from landmarks.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of `landmarks` with these arguments."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["landmarks", *map(str, arguments)])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # which `main` replaces
        with pytest.raises(SystemExit) as stop:
            main()
    return int(stop.value.code or 0)
