"""The page of a comparison: its sentences follow from the numbers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from landmarks.comparison.analysis.summary import describe, measure
from landmarks.comparison.figures.gallery import draw_figures, drawings
from landmarks.comparison.page.document import Facts, main, page, read_facts
from landmarks.comparison.page.sections import group_section
from landmarks.comparison.page.wording import ERRING, HELPING, finding, listed, phrase, sort_out
from landmarks.comparison.results import read_results
from landmarks.errors import LandmarksError
from tests.helpers.comparisons import ALL, DOCS, GROUPS, POINTS, config, make_run

ARMS = {
    "alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3),
    "gender": ("tasks", config((POINTS, "gender")), 0.09, 0.01, 3),
    "smile": ("tasks", config((POINTS, "smile")), 0.1, 0.01, 3),
    "pose": ("tasks", config((POINTS, "pose")), 0.08, 0.01, 3),
    "pose and smile": ("tasks", config((POINTS, "pose", "smile")), 0.08, 0.01, 2),
    "all": ("tasks", config(ALL), 0.07, 0.01, 3),
    "pose alone": ("tasks", config(("pose",)), 0.08, 0.01, 2),
    "two towers": ("sharing", config(ALL, sharing="l2", strength=0.0), 0.09, 0.01, 2),
    "coupled": ("sharing", config(ALL, sharing="l2", strength=0.01), 0.085, 0.01, 2),
    "bound": ("sharing", config(ALL, sharing="l2", strength=1.0), 0.12, 0.01, 2),
    "cross": ("sharing", config(ALL, sharing="cross_stitch"), 0.085, 0.01, 1),
    "task-wise": ("stopping", config(ALL, stopping="task_wise"), 0.07, 0.01, 2),
    "global": ("stopping", config(ALL, stopping="global"), 0.09, 0.01, 2),
    "pcgrad": ("weighting", config(ALL, weighting="pcgrad"), 0.07, 0.01, 2),
    "alone longer": ("budget", config((POINTS,), epochs=8), 0.08, 0.01, 2),
    "pose longer": ("budget", config((POINTS, "pose"), epochs=8), 0.07, 0.01, 2),
    "all longer": ("budget", config(ALL, epochs=8), 0.08, 0.01, 2),
    "alone longest": ("budget", config((POINTS,), epochs=9), 0.075, 0.01, 2),
    "compact alone": ("networks", config((POINTS,), network="compact"), 0.06, 0.01, 2),
    "compact all": ("networks", config(ALL, network="compact"), 0.06, 0.01, 2),
    "alone 500": ("size", config((POINTS,), faces=500), 0.14, 0.01, 2),
    "all 500": ("size", config(ALL, faces=500), 0.12, 0.01, 2),
    "alone 1000": ("size", config((POINTS,), faces=1000), 0.12, 0.01, 2),
    "all 1000": ("size", config(ALL, faces=1000), 0.12, 0.01, 2),
    "cascade": ("cascade", config((POINTS,), network="cascade"), 0.08, 0.01, 2),
    "alone wide": ("controls", config((POINTS,), width=2.0), 0.088, 0.01, 2),
}
FACTS = """
date = "2026-01-02"
machine = "a made-up machine"
commands = ["landmarks compare grid.toml --data prepared --out run"]
protocol = "Everything is made up."
reported_of = { dataset = "mtfl", split = "test", faces = 400 }
[notes]
tasks = "A note on tasks."
end = "The end."
"""
REPORTED = "[[reported]]" + (DOCS / "comparison.facts.toml").read_text(encoding="utf-8").partition("[[reported]]")[2]
AGAINST = dict.fromkeys(("sharing", "stopping", "weighting", "controls"), "all")


def change(value, low, high, p_holm, key="mean_error"):
    parts = {"difference": value, "low": low, "high": high, "p": p_holm, "p_holm": p_holm}
    return pd.Series({f"{key}_{part}": number for part, number in parts.items()})


@pytest.mark.parametrize(
    ("row", "found", "said"),
    [
        (change(-0.5, -0.7, -0.3, 0.01), "better", "lower by 0.50 points (0.30 to 0.70, corrected p 0.010)"),
        (change(0.5, 0.3, 0.7, 0.01), "worse", "higher by 0.50 points (0.30 to 0.70, corrected p 0.010)"),
        (
            change(-0.5, -0.9, -0.1, 0.2),
            "perhaps better",
            "perhaps lower, by 0.50 points (0.10 to 0.90), but not certain",
        ),
        (change(0.5, 0.1, 0.9, 0.05), "perhaps worse", "perhaps higher, by 0.50 points"),
        (
            change(-0.1, -0.4, 0.2, 0.6),
            "no difference",
            "no different within the uncertainty of these data (-0.10 points, -0.40 to",
        ),
        (change(np.inf, np.nan, np.nan, np.nan), "failed", "without a finite value"),
    ],
)
def test_words_follow_from_interval_and_p(row, found, said):
    assert finding(row) == found and phrase(row).startswith(said)


def test_of_accuracies_more_is_better():
    assert finding(change(2, 1, 3, 0.01, "accuracy"), "accuracy", lower_is_better=False) == "better"


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ({"a": "better"}, "a helps"),
        ({"a": "better", "b": "better", "c": "worse"}, "a and b help; c hurts"),
        (
            {"a": "better", "b": "no difference"},
            "a helps; b makes no difference that these data can show",
        ),
        (
            {name: "no difference" for name in "abc"},
            "all 3 arms make no difference that these data can show",
        ),
        ({name: "worse" for name in "abc"} | {"d": "better"}, "d helps; 3 of 4 arms hurt"),
    ],
)
def test_arms_are_sorted_out(findings, said):
    assert sort_out(findings, HELPING, most=2).startswith(said)


def test_lists():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]
    assert HELPING.keys() == ERRING.keys()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("document"), ARMS, faces=400, epochs=12, against=AGAINST)


@pytest.fixture(scope="module")
def measured(folder):
    """What is measured in `folder`; not to be changed."""
    return measure(read_results(folder))


@pytest.fixture(scope="module")
def described(measured):
    return describe(measured)


def test_the_page_says_what_the_numbers_are(folder, tmp_path):
    (tmp_path / "facts.toml").write_text(FACTS + REPORTED)
    path = tmp_path / "docs" / "comparison.md"
    arguments = ["document", str(folder), str(path), "--facts", str(tmp_path / "facts.toml")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", arguments)
        main()
    text = path.read_text(encoding="utf-8")
    for part in (
        "2026-01-02",
        "a made-up machine",
        "grid.toml",
        "Everything is made up.",
        "A note on tasks.",
        "The end.",
    ):
        assert part in text
    for question in GROUPS.values():
        assert f"## {question.title}" in text
    short = text.split("## In figures")[1].split("## How")[0]
    tasks = next(line for line in short.splitlines() if GROUPS["tasks"].title in line)
    assert re.search(
        r"\+ all four \(-\S+\) and \+ pose \(-\S+\) help; \+ smile \(\+\S+\) hurts; \+ gender \(\S+\) makes no", tasks
    )
    assert "the paper's are lower by 10.62" in tasks
    assert re.search(r"\*\*8 epochs\.\*\* landmarks only: mean error \S+ ± .+; \+ all four: mean error", short)
    assert re.search(
        r"against `alone longer`, `pose longer` \(-\S+\) helps; `all longer` \(\S+\) makes no", short, re.I
    )
    heads = [line for line in text.splitlines() if "epochs, failures" in line]
    assert len(heads) == 1 and "8 epochs" in heads[0] and "9 epochs" not in heads[0]  # one arm makes no chart
    assert "ours, 9 epochs" in text
    assert "`bound`: mean error higher by" in short.replace("errs more", "") or "`bound` errs more" in short
    assert "`task-wise`: mean error no different" in short and "Nothing was ever stopped in `global`" in short
    assert "with 500 training faces they help; with 1,000 training faces they make no difference" in short
    assert "35.62" in text and "8.97" in text and "nan" not in text
    figures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert figures and all((path.parent / figure).is_file() for figure in figures)
    assert len(figures) == len(set(figures)) == len(list((path.parent / "figures" / "comparison").iterdir()))


def test_tables_have_equal_rows(measured, described):
    for group in GROUPS:
        tables = [part for part in group_section(measured, described, group).body if part.startswith("|")]
        assert tables
        for table in tables:
            assert len({line.count("|") for line in table.splitlines()}) == 1


def test_a_cascade_is_told_level_by_level_with_its_cost(measured, described):
    body = group_section(measured, described, "cascade").body
    errors, costs = next(part for part in body if "after level" in part).splitlines()[2:]
    costs = [int(cell.replace(",", "")) for cell in costs.split("|")[2:5]]
    errors = [float(cell.split("±")[0]) for cell in errors.split("|")[2:5]]
    assert costs[0] < costs[1] < costs[2] and errors[0] > errors[1] > errors[2]


def test_a_comparison_of_two_arms_has_a_page(tmp_path):
    """Nothing but what is there is told; an arm that diverged is not taken for a worse one."""
    arms = {name: ARMS[name] for name in ("alone", "pose")} | {
        "lost": ("tasks", config((POINTS, "smile")), np.nan, 0, 2)
    }
    measured = measure(read_results(make_run(tmp_path, arms, faces=50, epochs=1)))
    section = group_section(measured, describe(measured), "tasks")
    assert any("+ smile (+inf) did not train in every run" in line for line in section.brief)
    assert group_section(measured, describe(measured), "sharing").body == ()
    drawn = {name for name, drawing in drawings(measured).items() if drawing.draw().axes}
    assert "failures-by-tasks" in drawn and not drawn & {"sharing-path", "stopping-index", "training-size"}


def test_every_figure_is_drawn_when_its_arms_are_there(measured):
    drawn = {name for name, drawing in drawings(measured).items() if drawing.draw().axes}
    assert drawn == set(drawings(measured)) - {"failures-by-subset", "differences-weighting", "differences-controls"}


def test_equal_results_give_equal_files(measured, tmp_path, monkeypatch):
    one = {"path": drawings(measured)["sharing-path"]}
    monkeypatch.setattr("landmarks.comparison.figures.gallery.drawings", lambda *_: one)
    files = []
    for copy in ("a", "b"):
        assert draw_figures(measured, tmp_path / copy) == ["path"]
        files.append({path.name: path.read_bytes() for path in (tmp_path / copy).iterdir()})
    assert files[0] == files[1] and set(files[0]) == {"path.png", "path.svg"}


def test_without_reported_figures_the_page_tells_our_own(measured):
    text = page(measured, Facts("2026-01-02", "a machine", (), ""), {})
    assert "Beside the papers" not in text and "the paper's are" not in text
    assert "Failures with all four tasks, against the landmarks alone:" in text


@pytest.mark.parametrize(
    ("was", "now", "of"),
    [
        ('"mtfl"', '"wflw"', "400 faces of wflw, split `test`"),
        ('"test"', '"val"', "400 faces of mtfl, split `val`"),
        ("400", "2995", "2,995 faces of mtfl, split `test`"),
    ],
)
def test_reported_figures_are_told_beside_those_of_the_same_faces_only(measured, tmp_path, was, now, of):
    (tmp_path / "facts.toml").write_text(FACTS.replace(was, now) + REPORTED)
    text = page(measured, read_facts(tmp_path / "facts.toml"), {})
    assert f"The papers' figures are of {of}. These are of 400 faces of mtfl, split `test`: not shown." in text
    assert "35.62" not in text and "8.97" not in text and "the paper's are" not in text


def test_an_arm_is_never_held_against_another_network_or_more_faces(tmp_path):
    arms = {
        **{name: ARMS[name] for name in ("alone", "pose", "all 500")},
        "other pose": ("tasks", config((POINTS, "pose"), network="compact"), 0.05, 0.01, 2),
    }
    measured = measure(read_results(make_run(tmp_path, arms, faces=50, epochs=1)))
    described = describe(measured)
    section = group_section(measured, described, "tasks")
    assert not any("`other pose`" in part for part in (*section.brief, *section.body[:-1]))
    wanted = (
        "- `other pose` is held against no arm: none learns the landmarks alone with the network `compact` from all"
    )
    assert section.body[-1].startswith(wanted)
    size = group_section(measured, described, "size")
    assert not size.brief and "`all 500` is held against no arm" in size.body[-1] and "from 500" in size.body[-1]
    arms["other alone"] = ("tasks", config((POINTS,), network="compact"), 0.06, 0.01, 2)
    measured = measure(read_results(make_run(tmp_path / "more", arms, faces=50, epochs=1)))
    body = "\n".join(group_section(measured, describe(measured), "tasks").body)
    assert "held against no arm" not in body and "| `other alone` |" in body


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('date = "x"', "facts.toml: machine: missing"),
        ("extra = 1\n" + FACTS, "facts.toml: extra: unknown key"),
        (FACTS.replace('"A note on tasks."', "3"), "facts.toml: notes.tasks = 3: must be a text"),
        (FACTS + "\n]", "facts.toml: cannot be read as TOML"),
        (FACTS + "[[reported]]\nauxiliary = ['smle']\nfailures = 3", "unknown task 'smle'; did you mean 'smile'?"),
        (FACTS + "[[reported]]\nauxiliary = ['smile']", "reported[0]: give failures or mean_error"),
        (FACTS + "[[reported]]\nmean_error = 3", "reported[0]: a mean error needs a label"),
        (re.sub("reported_of.*", "", FACTS) + REPORTED, "facts.toml: reported_of: missing; name the dataset, split"),
    ],
)
def test_facts_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "facts.toml").write_text(text)
    with pytest.raises(LandmarksError) as error:
        read_facts(tmp_path / "facts.toml")
    assert message in str(error.value)


def test_a_note_on_no_group_is_refused(measured):
    facts = Facts("2026-01-02", "a machine", (), "", {"taks": "A note."})
    with pytest.raises(LandmarksError, match="notes: unknown group 'taks'; did you mean 'tasks'"):
        page(measured, facts, {})


def test_facts(tmp_path):
    (tmp_path / "facts.toml").write_text(FACTS + REPORTED)
    facts = read_facts(tmp_path / "facts.toml")
    assert facts.commands == ("landmarks compare grid.toml --data prepared --out run",) and len(facts.reported) == 9
    assert read_facts(DOCS / "comparison.facts.toml").reported == facts.reported
