"""Figures as SVG inside a page: they take its colours, light or dark, and its letters."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DARK = ("#333333", "#000000", "black")
"""Colours of text and lines, which become those of the page's text."""
GRID = "#dddddd"


@dataclass(frozen=True)
class Picture:
    """A figure of a page."""

    title: str
    svg: str
    note: str = ""
    """A sentence below it."""
    wide: bool = False
    """Whether it takes the whole width."""


def to_svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element, without identifiers but those that it refers to. name: unique in the page."""
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda match: match[0] if match[1] in used else "", text)
    text = re.sub(r'font-family: [^;"]*', "font-family: inherit", text)
    text = re.sub(r'font: [^;"]*?([\d.]+px)[^;"]*', r"font-size: \1; font-family: inherit", text)
    for colour in DARK:
        text = re.sub(rf"(stroke|fill): {colour}\b", r"\1: currentColor", text)
    text = re.sub(rf"(stroke|fill): {GRID}\b", r"\1: var(--line)", text)
    view = re.search(r'viewBox="([^"]*)"', text)
    assert view, "matplotlib writes a viewBox"
    width = float(view[1].split()[2]) * 4 / 3  # Points to pixels.
    head = f'<svg viewBox="{view[1]}" style="max-width: {width:.0f}px" fill="currentColor" role="img">'
    return re.sub(r"<svg [^>]*>", head, text, count=1)
