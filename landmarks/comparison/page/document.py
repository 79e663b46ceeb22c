"""The page of a comparison, made from its folder; what is hand-written in it comes from a file of facts and notes.

    python -m landmarks.comparison.page.document RUN docs/comparison.md --facts facts.toml

makes the page anew with its figures beside it. Its sentences follow from the numbers, so they change with them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from landmarks.atomic import write_text
from landmarks.comparison.analysis.questions import alone_by_epochs, every_task, main_arms, reference_arm, tasks_words
from landmarks.comparison.analysis.statistics import ROUNDS
from landmarks.comparison.analysis.summary import (
    ERROR,
    FAILURES,
    Measured,
    describe,
    measure,
    spread,
    summarise,
    summary_markdown,
)
from landmarks.comparison.figures.gallery import draw_figures, drawings
from landmarks.comparison.page.beside import paper_tables
from landmarks.comparison.page.cautions import auxiliary_table, cautions
from landmarks.comparison.page.section import Section
from landmarks.comparison.page.sections import group_section
from landmarks.comparison.page.wording import sentence
from landmarks.comparison.reported import MeasuredOn, Reported
from landmarks.comparison.results import SETTINGS, Results, read_results
from landmarks.config import build, checked, read_toml
from landmarks.errors import LandmarksError, unknown

STATISTICS = f"""\
Errors are distances in % of the inter-ocular distance; a failure is a landmark that is off by more than 10 %; the
failure rate is that of all landmarks of all faces. Shift-free figures are without the mean error vector of a run, two
numbers for all faces. Figures are means over the seeds, ± their standard deviation. Δ, a difference in points of per
cent, is what the arm has more than what it is held against, with its 95 % interval.

Intervals and p-values are from a bootstrap of {ROUNDS:,} rounds. In each round the test faces are drawn anew, the same
ones for both arms, and each arm's mean over seeds is moved by its standard error. The spread over seeds that goes into
it is the arm's own or the usual one of arms with the same network and number of training faces, whichever is larger:
two to five seeds alone tell it too badly, and resampling them gives intervals that are too short. Where the seed draws
few training faces or labels, the same ones for both arms, they are compared seed by seed. P-values are
two-sided and corrected by Holm's method for the arms of their table; `≤` marks the smallest that so many rounds can
tell. That something helps, hurts, errs less or more is said where the corrected p-value is below 0.05; that it *may*,
where only the interval is clear of zero. Without a second seed of any like arm there is no p-value, and the interval is
that of the test faces alone."""


@checked
@dataclass(frozen=True)
class Facts:
    """What the results do not know."""

    date: str
    """Of the measurement."""
    machine: str
    commands: tuple[str, ...]
    """As they were given, in order."""
    protocol: str
    """Paragraphs: data, boxes, choice of settings, budgets."""
    notes: dict[str, str] = field(default_factory=dict)
    """Paragraphs by group of arms, `short` for the top of the page, `end` for its end."""
    reported: tuple[Reported, ...] = ()
    """What papers report of some test faces; told beside results of the same ones only."""
    reported_of: MeasuredOn | None = None
    """Those test faces."""
    title: str = "Multi-task learning against its baselines"
    """Of the page."""

    def __post_init__(self) -> None:
        if self.reported and self.reported_of is None:
            raise ValueError("reported_of: missing; name the dataset, split and number of faces of what is reported")


def read_facts(path: Path) -> Facts:
    """Facts from TOML, whose keys are those of `Facts`. Raises LandmarksError naming what is wrong."""
    return build(Facts, read_toml(path), str(path))


def page(measured: Measured, facts: Facts, figures: dict[str, str]) -> str:
    """The page in Markdown. figures: by name of a drawing, its path from the page.

    Raises LandmarksError if no arm learns the landmarks alone, or for a note on a group that the grid does not have.
    """
    results, described, reported = measured.results, describe(measured), beside(measured.results, facts)
    groups, captions = results.grid.groups, drawings(measured, reported)
    for note in facts.notes:
        if note not in (places := [*groups, "short", "end"]):
            raise LandmarksError(f"notes: {unknown('group', note, places)}")
    sections = {group: group_section(measured, described, group, reported) for group in groups}
    reference = reference_arm(results).name
    brief = [*_headline(results, described), *_brief(results, sections)]
    doubts, auxiliary = cautions(measured, described), auxiliary_table(measured, described)
    tables = paper_tables(measured, described, reported)
    parts = [
        f"# {facts.title}",
        "Made by `landmarks.comparison.page.document` from the results of every arm, seed and face; "
        f"measured {facts.date} on {facts.machine}.",
        *(["## In short", facts.notes["short"]] if "short" in facts.notes else []),
        "## In figures",
        "\n".join(brief),
        *(["## What to be careful with", "\n".join(f"- {sentence(doubt)}" for doubt in doubts)] if doubts else []),
        "## How it was measured",
        "```bash\n" + "\n".join(facts.commands) + "\n```",
        _protocol(results),
        facts.protocol.strip(),
        STATISTICS,
    ]
    if tables:
        told = "Boxes, training and, where it says so, training faces of the papers' networks are their own."
        parts += ["## Beside the papers", told, tables]
    elif facts.reported:
        of = measured_on(results) or "faces whose dataset is not noted"
        parts += [
            "## Beside the papers",
            f"The papers' figures are of {facts.reported_of}. These are of {of}: not shown.",
        ]
    for group, question in groups.items():
        if sections[group].body:
            drawn = [
                f"![{captions[name].caption}]({path})"
                for name, path in figures.items()
                if captions[name].group == group
            ]
            parts += [f"## {question.title}", question.asked, *sections[group].body, *drawn, facts.notes.get(group, "")]
    parts += [
        "## All arms",
        summary_markdown(summarise(measured, reference), f"`{reference}`"),
        *(["## The other tasks of all arms", auxiliary] if auxiliary else []),
        facts.notes.get("end", ""),
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def measured_on(results: Results) -> MeasuredOn | None:
    """The faces that a comparison's figures are of; None where its folder does not say."""
    kept = _settings(results)
    return MeasuredOn(kept["dataset"], kept["split"], len(results.faces)) if kept else None


