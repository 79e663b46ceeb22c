"""Which page a path has: that of a run, of an evaluation, or of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from landmarks.errors import LandmarksError

RUN, EVALUATION, COMPARISON = "run", "evaluation", "comparison"
MOST_FACES = 5000
"""Faces in the gallery of a run."""
NAME = "report.html"


@dataclass(frozen=True)
class Options:
    """How a page is made."""

    out: Path | None = None
    """The file; by default `report.html` in the folder; beside a file, under its name with `.html`."""
    images: tuple[str, ...] = ()
    """Where the images are now: of a run as `find` takes them, of an evaluation the dataset."""
    faces: int = MOST_FACES
    """At most so many faces in the gallery of a run."""
    gender: bool = False
    """Whether the gender label is shown."""
    threads: int = 1
    """That open images."""


@dataclass(frozen=True)
class Written:
    """A page that was written."""

    path: Path
    kind: str
    """`run`, `evaluation` or `comparison`."""
    missing: int = 0
    """Faces shown without a picture."""


def kind_of(path: Path) -> str:
    """What lies at a path. Raises LandmarksError for anything that has no page."""
    if path.is_dir():
        if (path / "run.json").is_file() or (path / "images.csv").is_file():
            return RUN
        if (path / "grid.json").is_file():
            return COMPARISON
    elif path.suffix == ".json" and path.is_file():
        return EVALUATION
    what = "is not there" if not path.exists() else "holds none of them" if path.is_dir() else "is none of them"
    raise LandmarksError(
        f"{path}: {what}: a page is made of the folder of `landmarks annotate` or of `landmarks compare`, or of the "
        "JSON file of `landmarks evaluate --out`"
    )


def write_report(
    path: str | Path, options: Options = Options(), progress: Callable[[int, int], None] = lambda done, total: None
) -> Written:
    """Write the page of a run, an evaluation or a comparison, whole or not at all.

    progress: is told how many images are open, and of how many. Raises LandmarksError for a path that has no page or
    files that are not what their names say; OSError if the page cannot be written.
    """
    path = Path(path)
    kind = kind_of(path)
    out = options.out or (path / NAME if path.is_dir() else path.with_suffix(".html"))
    if kind == RUN:
        from landmarks.report.run_page import write_run_page

        made = write_run_page(path, out, options.images, options.faces, options.gender, options.threads, progress)
        return Written(out, kind, made.missing)
    if kind == COMPARISON:
        from landmarks.report.comparison_page import write_comparison_page

        write_comparison_page(path, out)
        return Written(out, kind)
    from landmarks.report.evaluation_page import write_evaluation_page

    missing = write_evaluation_page(path, out, options.images, progress)
    return Written(out, kind, missing)
