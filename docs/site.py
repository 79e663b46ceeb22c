"""What mkdocs shows: the repository's own pages under their own paths, so that their links hold, and two references.

`reference/commands.md` is the help of every command, `reference/python.md` the docstrings of the public interface.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("docs", "weights", "data")
SUFFIXES = (".md", ".png", ".jpg", ".svg", ".csv", ".json", ".toml", ".ipynb")
"""Files that pages show or lead to."""
WIDTH = 82
"""Characters in a line of a command's help."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Choose the files of the site: those of the theme stay, those of docs/ get their path in the repository."""
    for file in list(files):
        if file.abs_src_path and Path(file.abs_src_path).is_relative_to(ROOT / "docs"):
            files.remove(file)
    for path in pages():
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    files.append(File.generated(config, "reference/commands.md", content=commands()))
    files.append(File.generated(config, "reference/python.md", content=interface()))
    return files


def pages() -> Iterator[Path]:
    """The files of the repository that are part of the site."""
    yield from sorted(ROOT.glob("*.md"))
    yield ROOT / "LICENSE"
    yield ROOT / "CITATION.cff"
    yield ROOT / "Dockerfile"
    for folder in FOLDERS:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)


def commands() -> str:
    """The help of every command, as a page."""
    from landmarks.cli.commands import app

    parts = ["# Commands\n"]
    for names, command in every_command(typer.main.get_command(app), ("landmarks",)):
        title = " ".join(names)
        context = click.Context(command, info_name=title, color=False)
        parts.append(f"## {title}\n\n```text\n{plain_help(command, context)}\n```\n")
    return "\n".join(parts)


def every_command(command: click.Command, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and those below it."""
    from landmarks.cli.commands import loaded

    command = loaded(command)
    yield names, command
    for name, below in getattr(command, "commands", {}).items():
        yield from every_command(below, (*names, name))


def plain_help(command: click.Command, context: click.Context) -> str:
    """A command's help without frames and colours."""
    formatter = click.HelpFormatter(width=WIDTH)
    click.Command.format_usage(command, context, formatter)
    click.Command.format_help_text(command, context, formatter)
    click.Command.format_options(command, context, formatter)
    if isinstance(command, click.Group):
        command.format_commands(context, formatter)
    return formatter.getvalue().rstrip()


def interface() -> str:
    """The public interface, as a page of directives for mkdocstrings."""
    import landmarks

    parts = ["# Python\n", "`from landmarks import ...`\n"]
    return "\n".join(parts + [f"::: landmarks.{name}\n" for name in landmarks.__all__ if not name.startswith("_")])
