"""What the page says of itself: tasks at chance, rules that never fired, few seeds, choices at the edge."""

import json

import pytest

from landmarks.comparison.analysis.learnt import edges, never_fired, stops
from landmarks.comparison.analysis.summary import describe, measure
from landmarks.comparison.page.cautions import auxiliary_table, cautions
from landmarks.comparison.page.document import main
from landmarks.comparison.page.sections import group_section
from landmarks.comparison.results import read_results
from tests.helpers.comparisons import POINTS, config, make_run

SMILE = (POINTS, "smile")


def told(folder):
    measured = measure(read_results(folder))
    return measured, describe(measured)


def rule(threshold):
    return {"kind": "task_wise", "strip": 5, "threshold": threshold, "patience": 10}


def test_a_sound_comparison_needs_no_caution(tmp_path):
    arms = {"alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3), "smile": ("tasks", config(SMILE), 0.09, 0.01, 3)}
    assert cautions(*told(make_run(tmp_path, arms))) == []


@pytest.mark.parametrize(("right", "said"), [(0.9, False), (0.0, True)])
def test_a_task_at_chance_is_named(tmp_path, right, said):
    arms = {"alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3), "both": ("tasks", config(SMILE), 0.09, 0.01, 3)}
    folder = make_run(tmp_path, arms, faces=200)
    if not right:  # as a network does that always answers the same
        results = read_results(folder)
        results.arms["both"].guesses["smile"][:] = 1
        sentences = cautions(measured := measure(results), describe(measured))
    else:
        sentences = cautions(*told(folder))
    assert any("smile was not learnt by `both`" in one and "50 % of a guess" in one for one in sentences) == said


def test_rules_that_never_fired_and_few_seeds_are_named(tmp_path):
    idle, firing = config(SMILE, stopping="task_wise") | {"stopping": rule(100.0)}, config(SMILE, stopping="task_wise")
    firing |= {"stopping": rule(0.05)}
    arms = {
        "alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3),
        "never": ("stopping", idle, 0.09, 0.01, 3),
        "fires": ("stopping", firing, 0.09, 0.01, 2),
        "global": ("stopping", config(SMILE, stopping="global"), 0.09, 0.01, 3),
    }
    measured, described = told(make_run(tmp_path, arms))
    assert never_fired(measured.results) == ["never", "global"]
    assert all(seed["smile"] >= 2 for seed in stops(measured.results, measured.results.arms["fires"]))
    sentences = cautions(measured, described)
    assert any("the stopping rule of `never` and `global` never fired" in sentence for sentence in sentences)
    assert any("fewer than 3 seeds stand behind `fires`" in sentence for sentence in sentences)
    table = auxiliary_table(measured, described)
    assert "smile (guess 50)" in table and "| `never` |" in table and "never |" in table
    assert "| smile 3" in table or "| smile 4" in table or "| smile 5" in table


def test_what_was_not_stopped_or_not_learnt_is_not_told_as_a_finding(tmp_path):
    idle = config(SMILE, stopping="task_wise") | {"stopping": rule(100.0)}
    arms = {
        "alone": ("tasks", config((POINTS,)), 0.05, 0.01, 3),
        "both": ("tasks", config(SMILE), 0.05, 0.01, 3),
        "smile alone": ("tasks", config(("smile",)), 0.05, 0.01, 3),
        "never": ("stopping", idle, 0.09, 0.01, 3),
    }
    results = read_results(make_run(tmp_path, arms, faces=200))
    results.arms["smile alone"].guesses["smile"][:] = 1  # it always answers the same
    described = describe(measured := measure(results))
    section = group_section(measured, described, "stopping")
    assert section.brief == ("nothing was ever stopped in `never`",)
    said = " ".join(group_section(measured, described, "tasks").brief)
    assert "of smile nothing is said" in said and "predicted" not in said


def test_the_arm_of_the_largest_effect_is_told_first(tmp_path):
    levels = {"some": 0.11, "least": 0.12, "most": 0.07}
    arms = {"alone": ("tasks", config((POINTS,)), 0.12, 0.01, 3)}
    arms |= {name: ("weighting", config(SMILE, strength=level), level, 0.01, 3) for name, level in levels.items()}
    measured, described = told(make_run(tmp_path, arms, faces=200))
    table = group_section(measured, described, "weighting").body[0].splitlines()[2:]
    assert [line.split("`")[1] for line in table] == ["alone", "most", "some", "least"]


@pytest.mark.parametrize(
    ("levels", "edge"),
    [((0.07, 0.08, 0.09), 0.03), ((0.09, 0.08, 0.07), 0.3), ((0.09, 0.07, 0.09), None), ((0.09, 0.07), None)],
)
def test_a_choice_at_the_edge_is_named(tmp_path, levels, edge):
    arms = {"alone": ("tasks", config((POINTS,)), 0.2, 0.001, 3)}
    for level, weight in zip(levels, (0.03, 0.1, 0.3)):
        arms[f"w {weight}"] = ("tasks", config(SMILE, auxiliary_weight=weight), level, 0.001, 3)
    measured, described = told(make_run(tmp_path, arms))
    found = edges(measured.results, described)
    assert [(one.key, one.value) for one in found] == ([] if edge is None else [("auxiliary_weight", edge)])
    if edge is not None:
        end = "smallest" if edge == 0.03 else "largest"
        sentences = cautions(measured, described)
        assert any(f"the best `auxiliary_weight` of 3 is the {end} that was tried" in one for one in sentences)


def test_the_page_warns_by_itself(tmp_path, monkeypatch):
    arms = {"alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3), "smile": ("tasks", config(SMILE), 0.09, 0.01, 2)}
    run = make_run(tmp_path / "run", arms)
    (tmp_path / "f.toml").write_text('date = "d"\nmachine = "m"\ncommands = []\nprotocol = "p"\n')
    monkeypatch.setattr("sys.argv", ["document", str(run), str(tmp_path / "p.md"), "--facts", str(tmp_path / "f.toml")])
    main()
    text = (tmp_path / "p.md").read_text()
    assert "## What to be careful with\n\n- Fewer than 3 seeds stand behind `smile`" in text
    assert "## The other tasks of all arms" in text


def test_folders_of_before_the_newer_keys_are_read(tmp_path):
    """Their rows have no views and no optimiser: they are the usual ones."""
    run = make_run(tmp_path, {"alone": ("tasks", config((POINTS,)), 0.09, 0.01, 3)})
    results = read_results(run)
    assert "views" not in json.dumps(config((POINTS,)))
    assert results.arms["alone"].config["views"] == 12 and results.arms["alone"].config["optimizer"] == "adamw"
