"""A page: a template, its style and its script in one HTML file that needs nothing else and asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from landmarks import __version__
from landmarks.atomic import replacing

_HARMLESS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}
"""So that no text ends the script that it stands in."""


def write_page(path: Path, template: str, scripts: Sequence[str] = (), **values: Any) -> None:
    """Write a page, whole or not at all. scripts: files of `static/`, in their order; values: what the template needs.

    Raises OSError.
    """
    code = "".join(map(_static, scripts))
    stream = (
        _environment()
        .get_template(template)
        .generate(style=_static("page.css"), script=code, policy=_policy(code), version=__version__, **values)
    )
    with replacing(path) as partial, open(partial, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.writelines(stream)


def as_json(value: Any) -> str:
    """A value as the content of `<script type="application/json">`: ASCII without signs that mean something in HTML."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_HARMLESS)


def _policy(code: str) -> str:
    """What a browser may do with the page: run this one script, show what it holds; fetch nothing."""
    scripts = f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" if code else "'none'"
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; base-uri 'none'"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("landmarks.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"json": as_json, "count": lambda value: f"{value:,}"}
    return environment


def _static(name: str) -> str:
    return (files("landmarks.report") / "static" / name).read_text(encoding="utf-8")
