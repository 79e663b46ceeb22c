"""What a comparison says to each of its questions: tables, and sentences that follow from the numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from landmarks.comparison.analysis.accuracies import accuracy_contrast
from landmarks.comparison.analysis.learnt import never_fired
from landmarks.comparison.analysis.questions import (
    all_tasks,
    alone_by_epochs,
    headline_arms,
    held_against_nothing,
    main_arms,
    pairs_with_others,
    pairs_with_single_task,
    reference_arm,
    tasks_text,
)
from landmarks.comparison.analysis.summary import (
    ERROR,
    ERROR_SHIFT_FREE,
    FAILURES,
    Measured,
    by_effect,
    contrast,
    corrected,
    interval,
    level_costs,
    spread,
)
from landmarks.comparison.analysis.task_measures import measure_of
from landmarks.comparison.page.map_sections import labels_section, map_section
from landmarks.comparison.page.section import Section, bullets
from landmarks.comparison.page.wording import BETTER, ERRING, HELPING, TOLD, finding, listed, phrase, sort_out
from landmarks.comparison.reported import Reported, failures_of
from landmarks.comparison.results import ArmResults
from landmarks.evaluation.card import markdown_table
from landmarks.models.cascade import LEVELS

COSTING = {"multiply_adds": "multiply-adds", "parameters": "parameters", "ms_face": "time a face"}
"""What a rival costs, by column."""
MOST = 4
"""Arms of one finding that the top of the page names; more are counted."""


def group_section(
    measured: Measured, described: pd.DataFrame, group: str, reported: Sequence[Reported] = ()
) -> Section:
    """The arms of a group of the grid's beside the landmarks alone and, where its question has one, another reference.

    described: of `describe`; reported: what others report of the same test faces.
    """
    if not any(arm.group == group for arm in measured.results.arms.values()):
        return Section((), ())
    varies = measured.results.grid.groups[group].varies
    if varies == "tasks":
        section = _tasks(measured, described, group, reported)
    else:
        special = {"epochs": _epochs, "network": _networks, "faces": _faces, "levels": _levels}
        special |= {"map": map_section, "labels": labels_section}
        section = special.get(varies, _plain)(measured, described, group)
    return Section((*section.body, *bullets(_held_against_nothing(measured, group))), section.brief)


def _held_against_nothing(measured: Measured, group: str) -> list[str]:
    """A sentence for each arm that has nothing to be compared with."""
    return [
        f"`{arm.name}` is held against no arm: none learns the landmarks alone with the network "
        f"`{arm.config['network']}` from {arm.config['faces'] or 'all'} training faces, seen and optimised alike"
        for arm in held_against_nothing(measured.results, group)
    ]


def _plain(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    results, other = measured.results, _other_words(measured, group)
    alone = by_effect(contrast(measured, pairs_with_single_task(results, group)))
    body, told = [_table(measured, described, group, alone)], {"the landmarks alone": alone}
    others = pairs_with_others(results, group)
    if others:
        told[other] = by_effect(contrast(measured, others))
        body.append(_against(told[other], other))
    idle = [name for name in never_fired(results) if results.arms[name].group == group]
    told = {reference: frame.drop(idle, errors="ignore") for reference, frame in told.items()}
    told = {reference: frame for reference, frame in told.items() if len(frame)}
    lines = [f"against {reference}, {_sorted(frame)}" for reference, frame in told.items()]
    brief = [f"against {reference}, {_told(frame)}" for reference, frame in told.items()]
    if idle:
        brief.append(f"nothing was ever stopped in {listed(f'`{name}`' for name in idle)}")
        lines.append(brief[-1])
    return Section((*body, *bullets(lines)), tuple(brief))


def _tasks(measured: Measured, described: pd.DataFrame, group: str, reported: Sequence[Reported]) -> Section:
    changes = _main_contrast(measured)
    labels = {arm.name: text for text, arm in main_arms(measured.results).items()}
    body = [_rows(described, [reference_arm(measured.results).name, *changes.index], changes, labels)]
    brief, lines = [], []
    for name, row in changes.iterrows():
        lines.append(f"**{labels[str(name)]}**: mean error {phrase(row)}; failures {phrase(row, FAILURES)}")
    if len(changes):
        sized = {
            str(name): f"{labels[str(name)]} ({row[f'{ERROR}_difference']:+.2f})" for name, row in changes.iterrows()
        }
        brief.append(f"in points of mean error, {_helping(changes, sized, ERROR)}")
        lines.append(f"without the shift that all faces share, {_helping(changes, labels, ERROR_SHIFT_FREE)}")
    whole = all_tasks(measured.results)
    if whole is not None and whole.name in changes.index:
        told = f"failures with all {_count(whole)} tasks, against the landmarks alone: "
        told += phrase(changes.loc[whole.name], FAILURES)
        theirs, theirs_alone = (failures_of(reported, tasks) for tasks in (whole.auxiliary, frozenset()))
        if theirs is not None and theirs_alone is not None:
            change = theirs - theirs_alone
            told += f"; the paper's are {'lower' if change < 0 else 'higher'} by {abs(change):.2f}"
        brief.append(told)
    body += bullets(lines)
    pairs = pairs_with_single_task(measured.results, group)
    rest = by_effect(contrast(measured, {name: alone for name, alone in pairs.items() if name not in changes.index}))
    if len(rest):
        good = sum(finding(row) == BETTER for _, row in rest.iterrows())
        told = f"of these {len(rest)} arms {good or 'none'} certainly err less than the landmarks alone"
        body += [_rows(described, list(rest.index), rest, labels), *bullets([told, _helping(rest, labels, ERROR)])]
    accuracy = _accuracy(measured)
    return Section((*body, *accuracy.body), (*brief, *accuracy.brief))


def _epochs(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    """The landmarks alone trained for longer or shorter, then what the other tasks do for them there."""
    results, pairs = measured.results, pairs_with_single_task(measured.results, group)
    first, *rest = alone_by_epochs(results).values()
    own = {arm.name: first.name for arm in rest}
    lengths = contrast(measured, {name: alone for name, alone in pairs.items() if name in own})
    others = contrast(measured, {name: alone for name, alone in pairs.items() if name not in own})
    lines = [f"`{name}` against `{row['reference']}`: mean error {phrase(row)}" for name, row in lengths.iterrows()]
    brief = list(lines)
    for alone, changes in others.groupby("reference", sort=False) if len(others) else ():
        labels = {name: f"`{name}` ({row[f'{ERROR}_difference']:+.2f})" for name, row in changes.iterrows()}
        brief.append(f"against `{alone}`, {_helping(changes, labels, ERROR)}")
        lines += [
            f"`{name}`: mean error {phrase(row)}; failures {phrase(row, FAILURES)}" for name, row in changes.iterrows()
        ]
    table = _table(measured, described, group, pd.concat([lengths, others]))
    return Section((table, *bullets(lines)), tuple(brief))


def _networks(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    alone = contrast(measured, pairs_with_single_task(measured.results, group))
    changes, whole = _main_contrast(measured), all_tasks(measured.results)
    if whole is not None and whole.name in changes.index:
        usual = changes.loc[[whole.name]]
        compared = pd.concat([alone, usual])
    else:
        compared = alone
    lines, brief = [], []
    for name, row in compared.iterrows():
        share = 100 * row[f"{ERROR}_difference"] / described.loc[row["reference"], ERROR]
        lines.append(f"`{name}` against `{row['reference']}`: mean error {phrase(row)}, a change of {share:+.1f} %")
        if measured.results.arms[str(name)].auxiliary:
            brief.append(lines[-1])
    return Section((_table(measured, described, group, alone), *bullets(lines)), tuple(brief))


def _faces(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    alone = contrast(measured, pairs_with_single_task(measured.results, group))
    lines, findings = [], {}
    for name, row in alone.iterrows():
        faces = f"with {described.loc[name, 'faces']:,}"
        gaps = [described.loc[arm, "val_error"] - described.loc[arm, "train_error"] for arm in (name, row["reference"])]
        findings[faces] = finding(row)
        lines.append(
            f"{faces} training faces, {described.loc[name, 'tasks']}: mean error {phrase(row)}; validation "
            f"error {gaps[0]:.2f} points above training error, with the landmarks alone {gaps[1]:.2f}"
        )
    verbs = {found: (f"training faces they {verb}",) * 2 for found, (_, verb) in HELPING.items()}
    told = sort_out(findings, verbs)
    brief = [f"the other tasks' effect on the landmarks: {told}"] if findings else []
    return Section((_table(measured, described, group, alone), *bullets(lines)), tuple(brief))


def _levels(measured: Measured, described: pd.DataFrame, group: str) -> Section:
    plain = _plain(measured, described, group)
    body, brief = list(plain.body), list(plain.brief)
    names = [name for name, arm in measured.results.arms.items() if arm.group == group and arm.levels]
    rows = []
    for name in names:
        errors = [spread(described.loc[name], f"level_{level}_mean_error") for level in range(1, LEVELS + 1)]
        costs = [f"{cost:,}" for cost in level_costs(measured.results.arms[name])]
        rows += [[f"`{name}`, mean error, %", *errors], ["multiply-adds up to there", *costs]]
    if rows:
        body.append(markdown_table(["after level", *(str(level) for level in range(1, LEVELS + 1))], rows))
    whole = all_tasks(measured.results)
    if whole is not None:
        frame = contrast(measured, {name: whole.name for name in names})
        for name, row in frame.iterrows():
            costs_of = {key: described.loc[name, key] / described.loc[whole.name, key] for key in COSTING}
            cost = listed(f"{times:.1f} times the {COSTING[key]}" for key, times in costs_of.items() if times == times)
            line = f"`{name}` against `{whole.name}`: mean error {phrase(row)}, for {cost}"
            body += bullets([line])
            brief.append(line)
    return Section(tuple(body), tuple(brief))


def _accuracy(measured: Measured) -> Section:
    """Whether the landmarks help the other tasks."""
    frame = accuracy_contrast(measured.results)
    if frame.empty:
        return Section((), ())
    words = {name: tasks_text(arm) for name, arm in measured.results.arms.items()}
    head = ["balanced accuracy, %", "alone", "with the landmarks", "difference, points", "corrected p"]
    rows = [
        [
            f"{row['task']}, {row['measure'] + ', ' if row['lower_is_better'] else ''}{words[row['arm']]}",
            *(spread(row, key) for key in ("alone", "accuracy")),
            *(interval(row, "accuracy"), corrected(row, "accuracy")),
        ]
        for _, row in frame.iterrows()
    ]
    pairs = frame[[len(measured.results.arms[arm].auxiliary) == 1 for arm in frame["arm"]]]
    told = {row["task"]: row for _, row in pairs.iterrows()}
    guessed = [
        task
        for task, row in told.items()
        if any(measure_of(measured.results, task).not_learnt(row[key]) for key in ("alone", "accuracy"))
    ]
    findings = {
        task: finding(row, "accuracy", row["lower_is_better"]) for task, row in told.items() if task not in guessed
    }
    brief = [f"learnt with the landmarks instead of alone, {sort_out(findings, TOLD)}"] if findings else []
    if guessed:
        brief.append(f"of {listed(guessed)} nothing is said: alone or with the landmarks, it stays at a guess")
    return Section((markdown_table(head, rows), *bullets(brief)), tuple(brief))


def _main_contrast(measured: Measured) -> pd.DataFrame:
    """The headline's arms, each against the landmarks alone, corrected among themselves."""
    alone = reference_arm(measured.results).name
    others = [arm.name for arm in headline_arms(measured.results).values() if arm.name != alone]
    return by_effect(contrast(measured, dict.fromkeys(others, alone)))


