"""The fields of numbers in a real browser: what is typed, taken, refused, left and undone."""

from __future__ import annotations

import pytest

from landmarks.corrections import CorrectionLog, read_corrections
from landmarks.review.run import read_run
from landmarks.review.session import Session
from landmarks.schemes import Quantity
from tests.helpers.browser import console_errors
from tests.helpers.drawn_runs import make_run
from tests.helpers.packages import needs
from tests.helpers.review_page import Page, served
from tests.review.test_server import letter

needs("uvicorn", "review")
TURN, YEARS = Quantity("head_turn", "degrees", "negated", "Ours."), Quantity("years")
SHOWN = "1.2346"
"""What the run, a table of 4 decimals, says of the first face."""
ENTER, ESCAPE, TAB = "\ue007", "\ue00c", "\ue004"


@pytest.fixture
def drawn(tmp_path):
    return make_run(tmp_path, declared=[TURN, YEARS])


def field(page, name="head_turn"):
    return page.driver.find_element("css selector", f"input[data-quantity={name}]")


def value(page, name="head_turn"):
    return page.run("return arguments[0].value", field(page, name))


def in_hand(page):
    """The field that has the cursor."""
    return page.run("return document.activeElement.dataset.quantity ?? null")


def complaint(page, name="head_turn"):
    return page.text(f"complaint-{name}")


def keys(page, *keys):
    """Really, to whatever has the focus."""
    page.driver.switch_to.active_element.send_keys(*keys)


