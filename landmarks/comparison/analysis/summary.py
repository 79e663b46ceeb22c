"""What came of each arm and how it differs from its reference, as tables: a row an arm, shares in per cent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from landmarks.atomic import write_text
from landmarks.comparison.analysis.cosines import cosines_of
from landmarks.comparison.analysis.questions import ALIKE, tasks_text
from landmarks.comparison.analysis.statistics import (
    MEASURES,
    ROUNDS,
    differences,
    face_values,
    holm,
    paired_differences,
    seed_by_seed,
    seed_spreads,
)
from landmarks.comparison.analysis.task_measures import measure_of, task_figures
from landmarks.comparison.grid.arms import Arm
from landmarks.comparison.results import NUMBERS, ArmResults, Results
from landmarks.config import build
from landmarks.evaluation.card import markdown_table
from landmarks.models.cascade import LEVELS, Cascade, count_multiply_adds

SHIFT_FREE = "_shift_free"
SETTINGS = ("network", "sharing", "strength", "stopping", "weighting", "auxiliary_weight", "faces", "width", "epochs")
ERROR, FAILURES = "mean_error", "failure_landmarks"
ERROR_SHIFT_FREE = ERROR + SHIFT_FREE
CONTRASTED = (ERROR, FAILURES, ERROR_SHIFT_FREE)
"""The measures whose differences are tested."""
BY_SEED = (ERROR, FAILURES)
"""The measures, beside the accuracies, of which each seed's figure is kept."""


@dataclass(frozen=True)
class Measured:
    """A comparison with the value of each measure of every face in every run."""

    results: Results
    values: dict[str, dict[str, np.ndarray]]
    """By measure and arm: (S, N). Arms without landmarks are absent."""
    spreads: dict[str, dict[str, float]]
    """By measure and arm: standard deviation over seeds, as `seed_spreads` gives it."""


def measure(results: Results) -> Measured:
    """All measures, as they come and without the shift that a run's faces share (`NAME_shift_free`)."""
    located = {name: arm for name, arm in results.arms.items() if arm.locates}
    kinds = {name: tuple(arm.config[key] for key in ALIKE) for name, arm in located.items()}
    values = {
        key + suffix: {name: face_values(arm.vectors, key, bool(suffix)) for name, arm in located.items()}
        for suffix in ("", SHIFT_FREE)
        for key in MEASURES
    }
    return Measured(results, values, {key: seed_spreads(runs, kinds) for key, runs in values.items()})


def describe(measured: Measured) -> pd.DataFrame:
    """What came of each arm, by its name. Errors, failures, AUC and accuracies in per cent, means over the seeds with
    the standard deviation over them (`NAME_sd`), and for those that are told most each seed's own (`NAME_seed_0`);
    quantities' mean absolute errors in their units, gradients' cosines (`TASK_gradient_cosine`, means over the epochs,
    of arms that measured them) and costs as counted. NaN for what an arm does not have."""
    rows = {}
    columns = {task: measure_of(measured.results, task).column for task in measured.results.tasks}
    for name, arm in measured.results.arms.items():
        row: dict[str, Any] = {
            "group": arm.group,
            "tasks": tasks_text(arm),
            **{key: arm.config[key] for key in SETTINGS},
        }
        row["stopping"] = arm.stopping
        row["seeds"] = len(arm.seeds)
        for key, runs in measured.values.items():
            row |= _over_seeds(key, runs[name].mean(axis=1) if name in runs else np.full(1, np.nan))
            if key in BY_SEED and name in runs:
                row |= _by_seed(key, arm, runs[name].mean(axis=1))
        others = {"second_pass_mean_error": arm.second}
        others |= {f"level_{place}_mean_error": level for place, level in enumerate(arm.levels, 1)}
        for key, vectors in others.items():
            if vectors.size:
                row |= _over_seeds(key, face_values(vectors, ERROR).mean(axis=1))
        for task in arm.guesses:
            key, figures = f"{task}_{columns[task]}", task_figures(measured.results, arm, task)
            row |= _over_seeds(key, figures, 1.0) | _by_seed(key, arm, figures, 1.0)
        for task, cosines in cosines_of(measured.results, arm).items():
            row |= _over_seeds(f"{task}_gradient_cosine", cosines, 1.0)
        numbers = arm.numbers.mean()
        row |= {key: numbers[key] * (100 if key.endswith("_error") else 1) for key in NUMBERS}
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")


def contrast(measured: Measured, pairs: Mapping[str, str]) -> pd.DataFrame:
    """How arms differ from their references, in points of per cent: by arm, `reference` and, for each of CONTRASTED,
    `NAME_difference`, `_low`, `_high`, `_p` and `_p_holm`, which is corrected for the number of pairs. Arms of as few
    faces as their references, which the seed draws, are compared seed by seed."""
    frame = pd.DataFrame({"reference": pd.Series(pairs, dtype=object)}).rename_axis("arm")
    arms = measured.results.arms
    seeds = {name: arm.seeds for name, arm in arms.items()}
    drawn = {arm: other for arm, other in pairs.items() if _drawn_alike(arms[arm], arms[other])}
    others = {arm: other for arm, other in pairs.items() if arm not in drawn}
    kinds = {arm: tuple(arms[arm].config[key] for key in ALIKE) for arm in drawn}
    for key in CONTRASTED:
        values = measured.values[key]
        found = differences(values, others, measured.spreads[key])
        found |= paired_differences(seed_by_seed(values, drawn, seeds), kinds)
        frame[f"{key}_difference"] = [100 * found[arm].value for arm in pairs]
        frame[f"{key}_low"] = [100 * found[arm].low for arm in pairs]
        frame[f"{key}_high"] = [100 * found[arm].high for arm in pairs]
        p_values = np.array([found[arm].p for arm in pairs])
        frame[f"{key}_p"], frame[f"{key}_p_holm"] = p_values, holm(p_values)
    return frame


