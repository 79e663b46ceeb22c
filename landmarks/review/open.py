"""From the folder of a run to its page."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from landmarks.corrections import CorrectionLog
from landmarks.errors import LandmarksError, unknown
from landmarks.review.pictures import Pictures
from landmarks.review.propose import Proposals
from landmarks.review.run import manifest, read_run, sources_of
from landmarks.review.server import create_app, default_who, needed, serve
from landmarks.review.session import Session
from landmarks.review.side_by_side import SideBySide
from landmarks.schemes import GENDER


def open_review(
    path: str | Path,
    images: Sequence[str],
    weights: str,
    networks: Sequence[str] | None,
    tasks: Sequence[str] | None,
    who: str | None,
    host: str,
    port: int,
    tell: Callable[[str], None],
) -> None:
    """Serve the page of a run until it is interrupted; the arguments are the options of `landmarks review`.

    Raises LandmarksError if the run cannot be read, another process corrects it, or an extra is missing.
    """
    for package in ("fastapi", "uvicorn"):
        needed(package)
    path = Path(path)
    run = read_run(path)
    known = [*run.layout.attributes, *run.layout.quantities]
    for name in tasks or ():
        if name not in known:
            raise LandmarksError(unknown("attribute or number", name, known))
    settings = manifest(path)["settings"]
    pictures = Pictures(sources_of(path, images), settings["max_pixels"], settings.get("accept_damaged", False))
    lost = [name for name in run.names if not pictures.has(name)]
    if run.names and len(lost) == len(run.names):
        raise LandmarksError(
            f"{path}: none of its images is where the run found it, such as {lost[0]}; name them with --images"
        )
    if lost:
        warnings.warn(f"{len(lost)} images are not where the run found them, such as {lost[0]}", stacklevel=2)
    with CorrectionLog(path) as log:
        shown = [name for name in known if name != GENDER.name] if tasks is None else tasks
        session = Session(run, log, default_who() if who is None else who, tasks=shown)
        hidden = () if GENDER.name in shown else (GENDER.name,)
        side_by_side = None if networks is None else SideBySide(networks, hidden=hidden)
        app = create_app(session, pictures, Proposals(weights, run.layout), side_by_side)
        serve(app, host, port, side_by_side is not None, tell)
