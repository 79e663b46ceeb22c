"""The page of a grid's keys, made from the dataclasses that read them.

    python -m landmarks.comparison.grid.keys docs/grid-keys.md

A key's words are the text below its field.
"""

from __future__ import annotations

import argparse
import ast
import inspect
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from textwrap import dedent
from typing import Any

from landmarks.atomic import write_text
from landmarks.comparison.grid.arms import NETWORKS, Arm, Group
from landmarks.comparison.grid.grid_file import GridFile
from landmarks.evaluation.card import markdown_table
from landmarks.training.stopping import Stopping

LEFT_OUT = {Arm: ("declared",), GridFile: ("arms",)}
"""Fields that are not written in a grid's file, or have parts of the page to themselves."""
PARTS = {
    "The file": (GridFile, "At the top of the file."),
    "A question": (Group, "In a table `[groups.NAME]`."),
    "An arm": (
        Arm,
        "In a table `[[arms]]`; or in `[defaults]`, for the arms that do not say otherwise; or in `[arms.sweep]` with "
        "the list of its values. `--set KEY=VALUE` sets it in all arms that are run. The defaults of how it is "
        "trained were chosen for `tcdcn` on MTFL's validation faces: choose again for another network.",
    ),
    "When tasks stop": (Stopping, 'In a table `[arms.stopping]`, or as `"stopping.KEY"` in a sweep.'),
}


def page() -> str:
    """The page in Markdown."""
    parts = [
        "# Keys of a grid",
        "Every key that a grid's file may have, with its default. Made by `python -m landmarks.comparison.grid.keys "
        "docs/grid-keys.md`; [compare.md](compare.md) shows how they are used.",
    ]
    for title, (kind, where) in PARTS.items():
        parts += [f"## {title}", where, markdown_table(["key", "default", "meaning"], list(_rows(kind)))]
    settings = [[f"`{name}`", ", ".join(f"{k} {v}" for k, v in values.items())] for name, values in NETWORKS.items()]
    parts += ["## Networks", "What `network` stands for.", markdown_table(["name", "usual settings"], settings)]
    return "\n\n".join(parts) + "\n"


def _rows(kind: type) -> Iterator[list[str]]:
    words = docstrings(kind)
    for entry in fields(kind):
        if entry.name not in LEFT_OUT.get(kind, ()):
            yield [f"`{entry.name}`", _default(entry), words.get(entry.name, "").replace("|", r"\|")]


def docstrings(kind: type) -> dict[str, str]:
    """The text below each field of a class, on one line."""
    (body,) = (node for node in ast.parse(dedent(inspect.getsource(kind))).body if isinstance(node, ast.ClassDef))
    found = {}
    for node, after in zip(body.body, body.body[1:]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and isinstance(after, ast.Expr):
            text = getattr(after.value, "value", None)
            found[node.target.id] = " ".join(str(text or "").split())
    return found


def _default(entry: Field[Any]) -> str:
    if entry.default is not MISSING:
        value = entry.default
    elif entry.default_factory is not MISSING:
        value = entry.default_factory()
    else:
        return "must be given"
    if value in ("", {}, ()):
        return "empty"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if isinstance(value, (str, int, float)) else "see below"


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the page of a grid's keys.")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    write_text(parser.parse_args().page, page())


if __name__ == "__main__":
    main()
