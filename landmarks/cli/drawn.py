"""Help that is drawn without what it does not draw."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from typer.core import TyperCommand, TyperGroup

UNUSED = ("rich.markdown", "rich.traceback")
"""typer's drawing imports these, for text in Markdown and for errors, neither of which we have it draw. They and what
they import take a third of the time of `landmarks --help`."""


class _StandsIn(ModuleType):
    def __getattr__(self, name: str) -> Any:
        return type(name, (), {})


def _import_drawing() -> None:
    """Import typer's drawing with nothing in the place of UNUSED, which others import as ever."""
    unused = [name for name in UNUSED if name not in sys.modules]
    sys.modules.update({name: _StandsIn(name) for name in unused})
    try:
        import typer.rich_utils  # noqa: F401
    finally:
        for name in unused:
            del sys.modules[name]


class DrawnCommand(TyperCommand):
    """A command."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _import_drawing()
        super().format_help(ctx, formatter)


class DrawnGroup(TyperGroup):
    """A group of commands."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        _import_drawing()
        super().format_help(ctx, formatter)
