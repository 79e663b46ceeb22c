"""Help that names what is registered.

A registry imports all that it names, so it is asked when help is shown and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from typer.core import TyperCommand, TyperOption


def _formats() -> Iterable[str]:
    from landmarks.formats.registry import FORMATS

    return FORMATS


def _detectors() -> Iterable[str]:
    from landmarks.detection.create import DETECTORS

    return DETECTORS


def _encoders() -> Iterable[str]:
    from landmarks.models.encoders import MAKERS

    return MAKERS


KNOWN: dict[str, Callable[[], Iterable[str]]] = {
    "{formats}": _formats,
    "{detectors}": _detectors,
    "{encoders}": _encoders,
}
"""What stands in an option's help for the names in a registry."""


class KnownCommand(TyperCommand):
    """A command whose options' help may hold the words of `KNOWN`."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        for option in self.params:
            if isinstance(option, TyperOption):
                option.help = with_names(option.help or "")
        super().format_help(ctx, formatter)


def with_names(text: str) -> str:
    """The text with the names in place of the words."""
    for word, names in KNOWN.items():
        if word in text:
            text = text.replace(word, ", ".join(names()))
    return text
