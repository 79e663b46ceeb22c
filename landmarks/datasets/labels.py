"""How many faces teach each task and class, and what that leaves unlearnt.

Training crops are mirrored half of the time, so a face that looks left teaches `right`, too: a class is seen where it
or its mirror image has a face.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from landmarks.datasets.table import is_known, labels_of, points_of, values_of
from landmarks.schemes import (
    ABSENT,
    RECONSTRUCTION,
    SCHEMES,
    Attribute,
    Declared,
    Quantity,
    known_attributes,
    known_quantities,
)

FEW = 50
"""A class with fewer training faces is named: see `landmarks.evaluation.calibrate.equal_priors`."""


def class_counts(table: pd.DataFrame, attribute: Attribute) -> np.ndarray:
    """(C,) int64: faces of each class."""
    labels = labels_of(table, attribute)
    return np.bincount(labels[labels != ABSENT], minlength=len(attribute))


def mirrored(counts: np.ndarray, attribute: Attribute) -> np.ndarray:
    """(C,) faces of each class -> (C,) float64, the mean of them and of their mirror images."""
    return (counts + counts[list(attribute.flip)]) / 2


def label_counts(
    table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Declared] = ()
) -> dict[str, int | dict[str, int]]:
    """By task: the faces with at least one of a scheme's points, those with a quantity's number, or those of each class
    by its text; all faces for the reconstruction of their crops. Plain values.

    declared: tasks beside the built-in ones, here and in what follows.
    """
    declared = tuple(declared)
    attributes, quantities = known_attributes(declared), known_quantities(declared)
    counts: dict[str, int | dict[str, int]] = {}
    for task in tasks:
        if task in SCHEMES:
            counts[task] = int(np.isfinite(points_of(table, SCHEMES[task])).all(axis=2).any(axis=1).sum())
        elif task in quantities:
            counts[task] = int(is_known(values_of(table, quantities[task])).sum())
        elif task == RECONSTRUCTION.name:
            counts[task] = len(table)
        else:
            attribute = attributes[task]
            counts[task] = dict(zip(attribute.labels, class_counts(table, attribute).tolist()))
    return counts


def unlabelled(table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Declared] = ()) -> tuple[str, ...]:
    """The tasks for which no face has a label."""
    counts = label_counts(table, tasks, declared)
    return tuple(
        task for task, count in counts.items() if not (sum(count.values()) if isinstance(count, dict) else count)
    )


def unseen(counts: np.ndarray, attribute: Attribute) -> tuple[int, ...]:
    """The classes that no face shows, neither as it is nor mirrored. counts: (C,)."""
    return tuple(np.flatnonzero(mirrored(counts, attribute) == 0).tolist())


def label_gaps(table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Declared] = ()) -> list[str]:
    """One sentence for everything that training faces do not teach, or hardly: tasks, classes and numbers."""
    tasks, declared = tuple(tasks), tuple(declared)
    attributes, quantities = known_attributes(declared), known_quantities(declared)
    none = unlabelled(table, tasks, declared)
    gaps = [f"no training face has labels for {', '.join(none)}; a network gets no head for them"] if none else []
    few = []
    for task in tasks:
        if task in none or task in SCHEMES or task == RECONSTRUCTION.name:
            continue
        if task in quantities:
            gaps += _number_gaps(table, quantities[task])
            continue
        attribute = attributes[task]
        counts = class_counts(table, attribute)
        never = unseen(counts, attribute)
        if never:
            names = ", ".join(repr(attribute.labels[code]) for code in never)
            gaps.append(f"{task}: no training face is {names}; a network never answers so")
        mirror = np.array(attribute.flip)
        taught = np.where(mirror == np.arange(len(mirror)), counts, counts + counts[mirror])
        rare = [f"{counts[code]} {attribute.labels[code]!r}" for code in np.flatnonzero((taught > 0) & (taught < FEW))]
        if rare and len(never) < len(attribute) - 1:
            few.append(f"{task} ({', '.join(rare)})")
    if few:
        gaps.append(f"few training faces of {', '.join(few)}: a class with fewer than {FEW} is hardly learnt")
    return gaps


def _number_gaps(table: pd.DataFrame, quantity: Quantity) -> list[str]:
    """What training faces do not teach of a quantity of which some face has a label."""
    values = values_of(table, quantity)
    values = values[is_known(values)] + 0.0  # which makes a zero of a negative one
    told, taught = f"{quantity.name}: ", np.unique(np.concatenate([values, quantity.sign * values + 0.0]))
    if len(taught) == 1:
        return [f"{told}every training face with a label has the value {taught[0]:g}; a network learns nothing else"]
    if len(values) < FEW:
        return [f"{told}{len(values)} training faces have a label; with fewer than {FEW} it is hardly learnt"]
    return []
