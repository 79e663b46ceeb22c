"""Figures as tables for a terminal and as JSON for another program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from landmarks.atomic import write_text


def write_report(figures: dict[str, Any], path: Path) -> None:
    """Write figures as JSON; whole or not at all."""
    write_text(path, json.dumps(figures, indent=1) + "\n")


def tables(figures: dict[str, Any]) -> list[Table]:
    """Landmarks, slices and attributes in per cent, quantities in their units; intervals in brackets."""
    protocol = figures["protocol"]
    title = "{weights} on {dataset} {split}, {input}, {passes} passes".format(**protocol)
    found = []
    for name, points in figures["landmarks"].items():
        table = Table("", "plain", "without the mean shift", title=f"{title}: {name}, % of inter-ocular distance")
        names = {
            "nme": "mean error",
            "failure_rate_faces": "failure rate at 10 %, per face",
            "failure_rate_landmarks": "failure rate at 10 %, per landmark",
            "auc": "AUC to 10 %",
        }
        for key, label in names.items():
            table.add_row(label, _percent(points["interocular"][key]), _percent(points["shift_free"][key]))
        table.add_row("mean error, % of the landmarks' box", f"{100 * points['box']['nme']:.2f}", "")
        shift = ", ".join(f"{100 * v:+.2f}" for v in points["shift_free"]["shift"])
        table.add_row("mean shift x, y", shift, "")
        found += [table, _slices_table(points["slices"], name)]
        if "expected_errors" in points:
            found.append(_expected_table(points["expected_errors"], name))
    if figures["attributes"]:
        columns = ("accuracy", "balanced accuracy", "calibration error", "recall by class")
        table = Table("", *columns, title="attributes, %")
        for name, attribute in figures["attributes"].items():
            recall = ", ".join(f"{label} {100 * value:.1f}" for label, value in attribute["recall"].items())
            error = f"{100 * attribute['calibration_error']:.1f}"
            table.add_row(
                name, _percent(attribute["accuracy"]), _percent(attribute["balanced_accuracy"]), error, recall
            )
        found += [table, _attribute_slices(figures["attributes"])]
    if figures["quantities"]:
        found += [_quantities_table(figures["quantities"]), _quantity_slices(figures["quantities"])]
    return found


def _quantities_table(quantities: dict[str, Any]) -> Table:
    """Mean absolute errors beside those of a constant."""
    columns = ("unit", "faces", "mean absolute error", "answering the mean", "share of it, %", "mean error")
    table = Table("", *columns, title="quantities, each in its unit")
    for name, quantity in quantities.items():
        errors = (measure_text(quantity[key]) for key in ("mean_absolute_error", "of_the_mean"))
        share = _percent(quantity["share_of_it"]) if "share_of_it" in quantity else ""
        table.add_row(name, quantity["unit"], str(quantity["faces"]), *errors, share, f"{quantity['mean_error']:+.3g}")
    return table


def _quantity_slices(quantities: dict[str, Any]) -> Table:
    """Mean absolute error of every quantity in every group."""
    table = Table("", "faces", *quantities, title="mean absolute error by group (and mean error), each in its unit")
    for column, groups in next(iter(quantities.values()))["slices"].items():
        for label, group in groups.items():
            cells = [quantity["slices"].get(column, {}).get(label) for quantity in quantities.values()]
            shown = ("" if c is None else f"{c['mean_absolute_error']:.3g} ({c['mean_error']:+.3g})" for c in cells)
            table.add_row(f"{column}: {label}", str(group["faces"]), *shown)
    return table


def measure_text(measure: dict[str, Any]) -> str:
    """A number in a unit and its interval."""
    low, high = measure["interval"]
    return f"{measure['value']:.3g} ({low:.3g} to {high:.3g})"


def _expected_table(figures: dict[str, Any], name: str) -> Table:
    table = Table("", "", title=f"{name}: expected and true errors")
    table.add_row("mean error, % of the face size", f"{100 * figures['mean']:.2f}")
    table.add_row("its expectation", f"{100 * figures['mean_expected']:.2f}")
    for key in ("points", "faces", "quality"):
        if f"rank_correlation_{key}" in figures:
            table.add_row(f"rank correlation, {key}", f"{figures[f'rank_correlation_{key}']:.2f}")
    return table


def _attribute_slices(attributes: dict[str, Any]) -> Table:
    """Balanced accuracy and calibration error of every attribute in every group."""
    table = Table("", "faces", *attributes, title="balanced accuracy by group (and calibration error), %")
    groups = next(iter(attributes.values()))["slices"]
    for column, labels in groups.items():
        for label, group in labels.items():
            cells = [attribute["slices"].get(column, {}).get(label) for attribute in attributes.values()]
            shown = (
                "" if cell is None else f"{100 * cell['balanced_accuracy']:.1f} ({100 * cell['calibration_error']:.1f})"
                for cell in cells
            )
            table.add_row(f"{column}: {label}", str(group["faces"]), *shown)
    return table


def _slices_table(slices: dict[str, Any], name: str) -> Table:
    columns = ("faces", "mean error", "failure rate", "without the shift", "its failure rate", "of box")
    table = Table("", *columns, title=f"{name} by group, %")
    keys = ("nme", "failure_rate_faces", "shift_free_nme", "shift_free_failure_rate_faces", "box_nme")
    for column, groups in slices.items():
        for label, group in groups.items():
            table.add_row(f"{column}: {label}", str(group["faces"]), *(f"{100 * group[key]:.2f}" for key in keys))
    return table


def _percent(measure: dict[str, Any]) -> str:
    low, high = measure["interval"]
    return f"{100 * measure['value']:.2f} ({100 * low:.2f} to {100 * high:.2f})"
