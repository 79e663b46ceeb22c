"""Detectors measured on photographs whose faces are all known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from landmarks import __version__
from landmarks.datasets.photographs import Photographs, read_photographs
from landmarks.detection.create import create_detector, installed_detectors
from landmarks.errors import DataError, DetectorError, ImageError
from landmarks.evaluation.detection import LEVELS, Judged, at_threshold, average_precision, precision_interval

LEAST_SCORE = 0.02
"""Detections of lower scores are not looked at: they are too many, and hardly any is a face."""


def evaluate_detectors(
    data: str | Path,
    detectors: Sequence[str] | None = None,
    split: str = "test",
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Average precision and figures at their own thresholds of detectors, on the same photographs.

    data: photographs with boxes, see `read_photographs`; detectors: names as `create_detector` takes them, None for all
    that are installed; report: is told how many pictures are done, and of how many, over all detectors. Levels that the
    dataset does not know are left out; instead, every face counts. A photograph that cannot be decoded is counted.
    Raises DataError, if none can be too, or DetectorError.
    """
    photographs = read_photographs(data)
    names = photographs.names(split)
    if not names:
        raise DataError(f"{data}: no photographs in the split {split!r}")
    chosen = list(detectors or installed_detectors())
    figures: dict[str, Any] = {}
    total = len(chosen) * len(names)
    for before, spec in zip(range(0, total, len(names)), chosen):
        figures[spec] = _measured(photographs, names, spec, partial(_further, report, before, total))
    protocol = {
        "dataset": photographs.name, "split": split, "pictures": len(names), "least_score": LEAST_SCORE,
        "version": __version__,
    }  # fmt: skip
    return {"protocol": protocol, "detectors": figures}


def _measured(
    photographs: Photographs, names: Sequence[str], spec: str, report: Callable[[int], None]
) -> dict[str, Any]:
    """The figures of one detector."""
    settings = create_detector(spec).settings()
    if "threshold" not in settings:
        raise DetectorError(f"the detector {spec} gives no scores; name one that does")
    detector = create_detector(spec, threshold=LEAST_SCORE)
    judged: list[Judged] = []
    unreadable: list[str] = []
    for done, name in enumerate(names, 1):
        faces = photographs.labels(name)
        try:
            found = detector(photographs.pixels(name), name)
        except ImageError as error:
            unreadable.append(str(error))
            continue
        levels = faces.levels if faces.levels.any() else np.repeat(~faces.ignore[:, None], len(LEVELS), axis=1)
        judged.append(Judged(found.boxes + 0.5, found.scores, faces.boxes + 0.5, levels, faces.ignore, _group(name)))
        report(done)
    if not judged:
        raise DataError(f"none of the {len(names)} photographs can be decoded: {unreadable[0]}")
    known = photographs.table[list(LEVELS)].to_numpy(bool).any()
    precision = {
        level: {"value": average_precision(judged, i), "interval": precision_interval(judged, i)}
        for i, level in enumerate(LEVELS if known else LEVELS[:1])
    }
    return {
        "settings": settings,
        "average_precision": precision if known else {"all": precision[LEVELS[0]]},
        "unreadable": len(unreadable),
        **at_threshold(judged, settings["threshold"]),
    }


def _further(report: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    report(before + done, total)


def _group(name: str) -> str:
    """The folder of a picture, which in WIDER FACE is its event."""
    return Path(name).parent.name


def detector_tables(figures: dict[str, Any]) -> list[Table]:
    """The detectors side by side: average precision and what happens at their thresholds; recall by size; by group."""
    protocol, detectors = figures["protocol"], figures["detectors"]
    title = "detectors on {dataset} {split}, {pictures} photographs, %".format(**protocol)
    first = Table("", *detectors, title=title)
    for level in next(iter(detectors.values()))["average_precision"]:
        cells = [figure["average_precision"][level] for figure in detectors.values()]
        first.add_row(f"average precision, {level}", *map(_percent, cells))
    first.add_row("threshold", *(f"{figure['settings']['threshold']:.2f}" for figure in detectors.values()))
    first.add_row("faces found at it", *(f"{100 * figure['recall']:.1f}" for figure in detectors.values()))
    first.add_row("false ones a picture", *(f"{figure['false_per_picture']:.2f}" for figure in detectors.values()))
    if any(figure["unreadable"] for figure in detectors.values()):
        first.add_row(
            "photographs that cannot be decoded", *(str(figure["unreadable"]) for figure in detectors.values())
        )
    tables = [first]
    for key, by in (("recall_by_size", "size in pixels"), ("recall_by_group", "folder")):
        table = Table("", "faces", *detectors, title=f"faces found by {by}, %")
        groups = next(iter(detectors.values()))[key]
        for group, of in groups.items():
            cells = [f"{100 * figure[key][group]['recall']:.1f}" for figure in detectors.values()]
            table.add_row(group or "(none)", str(of["faces"]), *cells)
        tables.append(table)
    return tables


def _percent(measure: dict[str, Any]) -> str:
    low, high = measure["interval"]
    return f"{100 * measure['value']:.1f} ({100 * low:.1f} to {100 * high:.1f})"
