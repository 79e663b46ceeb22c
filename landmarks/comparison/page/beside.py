"""A comparison's figures beside those that papers report of the same test faces."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from landmarks.comparison.analysis.questions import alone_by_epochs, headline_arms, main_arms, tasks_words
from landmarks.comparison.analysis.summary import ERROR, FAILURES, Measured, contrast, interval, spread
from landmarks.comparison.reported import Reported, failures_of
from landmarks.comparison.results import ArmResults
from landmarks.evaluation.card import markdown_table

NOT_RUN = "not run"


def paper_tables(measured: Measured, described: pd.DataFrame, reported: Sequence[Reported]) -> str:
    """What is reported, and ours by the epochs of training: failures by the tasks that were learnt, then mean errors.
    Nothing where nothing is reported. described: of `describe`."""
    failures = _failures_table(measured, described, reported)
    errors = _errors_table(measured, described, reported)
    return "\n\n".join(table for table in (failures, errors) if table)


def _failures_table(measured: Measured, described: pd.DataFrame, reported: Sequence[Reported]) -> str:
    sets = [frozenset(row.auxiliary) for row in reported if row.failures is not None and not row.network]
    budgets = alone_by_epochs(measured.results)
    ours = {epochs: _cells(measured, described, alone, sets) for epochs, alone in budgets.items()}
    charted = [epochs for epochs in budgets if len(ours[epochs]) > 2] or list(budgets)[:1]
    alone, rows = failures_of(reported, frozenset()), []
    for tasks in sets:
        if any(tasks in ours[epochs] for epochs in charted):
            theirs = failures_of(reported, tasks)
            assert theirs is not None
            change = f"{theirs - alone:+.2f}" if tasks and alone is not None else ""
            cells = [cell for epochs in charted for cell in ours[epochs].get(tasks, [""] * 3)]
            rows.append([tasks_words(tasks), f"{theirs:.2f}", change, *cells])
    head = ["", "paper, failures", "change"]
    head += [cell for epochs in charted for cell in (f"ours, {epochs} epochs, failures", "change", "mean error")]
    return markdown_table(head, rows) if rows else ""


def _cells(
    measured: Measured, described: pd.DataFrame, alone: ArmResults, sets: Sequence[frozenset[str]]
) -> dict[frozenset[str], list[str]]:
    """Failures, their change and mean error of our arms by their auxiliary tasks. alone: as for `main_arms`."""
    headline = headline_arms(measured.results, alone)
    main = main_arms(measured.results, alone)
    arms = [arm for text, arm in main.items() if text in headline or arm.auxiliary in sets]
    changes = contrast(measured, {arm.name: alone.name for arm in arms if arm.name != alone.name})
    cells = {}
    for arm in arms:
        change = interval(changes.loc[arm.name], FAILURES) if arm.name in changes.index else ""
        failures, error = (spread(described.loc[arm.name], key) for key in (FAILURES, ERROR))
        cells[arm.auxiliary] = [failures, change, error]
    return cells


def _errors_table(measured: Measured, described: pd.DataFrame, reported: Sequence[Reported]) -> str:
    budgets = alone_by_epochs(measured.results)
    rows = [
        [row.label, f"{row.mean_error:.2f}", *(_error(measured, described, row, alone) for alone in budgets.values())]
        for row in reported
        if row.mean_error is not None
    ]
    head = ["mean error, %", "reported", *(f"ours, {epochs} epochs" for epochs in budgets)]
    return markdown_table(head, rows) if rows else ""


def _error(measured: Measured, described: pd.DataFrame, row: Reported, alone: ArmResults) -> str:
    """The mean error of the arm that is trained as long as `alone` and is what a row reports."""
    if row.network:
        arms = [arm for arm in measured.results.arms.values() if arm.config["network"] == row.network and arm.locates]
        arms = [arm for arm in arms if arm.config["epochs"] == alone.config["epochs"]]
    else:
        arms = list(main_arms(measured.results, alone).values())
    found = next((arm for arm in arms if arm.auxiliary == frozenset(row.auxiliary)), None)
    return NOT_RUN if found is None else spread(described.loc[found.name], ERROR)