def test_a_number_is_typed_taken_undone_and_kept(page, drawn):
    assert value(page) == value(page, "years") == SHOWN
    keys(page, "5")
    assert in_hand(page) == "head_turn"
    keys(page, "-12.50", ENTER)
    assert in_hand(page) is None and value(page) == "-12.5" and page.face == "0/0" and page.kept() == 0
    assert "changed" in page.text("status")
    keys(page, "u")
    assert value(page) == SHOWN and page.text("status") == ""
    keys(page, "6", "31", ENTER, ENTER)
    page.until(lambda: page.kept() == 1 and page.face == "1/0")
    (line,) = read_corrections(drawn.path)
    assert line.kind == "correct" and line.quantities == {"head_turn": 1.2346, "years": 31}
    assert value(page) == "2.2346"
    keys(page, ENTER)
    page.until(lambda: page.kept() == 2)
    assert read_corrections(drawn.path)[1].kind == "accept"


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("abc", "This is no number"), ("NaN", "This is no number"), ("Infinity", "This is no number"),
        ("0x10", "This is no number"), ("1 000", "This is no number"), ("--1", "This is no number"),
        ("12,5", "with a point"), ("1e999", "at most 1e+30"), ("-2e30", "at most 1e+30"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_at_the_field_and_accepts_no_face(page, drawn, typed, sentence):
    keys(page, "5", typed, ENTER)
    assert sentence in complaint(page) and in_hand(page) == "head_turn" and complaint(page, "years") == ""
    assert page.run("return arguments[0].getAttribute('aria-invalid')", field(page)) == "true"
    page.run("document.activeElement.blur()")
    keys(page, ENTER)
    assert in_hand(page) == "head_turn" and page.face == "0/0"
    page.run("document.getElementById('accept').click()")
    page.run("document.getElementById('later').click()")
    assert page.face == "0/0" and page.kept() == 0 and read_corrections(drawn.path) == []
    keys(page, ESCAPE)
    assert value(page) == SHOWN and complaint(page) == "" and in_hand(page) is None
    keys(page, "5", typed)
    page.run("document.activeElement.blur()")
    assert complaint(page)
    keys(page, "u")
    assert value(page) == SHOWN and complaint(page) == "" and page.text("status") == ""


def test_an_empty_field_and_shift_say_that_it_cannot_be_told(page, drawn):
    keys(page, "5", "\ue003", ENTER)
    page.press("6", shiftKey=True)
    assert value(page) == value(page, "years") == ""
    keys(page, ENTER)
    page.until(lambda: page.kept() == 1)
    assert read_corrections(drawn.path)[0].quantities == {"head_turn": None, "years": None}


def test_fields_are_reached_and_left_by_the_keyboard_alone(page):
    keys(page, "5", TAB)
    assert in_hand(page) == "years" and page.text("status") == ""
    keys(page, "7", TAB)
    assert in_hand(page) is None and "changed" in page.text("status")
    field(page).click()
    keys(page, "x", "u", "9", ESCAPE)
    assert value(page) == SHOWN and page.face == "0/0" and page.kept() == 0
    keys(page, "\ue014")  # To the next face.
    page.until(lambda: page.face == "1/0")
    assert value(page) == "2.2346" and value(page, "years") == "2.2346"


def test_what_is_typed_stays_when_the_page_is_drawn_anew(page):
    keys(page, "5", "-1")
    page.press("3")  # As an answer of the server would; the key itself is the field's.
    page.run("document.querySelector('[data-attribute=smile]').onchange()")
    assert value(page) == "-1" and in_hand(page) == "head_turn"
    page.run("document.getElementById('accept').click()")
    page.until(lambda: page.kept() == 1)


def test_a_number_that_is_typed_counts_when_a_button_is_pressed(page, drawn):
    keys(page, "5", "-1")
    page.driver.find_element("id", "accept").click()
    page.until(lambda: page.kept() == 1)
    assert read_corrections(drawn.path)[0].quantities["head_turn"] == -1


def test_an_added_face_has_what_the_network_says(page, drawn):
    page.press("n")
    assert not field(page).is_displayed()
    page.press("Enter")
    page.until(lambda: "a new face" in page.text("status"))
    assert (value(page), value(page, "years")) == ("3.5", "")
    keys(page, "6", "40", ENTER, ENTER)
    page.until(lambda: page.kept() == 1)
    assert read_corrections(drawn.path)[0].quantities == {"head_turn": 3.5, "years": 40}


def test_two_windows_do_not_overwrite_each_other(page, drawn, driver):
    first, address = driver.current_window_handle, driver.current_url
    driver.switch_to.new_window("tab")
    second = Page(driver, address)
    keys(second, "5", "8", ENTER, ENTER)
    second.until(lambda: second.kept() == 1)
    driver.close()
    driver.switch_to.window(first)
    keys(page, "5", "9", ENTER, ENTER)
    page.until(lambda: "changed meanwhile" in page.text("message"))
    page.run("document.querySelector('#message button').click()")
    page.until(lambda: value(page) == "8")
    assert [line.quantities["head_turn"] for line in read_corrections(drawn.path)] == [8]
    assert all("409" in one for one in console_errors(driver))


@pytest.mark.parametrize(("kind", "status"), [("accept", "accepted"), ("correct", "corrected")])
def test_what_a_first_look_left_out_is_told_and_said_by_one_key(drawn, driver, kind, status):
    with CorrectionLog(drawn.path) as log:
        session = Session(read_run(drawn.path), log, "bob", tasks=["smile", "glasses"])
        session.say(letter(session.face(0, "0"), kind))
    with served(drawn) as address:
        page = Page(driver, address)
        page.run(
            "const one = document.getElementById('queue'); one.value = 'seen'; one.dispatchEvent(new Event('change'))"
        )
        page.until(
            lambda: f"{status} by bob; nobody has looked at pose, gender, head_turn, years yet" in page.text("status")
        )
        keys(page, ENTER)
        page.until(lambda: page.kept() == 1)
        driver.get("about:blank")
    last = read_corrections(drawn.path)[-1]
    assert last.kind == kind and last.quantities == {"head_turn": 1.2346, "years": 1.2346}
    assert list(last.attributes) == ["smile", "glasses", "pose", "gender"]
