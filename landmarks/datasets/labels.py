"""How many faces teach each task and class, and what that leaves unlearnt.

Training crops are mirrored half of the time, so a face that looks left teaches `right`, too: a class is seen where it
or its mirror image has a face.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from landmarks.datasets.table import labels_of, points_of
from landmarks.schemes import ABSENT, SCHEMES, Attribute, known_attributes

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
    table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Attribute] = ()
) -> dict[str, int | dict[str, int]]:
    """By task: the faces with at least one of a scheme's points, or those of each class by its text. Plain values.

    declared: attributes beside the built-in ones, here and in what follows.
    """
    attributes = known_attributes(declared)
    counts: dict[str, int | dict[str, int]] = {}
    for task in tasks:
        if task in SCHEMES:
            counts[task] = int(np.isfinite(points_of(table, SCHEMES[task])).all(axis=2).any(axis=1).sum())
        else:
            attribute = attributes[task]
            counts[task] = dict(zip(attribute.labels, class_counts(table, attribute).tolist()))
    return counts


def unlabelled(table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Attribute] = ()) -> tuple[str, ...]:
    """The tasks for which no face has a label."""
    counts = label_counts(table, tasks, declared)
    return tuple(
        task for task, count in counts.items() if not (sum(count.values()) if isinstance(count, dict) else count)
    )


def unseen(counts: np.ndarray, attribute: Attribute) -> tuple[int, ...]:
    """The classes that no face shows, neither as it is nor mirrored. counts: (C,)."""
    return tuple(np.flatnonzero(mirrored(counts, attribute) == 0).tolist())


def label_gaps(table: pd.DataFrame, tasks: Iterable[str], declared: Iterable[Attribute] = ()) -> list[str]:
    """One sentence for everything that training faces do not teach, or hardly: tasks and classes."""
    tasks, attributes = tuple(tasks), known_attributes(declared)
    none = unlabelled(table, tasks, attributes.values())
    gaps = [f"no training face has labels for {', '.join(none)}; a network gets no head for them"] if none else []
    few = []
    for task in tasks:
        if task in none or task in SCHEMES:
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
