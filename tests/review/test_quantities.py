"""Tasks that are numbers, as the page's server takes them, and what comes of them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from landmarks import read_results
from landmarks.corrections import FILE, CorrectionLog, read_corrections
from landmarks.errors import LandmarksError
from landmarks.formats.layout import Layout
from landmarks.review.labelled import read_reviewed
from landmarks.review.open import open_review
from landmarks.review.propose import shared_tasks
from landmarks.review.run import read_run
from landmarks.review.session import Session
from landmarks.schemes import POINTS_5, Attribute, Quantity
from tests.helpers.commands import run
from tests.helpers.drawn_runs import NAMES, make_run
from tests.review.test_server import first, letter

TURN, YEARS = Quantity("head_turn", "degrees", "negated", "Ours."), Quantity("years")
FOUND = float(np.float32(1.2345678))
"""What the run says of the first face."""


@pytest.fixture
def drawn(tmp_path):
    return make_run(tmp_path, declared=[TURN, YEARS], formats=["parquet"])


@pytest.fixture
def review(drawn, opened):
    return opened(drawn.path)


def say(review, kind="correct", face=None, **more):
    face = first(review.client) if face is None else face
    told = {"quantities": face["quantities"]} | more
    return review.client.post("api/say", json=letter(face, kind, **told))


def test_the_page_is_told_of_them(review):
    facts = review.client.get("api/facts").json()
    assert facts["quantities"] == [
        {"name": "head_turn", "unit": "degrees", "note": "Ours."}, {"name": "years", "unit": "", "note": ""}
    ]  # fmt: skip
    assert facts["largest"] == 1e30
    assert first(review.client)["quantities"] == {"head_turn": 1.2345678, "years": 1.2345678}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ({"head_turn": -12.5, "years": 30}, (-12.5, 30)),
        ({"head_turn": None, "years": 1.2345678}, (np.nan, FOUND)),
        ({"head_turn": 0.1}, (0.1, FOUND)),
        ({"years": -1e30}, (FOUND, -1e30)),
        ({}, (FOUND, FOUND)),
    ],
)
def test_what_is_said_is_in_the_table_and_in_the_data(review, drawn, told, wanted):
    """What no line speaks of stays in the table as the network said it, and nothing learns from it."""
    answer = say(review, quantities=told).json()["face"]
    assert answer["quantities"] == {"head_turn": 1.2345678, "years": 1.2345678} | told
    assert answer["unsaid"] == [name for name in ("head_turn", "years") if name not in told]
    (line,) = read_corrections(drawn.path)
    assert line.quantities == told and json.loads(line.line())["v"] == (2 if told else 1)
    table = read_results(drawn.path, corrected=True)
    assert table["head_turn"].dtype == "float32"
    np.testing.assert_array_equal(table.loc[0, ["head_turn", "years"]].to_numpy("f4"), np.array(wanted, "f4"))
    assert table["head_turn"][1] == np.float32(2.2345678)
    data = read_reviewed([drawn.path])
    assert data.declared == (TURN, YEARS)
    taught = [np.nan if told.get(name) is None else told[name] for name in ("head_turn", "years")]
    np.testing.assert_array_equal(data.table.loc[0, ["head_turn", "years"]].to_numpy(float), taught)
    unseen = read_reviewed([drawn.path], unseen=True).table.set_index("image")
    assert unseen["years"][NAMES[2]] == pytest.approx(3.2345678)


WRONG = {
    "nan": '{"head_turn": NaN}', "infinite": '{"head_turn": Infinity}', "too large": '{"head_turn": 1e31}',
    "beyond all": '{"head_turn": 1e999}', "whole and beyond all": '{"head_turn": 1%s}' % ("0" * 400),
    "text": '{"head_turn": "12"}', "yes": '{"head_turn": true}', "a list": '{"head_turn": [1]}',
    "an unknown task": '{"head_tilt": 1}', "an attribute": '{"smile": 1}', "no object": "[1]", "null": "null",
}  # fmt: skip


@pytest.mark.parametrize("told", WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused_and_not_kept(review, drawn, told):
    document = json.dumps(letter(first(review.client), "correct", quantities="HERE")).replace('"HERE"', told)
    answer = review.client.post("api/say", content=document.encode())
    assert answer.status_code == 400 and answer.json()["message"], answer.text
    assert read_corrections(drawn.path) == []


def test_a_name_that_is_nearly_one_is_told(review):
    answer = say(review, quantities={"head_tur": 1})
    assert "did you mean 'head_turn'" in answer.json()["message"]


def test_undo_gives_back_what_was_found(review, drawn):
    face = say(review, quantities={"head_turn": 7, "years": None}).json()["face"]
    undo = letter(face, "undo", undoes=face["last"]["id"])
    back = review.client.post("api/say", json=undo).json()["face"]
    assert back["quantities"] == {"head_turn": 1.2345678, "years": 1.2345678} and back["unsaid"] == []
    assert read_results(drawn.path, corrected=True)["head_turn"][0] == np.float32(FOUND)


def test_two_browsers_do_not_overwrite_each_other(review, drawn):
    face = first(review.client)
    assert say(review, face=face, quantities={"head_turn": 7}).status_code == 200
    second = say(review, face=face, id="second0000", quantities={"head_turn": 8})
    assert second.status_code == 409 and "changed meanwhile" in second.json()["message"]
    assert read_results(drawn.path, corrected=True)["head_turn"][0] == 7


def test_a_page_of_before_and_its_lines_take_nothing_back(review, drawn, opened):
    """Lines without the field: what was said of numbers holds; where nothing was, they are shown as found."""
    face = first(review.client)
    old = letter(face)
    assert "quantities" not in old
    face = review.client.post("api/say", json=old).json()["face"]
    assert face["unsaid"] == ["head_turn", "years"] and face["quantities"]["years"] == 1.2345678
    face = say(review, face=face, quantities={"head_turn": 7}).json()["face"]
    face = review.client.post("api/say", json=letter(face, "correct", id="old0000000")).json()["face"]
    assert face["quantities"] == {"head_turn": 7, "years": 1.2345678} and face["unsaid"] == ["years"]
    review.close()
    lines = (drawn.path / FILE).read_text().splitlines()
    assert [json.loads(line)["v"] for line in lines] == [1, 2, 2]
    assert first(opened(drawn.path).client, "seen")["quantities"]["head_turn"] == 7


def test_a_second_look_at_other_tasks_keeps_what_the_first_said(drawn):
    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "ann", tasks=["smile"])
        face = session.face(0, "0")
        assert face["quantities"] == {} and list(face["attributes"]) == ["smile"]
        session.say(letter(face, attributes={"smile": "smiling"}))
        session = Session(read_run(drawn.path), log, "bob", tasks=["head_turn"])
        face = session.face(0, "0")
        assert list(face["quantities"]) == face["unsaid"] == ["head_turn"] and face["attributes"] == {}
        session.say(letter(face, "correct", quantities={"head_turn": 7}))
    last = read_corrections(drawn.path)[-1]
    assert last.attributes == {"smile": "smiling"} and last.quantities == {"head_turn": 7} and last.who == "bob"
    row = read_reviewed([drawn.path]).table.iloc[0]
    assert (row["smile"], row["head_turn"]) == (1, 7) and np.isnan(row["years"])


def test_added_faces_have_them_or_not(review, drawn):
    add = {"id": "added00000", "kind": "add", "image": 4, "face": "nabc", "version": 0, "box": [5, 5, 35, 35]}
    add |= {"points": [[10, 10], [20, 10], [15, 15], [11, 20], [19, 20]], "attributes": {}}
    face = review.client.post("api/say", json=add | {"quantities": {"head_turn": 3}}).json()["face"]
    assert face["quantities"] == {"head_turn": 3, "years": None}
    last = read_results(drawn.path, corrected=True).iloc[-1]
    assert (last["review"], last["head_turn"]) == ("added", 3) and np.isnan(last["years"])


def test_numbers_are_counted_in_words(review, drawn, monkeypatch, capsys):
    say(review, quantities={"head_turn": 7, "years": None})
    say(review, "accept", quantities={"head_turn": 2.2345678})
    assert run(monkeypatch, "corrections", "info", drawn.path) == 0
    told = capsys.readouterr().out
    assert "2 lines; faces: 1 corrected, 1 accepted" in told
    assert told.strip().endswith("smile 2, glasses 2, gender 2, head_turn 2, years 0")


def test_which_are_shown_is_chosen_by_name(drawn):
    with pytest.raises(LandmarksError, match="unknown attribute or number 'head_tun'; did you mean 'head_turn'"):
        open_review(drawn.path, [], "compact", None, ["head_tun"], None, "127.0.0.1", 0, print)


def test_a_network_proposes_what_it_means_the_same_by():
    beard, other = Attribute("beard", ("none", "full")), Attribute("beard", ("full", "none"))
    layout = Layout(POINTS_5, ("smile", "beard"), declared=(beard, TURN, YEARS))

    def network(*declared):
        known = {one.name: one for one in declared}
        attributes = {name: one for name, one in known.items() if isinstance(one, Attribute)}
        return SimpleNamespace(
            attributes=("smile", *attributes), attribute=lambda name: attributes.get(name, layout.attribute(name)),
            quantities={name: one for name, one in known.items() if isinstance(one, Quantity)},
        )  # fmt: skip

    assert shared_tasks(layout, network(beard, TURN)) == ["smile", "beard", "head_turn"]
    assert shared_tasks(layout, network(other, Quantity("head_turn", "radians", "negated"))) == ["smile"]
    assert shared_tasks(layout, network()) == ["smile"]
