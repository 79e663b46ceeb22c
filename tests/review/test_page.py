"""The page in a real browser: keys, dragging, undo, a server that is gone for a while, two windows."""

from __future__ import annotations

import pytest

from landmarks.corrections import read_corrections
from tests.helpers.browser import console_errors
from tests.helpers.drawn_runs import NAMES, make_run
from tests.helpers.packages import needs
from tests.helpers.review_page import Page, served

needs("uvicorn", "review")


def test_a_right_face_costs_one_key(page, drawn):
    assert page.face == "0/0" and page.text("name") == NAMES[0]
    assert "of 4 faces 0 seen; about 2 (0 to 4) wrong ones are expected among the rest" in page.text("progress")
    for following in ("1/0", "2/0", "3/0"):
        page.press("Enter")
        page.until(lambda wanted=following: page.face == wanted)
    page.until(lambda: page.kept() == 3)
    assert [line.kind for line in read_corrections(drawn.path)] == ["accept"] * 3
    assert "3 seen" in page.text("progress")
    page.press(" ")
    page.until(lambda: "nothing more" in page.text("empty") and page.text("name") == "")
    page.until(lambda: page.kept() == 4)


@pytest.mark.parametrize("zoom", [0, 5, -4])
def test_ten_pixels_on_the_screen_are_ten_over_the_zoom_in_the_image(page, drawn, zoom):
    for _ in range(abs(zoom)):
        page.press("+" if zoom > 0 else "-")
    # The nose and the left eye tell the zoom: 8 pixels of the run's error lie between here and the truth.
    before = [page.point(i) for i in range(5)]
    face = drawn.points[NAMES[0]]
    scale = (before[1][0] - before[0][0]) / (face[1, 0] - face[0, 0])
    page.drag(before[2], 10, -20)
    after = [page.point(i) for i in range(5)]
    assert after[2] == pytest.approx([before[2][0] + 10, before[2][1] - 20], abs=0.01)
    assert [after[i] for i in (0, 1, 3, 4)] == [before[i] for i in (0, 1, 3, 4)]
    page.press("Enter")
    page.until(lambda: page.kept() == 1)
    (line,) = read_corrections(drawn.path)
    assert line.kind == "correct"
    assert line.points["nose"] == pytest.approx(face[2] + [8 + 10 / scale, -20 / scale], abs=0.01)


def test_undo_of_a_change_and_of_what_was_said(page, drawn):
    before = page.point(0)
    page.drag(before, 30, 0)
    page.press("u")
    page.until(lambda: page.point(0) == before)
    page.press("x")
    page.until(lambda: page.face == "1/0")
    page.press("z", ctrlKey=True)
    page.until(lambda: page.face == "0/0" and page.kept() == 2)
    assert [line.kind for line in read_corrections(drawn.path)] == ["remove", "undo"]
    page.driver.refresh()
    page.until(lambda: page.face == "0/0" and "0 seen" in page.text("progress"))


def test_attributes_later_and_what_is_put_off_comes_back(page, drawn):
    page.press("2")
    page.press("3", shiftKey=True)
    page.press("l")
    page.until(lambda: page.kept() == 1)
    (line,) = read_corrections(drawn.path)
    assert line.kind == "put off" and line.attributes["smile"] == "smiling" and line.attributes["glasses"] is None
    page.run(
        "const queue = document.getElementById('queue'); queue.value = 'put off';"
        "queue.dispatchEvent(new Event('change'))"
    )
    page.until(lambda: page.face == "0/0" and "put off by ann" in page.text("status"))


def test_a_face_is_added_by_keys_alone_and_by_drawing(page, drawn):
    page.press("n")
    page.press("ArrowRight")
    page.press("ArrowDown", shiftKey=True)
    page.press("Enter")
    page.until(lambda: "a new face" in page.text("status"))
    page.press("Enter")
    page.until(lambda: page.kept() == 1)
    page.until(lambda: page.face == "0/0")
    page.press("n")
    page.drag([200, 200], 150, 180)
    page.until(lambda: "a new face" in page.text("status"))
    page.press("Escape")
    page.until(lambda: page.text("status") == "")
    (line,) = read_corrections(drawn.path)
    assert line.kind == "add" and line.attributes == {"pose": None, "smile": "smiling", "glasses": None, "gender": None}
    assert page.text("progress").startswith("of 5 faces 1 seen")


def test_landmarks_by_keys(page, drawn):
    for _ in range(3):
        page.press(".")
    page.press("ArrowLeft", shiftKey=True)
    page.press("Escape")
    page.press(",")
    page.press("Escape")
    page.press("r")
    page.until(lambda: page.text("message") == " OK")
    page.press("u")
    page.press("Enter")
    page.until(lambda: page.kept() == 1)
    (line,) = read_corrections(drawn.path)
    found = drawn.points[NAMES[0]][2] + [8, 0]
    assert (
        line.kind == "correct"
        and line.points["nose"][0] < found[0]
        and line.points["nose"][1] == pytest.approx(found[1])
    )


def test_a_server_that_is_gone_is_asked_until_it_is_back(driver, tmp_path):
    drawn = make_run(tmp_path)
    with served(drawn) as address:
        page = Page(driver, address)
        page.press("Enter")
        page.until(lambda: page.kept() == 1 and page.face == "1/0")
    page.press("Enter")
    page.press("Enter")
    page.until(lambda: page.data("waiting") in ("1", "2"))
    page.until(lambda: "not kept yet" in page.text("message"))
    with served(drawn, int(address.split(":")[2].split("/")[0])):
        page.until(lambda: page.data("waiting") == "0" and page.kept() >= 2)
        driver.get("about:blank")
    assert [line.image for line in read_corrections(drawn.path)][:2] == list(NAMES[:2])
    console_errors(driver)  # Of the server that was gone.


def test_two_windows_do_not_overwrite_each_other(page, drawn, driver):
    first = driver.current_window_handle
    address = driver.current_url
    driver.switch_to.new_window("tab")
    second = Page(driver, address)
    second.press("x")
    second.until(lambda: second.kept() == 1)
    driver.close()
    driver.switch_to.window(first)
    page.drag(page.point(0), 20, 20)
    page.press("Enter")
    page.until(lambda: "changed meanwhile" in page.text("message"))
    assert [line.kind for line in read_corrections(drawn.path)] == ["remove"]
    page.run("document.querySelector('#message button').click()")
    page.until(lambda: "removed by ann" in page.text("status"))
    assert all("409" in one for one in console_errors(driver))


def test_names_are_text(page):
    page.press("ArrowRight")
    page.until(lambda: page.text("name") == NAMES[1])
    assert page.run("return document.querySelectorAll('#name img, aside img').length") == 0
