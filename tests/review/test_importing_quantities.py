"""Tasks that are numbers come back from the tools whose files hold them."""

from __future__ import annotations

import numpy as np
import pytest

from landmarks import read_results
from landmarks.corrections import CorrectionLog, read_corrections
from landmarks.review.importing import import_corrections
from landmarks.review.run import read_run
from landmarks.review.session import Session
from tests.helpers.commands import run
from tests.helpers.results import measured, record, write
from tests.review.test_importing import EXPORTS, TOOLS, Coco, LabelStudio, shown

NAME = "a.jpg"


@pytest.fixture
def made(tmp_path):
    """A run of one image with three faces, of which the last has no head_turn."""
    write(tmp_path / "run", [record(shown(measured(3)), NAME)], ["parquet", "labelstudio", "cvat", "coco"])
    return tmp_path / "run"


@pytest.fixture(params=TOOLS)
def export(request, made):
    return EXPORTS[request.param](made)


def renumber(export, face, value, name="head_turn"):
    """As a person would in the tool; None leaves the field empty."""
    if isinstance(export, Coco):
        export.faces(0)[face]["attributes"][name] = value
    elif isinstance(export, LabelStudio):
        region = export.region(0, face)
        (one,) = (r for r in export.results(0) if r["id"] == region and r["from_name"] == name)
        one["value"]["number"] = value
    else:
        (one,) = (a for a in export.skeleton(0, face).iter("attribute") if a.attrib["name"] == name)
        one.text = "" if value is None else str(value)


def test_a_number_comes_back_and_what_was_rounded_is_none(made, export, tmp_path):
    before = read_results(made)
    renumber(export, 1, -7.25)
    export.shuffle()
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert (found.moved, found.relabelled, found.conflicts, found.unknown_values) == (0, 1, [], [])
    after = read_results(made, corrected=True)
    assert after["head_turn"][1] == -7.25 and after["years"][1] == before["years"][1]
    np.testing.assert_array_equal(after["head_turn"][[0, 2]], before["head_turn"][[0, 2]])
    (line,) = (one for one in read_corrections(made) if one.kind == "correct")
    assert set(line.quantities) == {"head_turn", "years"} and line.via == found.tool
    again = import_corrections(made, export.save(tmp_path / "export"))
    assert (again.relabelled, again.accepted, again.known, again.conflicts) == (0, 0, 1, [])


def test_a_number_that_is_taken_away_cannot_be_told(made, export, tmp_path):
    renumber(export, 0, None)
    assert import_corrections(made, export.save(tmp_path / "export")).relabelled == 1
    assert np.isnan(read_results(made, corrected=True)["head_turn"][0])


@pytest.mark.parametrize("value", ["abc", "nan", "-inf", "1e31", "1" * 400, "12,5", "12 degrees"])
def test_what_is_no_number_is_told_and_left(made, export, tmp_path, value):
    renumber(export, 1, value)
    renumber(export, 0, 3)
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert found.unknown_values == [f"{NAME} face 1 head_turn {value[:40]!r}"] and found.relabelled == 1
    assert "numbers are none, and are left out: a.jpg face 1" in " ".join(found.lines())
    table = read_results(made, corrected=True)
    assert table["head_turn"][0] == 3 and table["head_turn"][1] == read_results(made)["head_turn"][1]
    assert all("head_turn" not in one.quantities for one in read_corrections(made) if one.face == "1")


def test_a_label_that_the_run_does_not_know_costs_itself(made, export, tmp_path):
    export.relabel(0, 1, "grinning")
    export.move(0, 0, "nose", 5, 5)
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert found.moved == 1 and found.unknown_values == [f"{NAME} face 1 smile 'grinning'"]


def test_a_tool_that_does_not_show_numbers_vouches_for_none(made, tmp_path):
    export = Coco(made)
    for one in export.faces(0):
        del one["attributes"]
    export.move(0, 1, "nose", 5, 5)
    found = import_corrections(made, export.save(tmp_path / "export"), accept_unchanged=True)
    assert (found.moved, found.accepted) == (1, 2)
    assert all(one.quantities == {} for one in read_corrections(made))
    assert read_results(made, corrected=True)["years"].tolist() == read_results(made)["years"].tolist()


def test_what_was_changed_here_too_is_left(made, export, tmp_path):
    with CorrectionLog(made) as log:
        session = Session(read_run(made), log, "ann")
        face = session.face(0, "1")
        attributes = {name: one["label"] for name, one in face["attributes"].items()}
        line = {"id": "0" * 8, "kind": "correct", "image": 0, "face": "1", "version": 0, "attributes": attributes}
        session.say(line | {name: face[name] for name in ("box", "points")} | {"quantities": {"head_turn": 1}})
    renumber(export, 1, 2)
    found = import_corrections(made, export.save(tmp_path / "export"))
    assert found.conflicts == [f"{NAME} face 1"] and read_results(made, corrected=True)["head_turn"][1] == 1
    renumber(export, 1, 1)
    assert import_corrections(made, export.save(tmp_path / "export")).known == 1


def test_the_command_says_it(made, tmp_path, monkeypatch, capsys):
    export = Coco(made)
    renumber(export, 0, 1)
    renumber(export, 1, "?")
    assert run(monkeypatch, "corrections", "import", made, export.save(tmp_path / "export")) == 0
    told = capsys.readouterr().out
    assert "1 relabelled, 2 unchanged" in told and "1 labels are none of this run's, or numbers are none" in told