def by_effect(changes: pd.DataFrame) -> pd.DataFrame:
    """Rows of `contrast`, that with the largest fall of the mean error first."""
    return changes.sort_values(f"{ERROR}_difference", kind="stable")


def summarise(measured: Measured, reference: str) -> pd.DataFrame:
    """Every arm, and its difference to the reference; no differences where the reference has no landmarks."""
    located = measured.values[ERROR]
    pairs = {arm: reference for arm in located if arm != reference and reference in located}
    return describe(measured).join(contrast(measured, pairs))


def level_costs(arm: ArmResults) -> list[int]:
    """Multiply-adds of a face up to each level of a cascade."""
    cascade = Cascade(build(Arm, arm.config, f"arm {arm.name!r}").network_config().input_size)
    return [count_multiply_adds(cascade, level) for level in range(1, LEVELS + 1)]


COLUMNS = ("arm", "seeds", "mean error", "failures", "difference", "corrected p", "second pass")
COSTS = ("parameters", "multiply-adds", "training, s", "ms a face")


def cells(arm: str, row: pd.Series) -> list[str]:
    """A row of `summarise` as text, in the order of COLUMNS and COSTS."""
    return [
        *(arm, str(row["seeds"]), spread(row, ERROR), spread(row, FAILURES)),
        *(interval(row, ERROR), corrected(row, ERROR)),
        number(row.get("second_pass_mean_error", np.nan)),
        *costs(row),
    ]


def costs(row: pd.Series) -> list[str]:
    """What an arm costs as text, in the order of COSTS."""
    counts = [f"{row[key]:,.0f}" for key in ("parameters", "multiply_adds", "train_seconds")]
    return [*counts, number(row["ms_face"])]


def number(value: float) -> str:
    """A number with two decimals; nothing where there is none."""
    return "" if pd.isna(value) else f"{value:.2f}"


def spread(row: pd.Series, key: str) -> str:
    """A mean over seeds and the standard deviation over them."""
    value, sd = row[key], row[f"{key}_sd"]
    return number(value) if pd.isna(sd) else f"{value:.2f} ± {sd:.2f}"


def interval(row: pd.Series, key: str) -> str:
    """A difference and its interval."""
    value, low, high = (row[f"{key}_{part}"] for part in ("difference", "low", "high"))
    return "" if pd.isna(value) else f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def corrected(row: pd.Series, key: str) -> str:
    """A corrected p-value; `≤` where no round was beyond zero, so that more rounds might have made it smaller."""
    value = row[f"{key}_p_holm"]
    if pd.isna(value):
        return ""
    bound = "≤ " if row[f"{key}_p"] <= 2 / (1 + ROUNDS) and value < 1 else ""
    return f"{bound}{value:.4f}" if value < 0.001 else f"{bound}{value:.3f}" if value < 0.1 else f"{bound}{value:.2f}"


def caption(reference: str) -> str:
    """What the numbers of the summary are."""
    return (
        "Mean error and failures (landmarks off by more than 10 %), in % of the inter-ocular distance and of the "
        f"landmarks, mean and standard deviation over seeds; difference of the mean error to {reference}, in points, "
        "with its 95 % interval and a p-value corrected for the number of arms; where one seed is all there is, the "
        "interval is that of the test faces alone and there is no p-value."
    )


def summary_markdown(frame: pd.DataFrame, reference: str) -> str:
    """A table of `summarise` for a page."""
    rows = [cells(str(arm), row) for arm, row in frame.iterrows()]
    return f"{caption(reference)}\n\n{markdown_table([*COLUMNS, *COSTS], rows)}\n"


def summary_table(frame: pd.DataFrame, reference: str) -> Table:
    """The same for a terminal."""
    table = Table(*COLUMNS, *COSTS, caption=caption(reference))
    for arm, row in frame.iterrows():
        table.add_row(*cells(str(arm), row))
    return table


def write_summary(frame: pd.DataFrame, reference: str, folder: Path) -> None:
    """Write `summary.csv`, all columns, and `summary.md` to a folder, whole or not at all."""
    write_text(folder / "summary.csv", frame.to_csv(float_format="%.6g"))
    write_text(folder / "summary.md", summary_markdown(frame, reference))


def _drawn_alike(arm: ArmResults, other: ArmResults) -> bool:
    """Whether each seed draws the same few faces for both."""
    few = arm.config["faces"] and arm.config["faces"] == other.config["faces"]
    return bool(few) and not set(arm.seeds).isdisjoint(other.seeds)


def _over_seeds(key: str, figures: np.ndarray, factor: float = 100) -> dict[str, float]:
    sd = float(figures.std(ddof=1)) if len(figures) > 1 and np.isfinite(figures).all() else np.nan
    return {key: factor * float(figures.mean()), f"{key}_sd": factor * sd}


def _by_seed(key: str, arm: ArmResults, figures: np.ndarray, factor: float = 100) -> dict[str, float]:
    return {f"{key}_seed_{seed}": factor * float(figure) for seed, figure in zip(arm.seeds, figures)}
