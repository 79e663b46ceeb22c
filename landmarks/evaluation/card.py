"""The measured part of a model card, made from the reports that `landmarks evaluate` wrote.

    python -m landmarks.evaluation.card weights/compact.md docs/results/*compact*.json

replaces what stands in the card between the two marks. What it writes depends on the reports alone, so a test can hold
every card to its reports.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from landmarks.atomic import write_text

START, END = "<!-- figures: made by landmarks.evaluation.card -->", "<!-- end of figures -->"
WORSE = 4 / 3
"""A group is named when it is worse than all faces by more than a third."""
SETS = {"mtfl": "MTFL", "ibug": "300-W", "celeba": "CelebA", "fairface": "FairFace"}
PARTS = {"test": "test", "val": "validation"}
INPUTS = {"whole-image": "whole crop", "centerface": "detector's box", "facegrid": "box of facegrid"}
MEASURES = {
    "nme": "mean error",
    "failure_rate_faces": "failure rate at 10 %, per face",
    "failure_rate_landmarks": "failure rate at 10 %, per landmark",
    "auc": "AUC to 10 %",
}


def figures_markdown(reports: Sequence[dict[str, Any]]) -> str:
    """All tables of a card. reports: what `evaluate` gives, of one network."""
    sections = []
    schemes = dict.fromkeys(name for report in reports for name in report["landmarks"])
    for scheme in schemes:
        having = [report for report in reports if scheme in report["landmarks"]]
        sections += [f"## {scheme.removeprefix('points_')} points", _points_table(having, scheme)]
        sections += [_certainty_table(having, scheme), *_groups(having[0], scheme)]
    having = [report for report in reports if report["attributes"]]
    if having:
        grouped = [having[0], *(report for report in having[1:] if _has_people(report))]
        sections += ["## Attributes", *map(_attributes_table, having), *map(_attribute_groups, grouped)]
    return "\n\n".join(section for section in sections if section)


def fill(card: str, reports: Sequence[dict[str, Any]]) -> str:
    """A card with its measured part made anew. Raises ValueError if the card lacks the marks."""
    if START not in card or END not in card:
        raise ValueError(f"the card must hold the lines {START!r} and {END!r}")
    before, rest = card.split(START, 1)
    return f"{before}{START}\n\n{figures_markdown(reports)}\n\n{END}{rest.split(END, 1)[1]}"


def _title(report: dict[str, Any]) -> str:
    protocol = report["protocol"]
    passes = "" if protocol["passes"] == 2 else f", {protocol['passes']} pass"
    data = f"{SETS.get(protocol['dataset'], protocol['dataset'])} {PARTS.get(protocol['split'], protocol['split'])}"
    return f"{data}, {INPUTS.get(protocol['input'], protocol['input'])}{passes}"


def _points_table(reports: Sequence[dict[str, Any]], scheme: str) -> str:
    points = [report["landmarks"][scheme] for report in reports]
    rows = [["faces", *(str(report["faces"]) for report in reports)]]
    for key, label in MEASURES.items():
        for kind, word in (("interocular", "plain"), ("shift_free", "shift-free")):
            rows.append([f"{label}, {word}", *(_percent(p[kind][key], 2) for p in points)])
    rows.append(["mean error, % of the landmarks' box", *(f"{100 * p['box']['nme']:.2f}" for p in points)])
    shifts = (p["shift_free"]["shift"] for p in points)
    rows.append(["mean shift x, y", *(", ".join(f"{100 * v:+.2f}" for v in shift) for shift in shifts)])
    rows.append(["no face found, whole crop taken", *(str(report["fallback"]) for report in reports)])
    note = f"% of the inter-ocular distance ({points[0]['normaliser'].split(': ')[1]}), 95 % intervals."
    return f"{note}\n\n{markdown_table(['', *(_title(report) for report in reports)], rows)}"


def _certainty_table(reports: Sequence[dict[str, Any]], scheme: str) -> str:
    reports = [report for report in reports if "expected_errors" in report["landmarks"][scheme]]
    if not reports:
        return ""
    found = [report["landmarks"][scheme]["expected_errors"] for report in reports]
    keys = {
        "points": "expected and true error of a point",
        "faces": "of a face",
        "quality": "quality and error of a face",
    }
    rows = [["mean error, % of the face size", *(f"{100 * f['mean']:.2f}" for f in found)]]
    rows.append(["its expectation", *(f"{100 * f['mean_expected']:.2f}" for f in found)])
    for key, label in keys.items():
        rows.append([f"rank correlation, {label}", *(f"{f[f'rank_correlation_{key}']:.2f}" for f in found)])
    return "Expected errors:\n\n" + markdown_table(["", *(_title(report) for report in reports)], rows)


def _groups(report: dict[str, Any], scheme: str) -> list[str]:
    points = report["landmarks"][scheme]
    whole = {"nme": points["interocular"]["nme"]["value"], "box_nme": points["box"]["nme"]}
    rows, worse = [], []
    for column, groups in points["slices"].items():
        for label, group in groups.items() if len(groups) > 1 else ():
            keys = ("nme", "shift_free_nme", "box_nme")
            failures = ("failure_rate_faces", "shift_free_failure_rate_faces")
            cells = [f"{100 * group[key]:.2f}" for key in keys] + [f"{100 * group[key]:.1f}" for key in failures]
            rows.append([f"{column}: {label}", str(group["faces"]), *cells])
            if any(group[key] > WORSE * value for key, value in whole.items()):
                worse.append(f"{column} {label}")
    if not rows:
        return []
    columns = ["", "faces", "mean error", "shift-free", "of the box", "failures, %", "shift-free failures, %"]
    named = f"Mean error worse than that of all faces by more than a third: {', '.join(worse) or 'none'}."
    return [f"By group, {_title(report)}, %:", markdown_table(columns, rows), named]


def _attributes_table(report: dict[str, Any]) -> str:
    rows = [
        [
            name,
            _percent(figures["accuracy"], 1),
            _percent(figures["balanced_accuracy"], 1),
            f"{100 * figures['calibration_error']:.1f}",
            ", ".join(f"{label} {100 * value:.1f}" for label, value in figures["recall"].items()),
        ]
        for name, figures in report["attributes"].items()
    ]
    columns = ["%", "accuracy", "balanced accuracy", "calibration error", "recall by class"]
    return f"{_title(report)}:\n\n{markdown_table(columns, rows)}"


def _has_people(report: dict[str, Any]) -> bool:
    """Whether a report tells groups of people apart."""
    return any("race" in figures["slices"] for figures in report["attributes"].values())


def _attribute_groups(report: dict[str, Any]) -> str:
    """Errors, 100 % less the balanced accuracy, of every attribute in every group."""
    attributes = report["attributes"]
    rows, worse = [], []
    for column in next(iter(attributes.values()))["slices"]:
        labels = dict.fromkeys(label for figures in attributes.values() for label in figures["slices"].get(column, {}))
        for label in labels if len(labels) > 1 else ():
            cells, faces = [], 0
            for name, figures in attributes.items():
                group = figures["slices"].get(column, {}).get(label)
                if group is None or name == column:
                    cells.append("")
                    continue
                faces = max(faces, group["faces"])
                error, whole = (1 - group["balanced_accuracy"], 1 - figures["balanced_accuracy"]["value"])
                cells.append(f"{100 * error:.1f}")
                if error > WORSE * whole:
                    worse.append(f"{name} of {column} {label}")
            if any(cells):
                rows.append([f"{column}: {label}", str(faces), *cells])
    table = markdown_table(["", "faces", *attributes], rows)
    named = f"Worse than all faces by more than a third: {', '.join(worse) or 'none'}."
    return f"Balanced error by group (100 % less the balanced accuracy), {_title(report)}:\n\n{table}\n\n{named}"


def _percent(measure: dict[str, Any], digits: int) -> str:
    value, (low, high) = measure["value"], measure["interval"]
    return f"{100 * value:.{digits}f} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def markdown_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown; rows of cells."""
    head = list(columns)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the measured part of a model card anew.")
    parser.add_argument("card", type=Path)
    parser.add_argument(
        "reports", type=Path, nargs="+", help="JSON files of `landmarks evaluate`; what else the card names is left out"
    )
    arguments = parser.parse_args()
    card = arguments.card.read_text(encoding="utf-8")
    unnamed = [path.name for path in arguments.reports if path.name not in card]
    if unnamed:
        parser.error(f"{arguments.card} does not name {', '.join(unnamed)}; write the command behind it into the card")
    in_order = sorted(arguments.reports, key=lambda path: card.index(path.name))
    found = [json.loads(path.read_text(encoding="utf-8")) for path in in_order]
    reports = [report for report in found if "protocol" in report]
    card = fill(card, reports)
    card = re.sub(r"SHA-256 `[0-9a-f]*`", f"SHA-256 `{reports[0]['protocol']['weights_sha256']}`", card)
    write_text(arguments.card, card)


if __name__ == "__main__":
    main()
