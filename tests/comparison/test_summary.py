"""Tables of a comparison."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from landmarks import metrics
from landmarks.comparison.analysis.accuracies import accuracy_contrast
from landmarks.comparison.analysis.summary import contrast, corrected, describe, interval, measure, spread, summarise
from landmarks.comparison.figures import gallery
from landmarks.comparison.page.wording import finding, phrase
from landmarks.comparison.report import write_report
from landmarks.comparison.results import read_results
from tests.helpers.comparisons import ALL, POINTS, config, make_run

ARMS = {
    "alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3),
    "all": ("tasks", config(ALL), 0.08, 0.01, 3),
    "same": ("tasks", config((POINTS, "pose")), 0.09, 0.01, 3),
    "pose alone": ("tasks", config(("pose",)), 0.08, 0.01, 2),
    "cascade": ("cascade", config((POINTS,), network="cascade"), 0.085, 0.01, 1),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("summary"), ARMS, faces=300, epochs=2)


@pytest.fixture(scope="module")
def measured(folder):
    return measure(read_results(folder))


def test_a_row_says_what_came_of_an_arm(measured):
    frame = describe(measured)
    assert list(frame.index) == list(ARMS) and frame.loc["alone", "seeds"] == 3
    errors = np.linalg.norm(measured.results.arms["alone"].vectors.astype(float), axis=-1)
    runs = 100 * errors.mean(axis=(1, 2))
    row = frame.loc["alone"]
    assert (row["mean_error"], row["mean_error_sd"]) == pytest.approx((runs.mean(), runs.std(ddof=1)))
    assert row["failure_landmarks"] == pytest.approx(100 * (errors > 0.1).mean())
    assert row["mean_error_shift_free"] < row["mean_error"]
    assert row["second_pass_mean_error"] == pytest.approx(0.95 * row["mean_error"], rel=1e-5)
    assert row["train_error"] == pytest.approx(6.3) and row["parameters"] == 79_357
    labels = measured.results.faces["pose"].to_numpy(int)
    guesses = measured.results.arms["all"].guesses["pose"]
    accuracy = np.mean([metrics.balanced_accuracy(run, labels) for run in guesses])
    assert frame.loc["all", "pose_balanced_accuracy"] == pytest.approx(100 * accuracy)
    assert np.isnan(frame.loc["alone", "pose_balanced_accuracy"]) and np.isnan(frame.loc["pose alone", "mean_error"])
    levels = [frame.loc["cascade", f"level_{level}_mean_error"] for level in (1, 2, 3)]
    assert levels == sorted(levels, reverse=True) and levels[2] == frame.loc["cascade", "mean_error"]
    assert np.isnan(frame.loc["cascade", "mean_error_sd"])


def test_differences_are_those_of_the_means(measured):
    frame, changes = describe(measured), contrast(measured, {"all": "alone", "same": "alone"})
    for arm in ("all", "same"):
        for key in ("mean_error", "failure_landmarks", "mean_error_shift_free"):
            row = changes.loc[arm]
            assert row[f"{key}_difference"] == pytest.approx(frame.loc[arm, key] - frame.loc["alone", key], abs=1e-4)
            assert row[f"{key}_low"] < row[f"{key}_difference"] < row[f"{key}_high"]
            assert row[f"{key}_p_holm"] >= row[f"{key}_p"]
    assert changes.loc["all", "mean_error_p_holm"] < 0.05 < changes.loc["same", "mean_error_p_holm"]
    assert contrast(measured, {}).empty


def test_faces_without_a_label_count_for_no_accuracy(measured):
    faces = measured.results.faces.assign(pose=pd.array([2, *[None] * 299], dtype="Int8"))
    results = replace(measured.results, faces=faces)
    assert describe(measure(results)).loc["all", "pose_balanced_accuracy"] in (0, 100, 100 / 3, 200 / 3)


def test_attributes_learnt_alone_and_with_the_landmarks(measured):
    frame = accuracy_contrast(measured.results)
    assert frame[["task", "arm", "reference"]].to_numpy().tolist() == [
        ["pose", "same", "pose alone"],
        ["pose", "all", "pose alone"],
    ]
    described = describe(measured)["pose_balanced_accuracy"]
    assert frame["accuracy"].tolist() == pytest.approx([described["same"], described["all"]])
    assert frame["accuracy_difference"].tolist() == pytest.approx((frame["accuracy"] - frame["alone"]).tolist())
    assert (frame["accuracy_low"] < frame["accuracy_difference"]).all()


def test_the_report_of_a_folder(folder, monkeypatch):
    one = {"bars": gallery.drawings(measure(read_results(folder)))["failures-by-tasks"]}
    monkeypatch.setattr(gallery, "drawings", lambda *_: one)
    report = write_report(folder, "alone")
    assert report.figures == (folder / "figures" / "bars.png",)
    least = pd.read_csv(folder / "summary.csv", index_col="arm")["mean_error"].idxmin()
    assert (
        report.meaning.startswith("Held against 'alone': ") and f"mean error is that of {least!r}, " in report.meaning
    )
    shown = Console(file=io.StringIO(), width=220)
    shown.print(report.table)
    csv = pd.read_csv(folder / "summary.csv", index_col="arm")
    expected = summarise(measure(read_results(folder)), "alone")
    assert list(csv.index) == list(ARMS) and set(csv["reference"].dropna()) == {"alone"}
    assert csv["mean_error"].to_numpy() == pytest.approx(expected["mean_error"].to_numpy(), rel=1e-5, nan_ok=True)
    markdown = (folder / "summary.md").read_text(encoding="utf-8")
    for arm, row in expected.iterrows():
        line = next(line for line in markdown.splitlines() if line.startswith(f"| {arm} |"))
        assert line.count("|") == 12
        if row["seeds"] > 1 and arm != "pose alone":
            assert spread(row, "mean_error") in line and spread(row, "mean_error") in shown.file.getvalue()
    assert {path.name for path in (folder / "figures").iterdir()} == {"bars.png", "bars.svg"}


@pytest.mark.parametrize("name", ["pose alone", "all"])
def test_an_arm_by_itself_has_a_report(tmp_path, name):
    """Run alone, an arm has nothing to be held against."""
    make_run(tmp_path, {name: ARMS[name]}, faces=30, epochs=1)
    report = write_report(tmp_path, "not run")
    assert report.table.row_count == 1 and report.meaning.startswith("No arm can be held against 'not run'")
    frame = pd.read_csv(tmp_path / "summary.csv", index_col="arm")
    assert np.isnan(frame.loc[name, "mean_error_difference"]) and not (tmp_path / "figures").exists()


def test_one_seed_tells_nothing_of_the_spread_over_seeds(tmp_path):
    arms = {name: (*ARMS[name][:4], 1) for name in ("alone", "all")}
    changes = contrast(measure(read_results(make_run(tmp_path, arms, faces=300, epochs=1))), {"all": "alone"})
    row = changes.loc["all"]
    assert row["mean_error_high"] < 0 and np.isnan(row["mean_error_p"]) and np.isnan(row["mean_error_p_holm"])
    assert finding(row) == "perhaps better" and "for want of seeds" in phrase(row)


@pytest.mark.parametrize(
    ("p", "p_holm", "text"),
    [(0.04, 0.08, "0.080"), (0.3, 1.0, "1.00"), (2 / 10_001, 0.0031, "≤ 0.003"), (2 / 10_001, 2 / 10_001, "≤ 0.0002")],
)
def test_p_values_as_text(p, p_holm, text):
    assert corrected(pd.Series({"x_p": p, "x_p_holm": p_holm}), "x") == text


def test_what_there_is_not_is_left_empty():
    row = pd.Series({"x": 8.123, "x_sd": np.nan, "x_difference": np.nan, "x_low": np.nan, "x_high": np.nan})
    row["x_p"] = row["x_p_holm"] = np.nan
    assert (spread(row, "x"), interval(row, "x"), corrected(row, "x")) == ("8.12", "", "")