def beside(results: Results, facts: Facts) -> tuple[Reported, ...]:
    """What is reported of the comparison's own test faces."""
    return facts.reported if measured_on(results) == facts.reported_of else ()


def write_document(folder: Path, path: Path, facts: Facts) -> None:
    """Write a comparison's page, whole or not at all, and its figures as PNG into `figures/NAME/` beside it.

    Raises LandmarksError for results that cannot be read.
    """
    measured = measure(read_results(folder))
    place = Path("figures") / path.stem
    names = draw_figures(measured, path.parent / place, beside(measured.results, facts), (".png",))
    text = page(measured, facts, {name: (place / f"{name}.png").as_posix() for name in names})
    write_text(path, text)


def _headline(results: Results, described: pd.DataFrame) -> list[str]:
    """The landmarks alone and with all tasks, a line for each length of training."""
    lines, every = [], every_task(results)
    for epochs, alone in alone_by_epochs(results).items():
        arms = main_arms(results, alone)
        told = []
        for words, arm in (
            (words, arms[words]) for words in (tasks_words(frozenset()), tasks_words(every)) if words in arms
        ):
            row = described.loc[arm.name]
            errors, failures = (spread(row, key) for key in (ERROR, FAILURES))
            seeds = f"{row['seeds']} seed{'s' if row['seeds'] > 1 else ''}"
            told.append(f"{words}: mean error {errors} %, failures {failures} % ({seeds})")
        lines.append(f"- **{epochs} epochs.** {'; '.join(told)}.")
    return lines


def _brief(results: Results, sections: dict[str, Section]) -> list[str]:
    return [
        f"- **{results.grid.groups[group].title}** {' '.join(sentence(line) for line in section.brief)}"
        for group, section in sections.items()
        if section.brief
    ]


def _protocol(results: Results) -> str:
    """What the folder itself tells of the protocol."""
    faces, runs = results.faces, sum(len(arm.seeds) for arm in results.arms.values())
    hours = sum(float(arm.numbers["train_seconds"].sum()) for arm in results.arms.values()) / 3600
    counts = sorted({len(arm.seeds) for arm in results.arms.values()})
    seeds = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    kept = _settings(results)
    data = f" of {kept['dataset']}, split `{kept['split']}`, detector `{_name(kept['detector'])}`" if kept else ""
    return (
        f"{len(results.arms)} arms, {seeds} seeds each, {runs} trainings of {hours:.1f} hours in all; "
        f"{len(faces):,} faces{data}; in "
        f"{int(faces['fallback'].sum()):,} of them the detector found no face and the whole crop was taken."
    )


def _settings(results: Results) -> dict[str, Any]:
    """What `compare` notes of a folder; nothing where it has not."""
    path = results.folder / SETTINGS
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _name(detector: str | dict[str, Any]) -> str:
    """A detector as `compare` notes it, by its name."""
    return detector if isinstance(detector, str) else str(detector["name"])


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the page of a comparison.")
    parser.add_argument("run", type=Path, help="folder of `landmarks compare`")
    parser.add_argument("page", type=Path, help="Markdown file to write")
    parser.add_argument("--facts", type=Path, required=True, help="TOML file: date, machine, commands, protocol, notes")
    arguments = parser.parse_args()
    write_document(arguments.run, arguments.page, read_facts(arguments.facts))


if __name__ == "__main__":
    main()
