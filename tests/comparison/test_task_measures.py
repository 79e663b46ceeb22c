"""Measures of tasks other than the landmarks, by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.analysis.accuracies import contrast_rows, corrected_rows
from landmarks.comparison.analysis.task_measures import measure_of, task_figures
from landmarks.comparison.page.wording import BETTER, WORSE, finding
from landmarks.schemes import SMILE, Quantity

YEARS = Quantity("years", "years")


def results(years, smile=()):
    """Test faces with these labels."""
    labels = {"years": pd.Series(years, dtype=float), "smile": pd.Series(smile, dtype="Int8")}
    return SimpleNamespace(faces=pd.DataFrame(labels), tasks={"years": YEARS, "smile": SMILE})


def arm(name="arm", labels=None, **guesses):
    return SimpleNamespace(
        name=name,
        seeds=tuple(range(len(next(iter(guesses.values()))))),
        config={"labels": labels or {}},
        guesses={task: np.array(runs) for task, runs in guesses.items()},
    )


def test_a_number_is_told_by_its_mean_absolute_error_beside_that_of_the_mean():
    found = results([10, 20, 60, np.nan])
    measure = measure_of(found, "years")
    assert (measure.column, measure.words, measure.lower_is_better) == (
        "absolute_error", "mean absolute error, years", True,
    )  # fmt: skip
    assert measure.guess == pytest.approx(20)  # of 30: 20, 10, 30
    runs = np.array([[10, 20, 63, 99], [16, 14, 60, np.nan]], np.float32)
    assert task_figures(found, arm(years=runs), "years").tolist() == [1, 4]


@pytest.mark.parametrize(("figure", "guessed"), [(20, True), (25, True), (19.7, True), (19.5, False), (0, False)])
def test_a_number_is_not_learnt_where_it_hardly_beats_the_mean(figure, guessed):
    assert measure_of(results([10, 20, 60]), "years").not_learnt(figure) is guessed


@pytest.mark.parametrize("years", [[], [np.nan], [7, 7], [7]])
def test_there_is_nothing_to_guess_where_all_labels_are_alike(years):
    measure = measure_of(results(years), "years")
    assert np.isnan(measure.guess) and measure.not_learnt(3) is False
    figures = task_figures(results(years), arm(years=np.full((2, len(years)), 8.0)), "years")
    assert np.array_equal(figures, [1, 1] if 7 in years else [np.nan] * 2, equal_nan=True)


def test_a_class_is_told_by_its_balanced_accuracy_as_ever():
    found = results([np.nan] * 4, [0, 1, 1, None])
    measure = measure_of(found, "smile")
    assert (measure.words, measure.guess, measure.lower_is_better) == ("balanced accuracy, %", 50, False)
    assert task_figures(found, arm(smile=[[0, 1, 0, 1]]), "smile").tolist() == [75]
    assert measure.not_learnt(51.9) and not measure.not_learnt(52)


@pytest.mark.parametrize(("error", "said"), [(1.0, BETTER), (9.0, WORSE)])
def test_less_error_is_better(error, said):
    rng = np.random.default_rng(0)
    years = rng.uniform(20, 60, 200)
    runs = {"alone": 5.0, "with": error}
    arms = {name: arm(name, years=years + off + rng.normal(0, 0.1, (3, 200))) for name, off in runs.items()}
    (row,) = contrast_rows(results(years, [None] * 200), "years", [arms["alone"]], [arms["with"]])
    assert row["alone"] == pytest.approx(5, abs=0.1) and row["accuracy"] == pytest.approx(error, abs=0.1)
    (told,) = corrected_rows([row]).to_dict("records")
    assert finding(pd.Series(told), "accuracy", row["lower_is_better"]) == said