def _other_words(measured: Measured, group: str) -> str:
    """What a group's arms are held against besides the landmarks alone."""
    question = measured.results.grid.groups[group]
    return question.against_words or (f"`{question.against}`" if question.against else "the arms that they name")


def _count(arm: ArmResults) -> str:
    """How many other tasks an arm has, in words."""
    return {2: "two", 3: "three", 4: "four"}.get(len(arm.auxiliary), "the other")


def _table(measured: Measured, described: pd.DataFrame, group: str, changes: pd.DataFrame) -> str:
    """A group's arms in the order of their changes, after the arms that they are held against."""
    own = [name for name, arm in measured.results.arms.items() if arm.group == group and arm.locates]
    own.sort(key=lambda name: list(changes.index).index(name) if name in changes.index else -1)
    others = pairs_with_others(measured.results, group)
    references = dict.fromkeys([*changes["reference"], *others.values()])
    return _rows(described, [*(name for name in references if name not in own), *own], changes, {})


def _rows(described: pd.DataFrame, names: list[str], changes: pd.DataFrame, labels: Mapping[str, str]) -> str:
    head = ["", "seeds", "mean error", "shift-free", "failures", "against", "Δ mean error", "p", "Δ failures", "p"]
    rows = []
    for name in names:
        row = described.loc[name]
        label = f"`{name}`" if labels.get(name, name) == name else f"{labels[name]}, `{name}`"
        cells = [label, str(row["seeds"]), *(spread(row, key) for key in (ERROR, ERROR_SHIFT_FREE, FAILURES))]
        if name in changes.index:
            change = changes.loc[name]
            cells += [f"`{change['reference']}`", *_tested(change)]
        rows.append([*cells, *[""] * (len(head) - len(cells))])
    return markdown_table(head, rows)


def _against(changes: pd.DataFrame, reference: str) -> str:
    head = [f"against {reference}", "", "Δ mean error", "p", "Δ failures", "p"]
    return markdown_table(
        head, [[f"`{name}`", f"`{row['reference']}`", *_tested(row)] for name, row in changes.iterrows()]
    )


def _tested(row: pd.Series) -> list[str]:
    return [text(row, key) for key in (ERROR, FAILURES) for text in (interval, corrected)]


def _sorted(changes: pd.DataFrame, most: int = 100) -> str:
    return sort_out({f"`{name}`": finding(row) for name, row in changes.iterrows()}, ERRING, most)


def _told(changes: pd.DataFrame) -> str:
    """A few arms each with its difference; many sorted out."""
    if len(changes) < MOST:
        return "; ".join(f"`{name}`: mean error {phrase(row)}" for name, row in changes.iterrows())
    return _sorted(changes, MOST)


def _helping(changes: pd.DataFrame, labels: Mapping[str, str], key: str) -> str:
    names = {name: labels.get(str(name), f"`{name}`") for name in changes.index}
    return sort_out({names[name]: finding(row, key) for name, row in changes.iterrows()}, HELPING)
