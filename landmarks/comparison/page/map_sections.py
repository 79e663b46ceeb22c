"""Where other tasks pay: the map of faces and views, and tasks of few labels, as tables and sentences."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from landmarks.comparison.analysis.gains import errors_of, few_labels, gains, words_of
from landmarks.comparison.analysis.questions import tasks_text
from landmarks.comparison.analysis.summary import ERROR, Measured, corrected, interval, spread
from landmarks.comparison.page.section import Section, bullets
from landmarks.comparison.page.wording import HELPING, TOLD, finding, listed, sort_out
from landmarks.evaluation.card import markdown_table


def map_section(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    """What other tasks do for the landmarks, by training faces and views."""
    frame, arms = gains(measured, group), measured.results.arms
    if frame.empty:
        return Section((), ())
    words = list(dict.fromkeys(tasks_text(arms[str(name)]) for name in frame.index))
    head = ["training faces", "views", "training error, alone", "test error, alone"]
    head += [text for word in words for text in (f"Δ {word}", "p")]
    rows: list[list[str]] = []
    found: dict[str, dict[str, list[str]]] = {word: {} for word in words}
    for (views, faces), part in frame.groupby(["views", "faces"], sort=False):
        alone = part["reference"].iloc[0]
        cells = [f"{faces:,}" if faces else "all", str(views), f"{errors_of(measured, alone)[1]:.2f}"]
        cells.append(spread(described.loc[alone], ERROR))
        changes = {tasks_text(arms[str(name)]): row for name, row in part.iterrows()}
        for word in words:
            cells += [interval(changes[word], ERROR), corrected(changes[word], ERROR)] if word in changes else ["", ""]
        for word, row in changes.items():
            where = f"{f'{faces:,}' if faces else 'all'} faces in {'one view' if views == 1 else f'{views} views'}"
            found[word].setdefault(finding(row), []).append(where)
        rows.append(cells)
    brief = [f"{word} {_said(where)}" for word, where in found.items()]
    return Section((markdown_table(head, rows), *bullets(brief)), tuple(brief))


def labels_section(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    """What landmarks do for tasks that few faces have a label of."""
    frame, arms = few_labels(measured.results, group), measured.results.arms
    if frame.empty:
        return Section((), ())
    head = ["balanced accuracy, %", "labels", "alone", "learnt", "accuracy", "difference, points", "corrected p"]
    rows: list[list[str]] = []
    findings: dict[tuple[str, int], dict[str, str]] = {}
    for _, row in frame.iterrows():
        words = words_of(arms[row["arm"]])
        name = f"{row['task']}, {row['measure']}" if row["lower_is_better"] else row["task"]
        cells = [name, f"{row['labels']:,}", spread(row, "alone"), words, spread(row, "accuracy")]
        rows.append([*cells, interval(row, "accuracy"), corrected(row, "accuracy")])
        found = finding(row, "accuracy", row["lower_is_better"])
        findings.setdefault((words, row["labels"]), {})[row["task"]] = found
    brief = [
        f"{words} instead of alone, with {labels:,} labels, {sort_out(found, TOLD)}"
        for (words, labels), found in sorted(findings.items())
    ]
    return Section((markdown_table(head, rows), *bullets(brief)), tuple(brief))


def _said(where: Mapping[str, list[str]]) -> str:
    """What tasks do, and from which faces: `helps from 125 faces in one view; hurts from all faces in 12 views`."""
    return "; ".join(f"{verb} from {listed(where[kind])}" for kind, (verb, _) in HELPING.items() if kind in where)
