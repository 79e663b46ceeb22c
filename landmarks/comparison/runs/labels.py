"""Training faces whose labels are not all given, or not theirs: what a grid's `labels` and `shuffled` make of views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from landmarks.datasets.crops.views import Views
from landmarks.datasets.table import is_known
from landmarks.schemes import ABSENT, RECONSTRUCTION


def with_labels(
    views: Views, kept: Mapping[str, int], shuffled: Iterable[str], tasks: Iterable[str], seed: int
) -> Views:
    """The faces as an arm may know them.

    kept: by task, how many faces keep their label of it, chosen by the seed with as many of each class as its share
    gives; the labels of the others are masked. shuffled: tasks whose labels are dealt out anew among the faces. tasks:
    those that the arm learns; faces that then have no label of any are left out, as they teach nothing. The same seed
    chooses and deals alike for every arm that has the same faces. Raises ValueError for more labels than there are.
    """
    arrays = dict(views.arrays)
    for task in shuffled:
        dealt = _generator(seed, task, 0).permutation(views.rows)
        arrays[task] = arrays[task].copy()
        arrays[task][:, views.rows] = views.arrays[task][:, dealt]
    for task, count in kept.items():
        given = choose_labels(arrays[task][0, views.rows], count, _generator(seed, task, count))
        arrays[task] = arrays[task].copy()
        arrays[task][:, np.delete(views.rows, given)] = np.nan if arrays[task].dtype.kind == "f" else ABSENT
    found = Views(arrays, views.rows)
    return found.of(np.flatnonzero(has_label(found, tasks))) if kept else found


def choose_labels(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """(N,) classes, ABSENT where a face has none -> (count,) places of labels to keep, in order: of each class its
    share, rounded so that the sum is `count`, and one at least where `count` allows it. Of numbers, NaN where a face
    has none, any `count`. Raises ValueError for more labels than there are."""
    known = np.flatnonzero(is_known(labels))
    if not 0 < count <= len(known):
        raise ValueError(f"{count} labels are wanted, but {len(known)} faces have one")
    if labels.dtype.kind == "f":
        return np.sort(generator.choice(known, count, replace=False))
    classes, sizes = np.unique(labels[known], return_counts=True)
    wanted = _shares(sizes, count)
    chosen = [
        generator.choice(np.flatnonzero(labels == label), part, replace=False) for label, part in zip(classes, wanted)
    ]
    return np.sort(np.concatenate(chosen))


def _shares(sizes: np.ndarray, count: int) -> np.ndarray:
    """(C,) faces of each class -> (C,) labels of each: `count` in all, in proportion, by largest remainders; a class
    that would get none has one of the largest's, where there are as many labels as classes."""
    exact = sizes * count / sizes.sum()
    wanted = np.floor(exact).astype(int)
    wanted[np.argsort(wanted - exact, kind="stable")[: count - wanted.sum()]] += 1
    while count >= len(sizes) and (wanted == 0).any():
        wanted[np.argmax(wanted)] -= 1
        wanted[np.argmin(wanted)] += 1
    return wanted


def has_label(views: Views, tasks: Iterable[str]) -> np.ndarray:
    """(N,) bool: faces with a label of any of the tasks: a class, a number, a point, or the crop itself."""
    taught = np.zeros(len(views), bool)
    for task in tasks:
        if task == RECONSTRUCTION.name:
            return np.ones(len(views), bool)
        labels = views.arrays[task][0, views.rows]
        taught |= is_known(labels) if labels.ndim == 1 else np.isfinite(labels).all(axis=-1).any(axis=-1)
    return taught


def _generator(seed: int, task: str, count: int) -> np.random.Generator:
    return np.random.default_rng((seed, count, *task.encode()))
