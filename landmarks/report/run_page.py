"""The page of a run: counts, statuses, distributions, a gallery, time and settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.errors import LandmarksError
from landmarks.record import FAILED
from landmarks.report.gallery import Gallery, make_gallery
from landmarks.report.page import write_page
from landmarks.report.run import Run, read_run
from landmarks.report.run_figures import run_figures
from landmarks.sources.named import Named
from landmarks.sources.source import Source

REASONS = 6
"""Reasons of a status that are told, the most frequent first."""
DOUBTFUL = 0.5
CURE = "`landmarks report --images FOLDER` says where they are now"


def write_run_page(
    folder: Path,
    out: Path,
    images: Sequence[str],
    most: int,
    gender: bool,
    threads: int,
    progress: Callable[[int, int], None],
) -> Gallery:
    """Write the page of a run. images: where its images lie now, as `find` takes them; none for where they were.

    Raises LandmarksError for what is no run, or for images that are named and cannot be found; OSError.
    """
    run = read_run(folder)
    sources, note = _sources(run, images)
    gallery = make_gallery(run, sources, most, threads, gender, progress)
    notes = [note] if note else []
    if gallery.missing and not note:
        notes.append(
            f"{gallery.missing:,} faces are shown without a picture: their images are gone or changed; {CURE}."
        )
    if gallery.left_out:
        notes.append(f"The gallery shows {most:,} faces: the most doubtful half, and others from all over the run.")
    if not gender and "gender" in run.attributes:
        notes.append("The gender label, which errs, is not shown; --gender shows it.")
    write_page(
        out,
        "run.html.j2",
        ("items.js", "run.js"),
        title=f"Faces of {folder.absolute().name}",
        subtitle=_subtitle(run),
        items=_cards(run, gallery),
        notes=notes,
        statuses=_statuses(run),
        drawn=run_figures(run, gender),
        times=_times(run),
        starts=_starts(run),
        settings=[(name, _text(value)) for name, value in _flat(run.settings)],
        packed=gallery.table,
        pictures=[(item, gallery.pictures[item]) for item in gallery.order if gallery.pictures[item]],
    )
    return gallery


def _sources(run: Run, images: Sequence[str]) -> tuple[list[tuple[str, Source]], str]:
    """The run's images with their names, and what is to be said where there are none."""
    if images:
        named = run.named or Named(())
        return list(Named.here(images, named.recursive or run.named is None, named.every).find()), ""
    if run.named is None:
        return [], f"Faces are shown without pictures: run.json does not say where the images were; {CURE}."
    try:
        return list(run.named.find()), ""
    except (LandmarksError, OSError) as error:
        return [], f"Faces are shown without pictures: {error}; {CURE}."


def _subtitle(run: Run) -> str:
    start = run.starts[-1] if run.starts else {}
    settings = run.settings
    detector = settings.get("detector")
    parts = [
        str(start.get("started", ""))[:10],
        f"weights {settings['weights'][:12]}" if isinstance(settings.get("weights"), str) else "",
        f"detector {detector['name']}" if isinstance(detector, dict) and "name" in detector else "",
        f"{len(run.scheme)} landmarks",
        f"landmarks {start['versions']['landmarks']}" if "landmarks" in start.get("versions", {}) else "",
    ]
    return ", ".join(part for part in parts if part)


def _cards(run: Run, gallery: Gallery) -> list[dict[str, Any]]:
    failed = int(run.images["status"].isin(FAILED).sum())
    cards = [
        _card("images", f"{len(run.images):,}"),
        _card("faces", f"{len(run.faces):,}", _per_image(run)),
        _card("without a face", f"{int((run.images['status'] == 'no_face').sum()):,}"),
        _card("failed images", f"{failed:,}", bad=failed > 0),
    ]
    if run.quality is not None and len(run.quality):
        doubtful = int((~(run.quality >= DOUBTFUL)).sum())
        cards.append(_card("doubtful faces", f"{doubtful:,}", "quality below 0.5", bad=doubtful > 0))
        cards.append(_card("median quality", f"{np.nanmedian(run.quality):.2f}"))
    if gallery.missing:
        cards.append(_card("faces without a picture", f"{gallery.missing:,}", "images gone or changed", bad=True))
    return cards


def _card(name: str, value: str, note: str = "", bad: bool = False) -> dict[str, Any]:
    return {"name": name, "value": value, "note": note, "bad": bad}


def _per_image(run: Run) -> str:
    with_faces = int((run.images["faces"] > 0).sum())
    return f"{len(run.faces) / with_faces:.1f} an image that has one" if with_faces else ""


def _statuses(run: Run) -> list[dict[str, Any]]:
    """Each status with its count and its most frequent reasons, each with the first image of it."""
    found = []
    for status, count in run.images["status"].value_counts().items():
        part = run.images[(run.images["status"] == status) & (run.images["reason"] != "")]
        reasons = part.groupby("reason", sort=False)["image"].agg(["size", "first"])
        reasons = reasons.sort_values("size", ascending=False, kind="stable")
        told = [(reason, int(row["size"]), row["first"]) for reason, row in reasons.head(REASONS).iterrows()]
        if len(reasons) > REASONS:
            rest = reasons.iloc[REASONS:]
            told.append((f"{len(rest):,} other reasons", int(rest["size"].sum()), rest["first"].iloc[0]))
        share = count / len(run.images)
        found.append({"name": str(status).replace("_", " "), "count": int(count), "share": share, "reasons": told})
    return found


def _times(run: Run) -> dict[str, Any]:
    """The share of each stage, a row a start that has ended."""
    ended = [start for start in run.starts if isinstance(start.get("stages"), dict)]
    stages = list(dict.fromkeys(stage for start in ended for stage in start["stages"]))
    rows = []
    for start in ended:
        done, seconds = start.get("images", 0), start.get("seconds", 0)
        speed = f"{done / seconds:.1f}" if seconds else ""
        shares = [f"{100 * start['stages'].get(stage, 0):.0f} %" for stage in stages]
        rows.append([start.get("started", ""), f"{done:,}", f"{seconds:.1f}", speed, *shares])
    head = ["started", "images", "seconds", "images a second", *stages]
    return {"title": "Share of the working time by stage", "head": head, "rows": rows}


def _starts(run: Run) -> dict[str, Any]:
    keys = ("started", "ended", "engine", "workers", "command")
    rows = [[_text(start.get(key, "")) for key in keys] for start in run.starts]
    return {"title": "", "head": list(keys), "rows": rows}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings as a list: `detector name`, `detector threshold`."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_text, value))
    return "none" if value is None else str(value)
