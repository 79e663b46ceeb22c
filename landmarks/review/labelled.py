"""The faces of runs that people have looked at, as a dataset to learn from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from landmarks.corrections import Correction, fold, read_corrections
from landmarks.corrections.correction import PUT_OFF
from landmarks.corrections.fold import TRUSTED, UNSEEN
from landmarks.datasets.dataset import VALIDATION_SHARE, Dataset
from landmarks.datasets.readers.dataset_files import Files
from landmarks.datasets.table import check_table, make_table, split_validation
from landmarks.declared import merged
from landmarks.errors import DataError
from landmarks.formats.corrected import of_scheme
from landmarks.geometry import BOX
from landmarks.review.run import Run, read_run, rows_of, sources_of
from landmarks.schemes import Declared
from landmarks.sources.source import Source

NAME = "reviewed"
TERMS = "Your own data."


def read_reviewed(paths: Sequence[str | Path], images: Sequence[str] = (), unseen: bool = False) -> Dataset:
    """The faces of runs that a person has accepted, corrected or added; a tenth of their images is for validation.

    images: where the images are, if not where the runs found them; unseen: take the faces, too, that nobody has looked
    at, as the network labelled them. The source of a face is the name of its run's folder. Raises DataError if there is
    no such face, or if images do not lie in files of their own.
    """
    rows: list[dict[str, Any]] = []
    places: list[str] = []
    declared: list[tuple[str, tuple[Declared, ...]]] = []
    for path in map(Path, paths):
        run = read_run(path)
        declared.append((str(path), run.layout.declared))
        files = _files(path, images)
        places += files.values()
        for name, row in _faces(run, unseen):
            if name not in files:
                raise DataError(
                    f"{path}: {name} is not where the run found it, or lies in an archive or a video; give the images "
                    "as files with --images"
                )
            rows.append({"image": files[name], "split": "train", "source": path.resolve().name, **row})
    if not rows:
        raise DataError(
            f"{', '.join(map(str, paths))}: nobody has accepted or corrected a face; look at them with "
            "`landmarks review` first"
        )
    root = os.path.commonpath([os.path.dirname(place) for place in places])
    for row in rows:
        row["image"] = Path(os.path.relpath(row["image"], root)).as_posix()
    own = merged(declared)
    table = make_table(rows, own)
    check_table(table, own)
    return Dataset(NAME, split_validation(table, VALIDATION_SHARE), Files(root), TERMS, own)


def _files(path: Path, images: Sequence[str]) -> dict[str, str]:
    """Where the images of a run are that have files of their own, by their names."""
    return {
        name: os.path.abspath(source.path)
        for name, source in sources_of(path, images).items()
        if type(source) is Source
    }


def _faces(run: Run, unseen: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Image and labels of each face that is taken."""
    said = fold(of_scheme(read_corrections(run.path), run.layout.scheme))
    for one in said.values():
        if one.status in TRUSTED and one.labels is not None:
            yield one.image, _labels(one.labels, run)
    for (image, face), row in rows_of(run, said).items() if unseen else ():
        known = said.get((image, face))
        if known is None or known.status in (UNSEEN, PUT_OFF):
            yield image, _answers(run, row)


def _labels(line: Correction, run: Run) -> dict[str, Any]:
    """What a person said of a face, as a row of a dataset's table. Raises DataError for a label or a quantity that the
    run lacks."""
    points = np.array([(np.nan, np.nan) if point is None else point for point in line.points.values()], float)
    row: dict[str, Any] = dict(zip(BOX, line.box or [np.nan] * len(BOX)))
    row[line.scheme.name] = None if np.isnan(points).all() else points
    for name, label in line.attributes.items():
        labels = run.layout.attribute(name).labels if name in run.layout.attributes else ()
        if label is not None and label not in labels:
            raise DataError(
                f"{run.path}: a correction of {line.image} says {name} {label}, which this run does not know"
            )
        row[name] = None if label is None else labels.index(label)
    for name, value in line.quantities.items():
        if value is not None and name not in run.layout.quantities:
            raise DataError(
                f"{run.path}: a correction of {line.image} says {name} {value:g}, which this run does not know"
            )
        row[name] = value
    return row


def _answers(run: Run, row: int) -> dict[str, Any]:
    """What the network said of a face."""
    points = run.faces.points[row].astype(float)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    found: dict[str, Any] = dict(zip(BOX, run.found(row) or [np.nan] * len(BOX)))
    found[run.layout.scheme.name] = None if np.isnan(points).all() else points
    for name, scores in run.faces.attributes.items():
        found[name] = int(scores.indices[row]) if np.isfinite(scores.confidence[row]) else None
    found |= {name: float(quantity.values[row]) for name, quantity in run.faces.quantities.items()}
    return found
