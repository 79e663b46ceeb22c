"""The page of an evaluation: error curve, groups, calibration, and the worst faces beside their labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from landmarks.errors import DataError, told
from landmarks.evaluation.per_face import PerFace, per_face_path, read_per_face
from landmarks.report.figures import Picture, to_svg
from landmarks.report.page import write_page
from landmarks.report.worst import Worst, worst_faces
from landmarks.schemes import SCHEMES

MOST = 100
"""Of the worst faces."""


def write_evaluation_page(path: Path, out: Path, images: Sequence[str], progress: Callable[[int, int], None]) -> int:
    """Write the page of what `landmarks evaluate --out` wrote; return how many faces have no picture.

    images: the dataset, if it is not where it was; a folder or archive. Raises DataError for other files, OSError.
    """
    figures = _read(path)
    faces, notes = None, []
    if per_face_path(path).is_file():
        faces = read_per_face(per_face_path(path))
    else:
        notes.append(f"There is no {per_face_path(path).name}: `landmarks evaluate --faces` writes the single faces.")
    worst: list[Worst] = []
    missing = 0
    if faces is not None and faces.schemes:
        worst, note = worst_faces(faces, images[0] if images else faces.data, MOST, progress)
        notes += [note] if note else []
        missing = sum(not one.picture for one in worst)
    protocol = figures["protocol"]
    write_page(
        out,
        "evaluation.html.j2",
        title=f"{protocol['weights']} on {protocol['dataset']}, split {protocol['split']}",
        subtitle=f"{figures['faces']:,} faces; {protocol['input']}, {protocol['passes']} passes, "
        f"landmarks {protocol['version']}",
        items=_cards(figures),
        notes=notes,
        drawn=[*_figures(figures), *([_found(faces)] if faces is not None and _has_quality(faces) else [])],
        tables=_tables(figures),
        worst=worst,
        protocol=[(name, "none" if value is None else str(value)) for name, value in protocol.items()],
    )
    return missing


def _read(path: Path) -> dict[str, Any]:
    """The figures of a network. Raises DataError."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
        keys = ("weights", "dataset", "split", "input", "passes", "version")
        if not {"protocol", "landmarks", "attributes", "faces"} <= figures.keys():
            raise ValueError("it lacks protocol, landmarks, attributes or faces, which the figures of a network have")
        if not set(keys) <= figures["protocol"].keys():
            raise ValueError(f"its protocol lacks one of {', '.join(keys)}")
        return figures
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = f"({told(error)}); give what `landmarks evaluate --out` wrote"
        raise DataError(f"{path}: is no evaluation of a network {reason}") from error


def _cards(figures: dict[str, Any]) -> list[dict[str, Any]]:
    cards = []
    for name, points in figures["landmarks"].items():
        label = f"{len(SCHEMES[name])} landmarks" if name in SCHEMES else name
        for key, words in (("nme", "mean error"), ("failure_rate_faces", "faces off by more than 10 %")):
            measure = points["interocular"][key]
            low, high = measure["interval"]
            note = f"{100 * low:.2f} to {100 * high:.2f}; of the inter-ocular distance"
            cards.append(
                {"name": f"{label}, {words}", "value": f"{100 * measure['value']:.2f} %", "note": note, "bad": False}
            )
    for name, attribute in figures["attributes"].items():
        measure = attribute["balanced_accuracy"]
        low, high = measure["interval"]
        value, note = f"{100 * measure['value']:.1f} %", f"balanced accuracy, {100 * low:.1f} to {100 * high:.1f}"
        cards.append({"name": name, "value": value, "note": note, "bad": False})
    for name, quantity in figures.get("quantities", {}).items():  # reports of earlier versions have none
        measure = quantity["mean_absolute_error"]
        low, high = measure["interval"]
        value = f"{measure['value']:.3g} {quantity['unit']}".rstrip()
        note = f"mean absolute error, {low:.3g} to {high:.3g}; the mean always: {quantity['of_the_mean']['value']:.3g}"
        cards.append({"name": name, "value": value, "note": note, "bad": False})
    return cards


def _figures(figures: dict[str, Any]) -> list[Picture]:
    from landmarks.evaluation.plots import ced_figure, reliability_figure

    note = "Share of faces whose landmarks err by less, on average."
    found = [Picture("Error distribution", to_svg(ced_figure(figures), "ced"), note)] if figures["landmarks"] else []
    reliability = to_svg(reliability_figure(figures), "reliability")
    return [*found, Picture("Calibration", reliability, "Well calibrated is what lies on the grey line.", wide=True)]


def _has_quality(faces: PerFace) -> bool:
    return "quality" in faces.table and bool(faces.schemes)


def _found(faces: PerFace) -> Picture:
    """Which share of the bad faces is found by looking at those of the lowest quality first."""
    from landmarks.evaluation.plots import COLOURS, empty_panels
    from landmarks.metrics import THRESHOLD

    figure, (axes,) = empty_panels(1, "bad faces among them, %")
    notes = []
    for colour, name in zip(COLOURS, faces.schemes):
        seen, found = found_by_quality(faces, name)
        if len(seen):
            axes.plot(100 * seen, 100 * found, color=colour, label=name)
            at = 100 * float(np.interp(0.05, seen, found))
            notes.append(f"{name}: the 5 % of lowest quality hold {at:.0f} % of the bad faces")
    axes.plot([0, 100], [0, 100], color="#dddddd", zorder=0)
    axes.set(xlabel="faces looked at, lowest quality first, %", xlim=(0, 100), ylim=(0, 100))
    if notes:
        axes.legend(loc="lower right", frameon=False)
    told = f"Bad: off by more than {100 * THRESHOLD:.0f} % of the inter-ocular distance. " + "; ".join(notes)
    return Picture("Bad faces found by quality", to_svg(figure, "found"), told + ".")


def found_by_quality(faces: PerFace, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the faces, lowest quality first, and of the bad ones among them: (N + 1,) each, from 0 to 1.

    Bad is a face whose mean error is above THRESHOLD, or that was not predicted. Empty where none is bad. name: scheme.
    """
    from landmarks.metrics import THRESHOLD

    labelled = np.array([np.isfinite(points).any() for points in faces.table[name]], bool)
    errors = faces.table[f"{name}_error"].to_numpy()[labelled]
    bad = ~(errors <= THRESHOLD)
    quality = np.nan_to_num(faces.table["quality"].to_numpy()[labelled], nan=-1.0)
    if not bad.any():
        return np.zeros(0), np.zeros(0)
    order = np.argsort(quality, kind="stable")
    found = np.concatenate([[0], np.cumsum(bad[order])]) / bad.sum()
    return np.linspace(0, 1, len(order) + 1), found


def _tables(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The terminal's tables, for a page."""
    from landmarks.evaluation.tables import tables

    return [_plain(table) for table in tables(figures)]


def _plain(table: Table) -> dict[str, Any]:
    columns = [[str(cell) for cell in column.cells] for column in table.columns]
    head = [str(column.header) for column in table.columns]
    return {"title": str(table.title or ""), "head": head, "rows": list(zip(*columns))}
