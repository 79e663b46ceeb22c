"""The answer to one question of a comparison, as parts of its page."""

from __future__ import annotations

from dataclasses import dataclass

from landmarks.comparison.page.wording import sentence


@dataclass(frozen=True)
class Section:
    """The answer to a question."""

    body: tuple[str, ...]
    """Paragraphs and tables in Markdown; () where the comparison has none of its arms."""
    brief: tuple[str, ...]
    """The sentences that belong to the top of the page."""


def bullets(lines: list[str]) -> list[str]:
    """A list in Markdown, a sentence a line, as one part; no part without lines."""
    return ["\n".join(f"- {sentence(line)}" for line in lines)] if lines else []
