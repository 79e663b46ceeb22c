"""The page of a run in a real browser, as a person uses it: with a mouse, and with keys alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.helpers.browser import console_errors
from tests.report.conftest import EVIL


@pytest.fixture
def page(driver, run) -> Iterator[Any]:
    """The page, freshly opened; it must not complain of anything."""
    driver.get((run / "report.html").absolute().as_uri())
    wait(lambda: js(driver, "return performance.getEntriesByName('gallery').length"))
    js(driver, "document.getElementById('controls').scrollIntoView()")
    wait(lambda: tiles(driver))
    yield driver
    assert console_errors(driver) == []


def js(driver: Any, script: str, *arguments: object) -> Any:
    return driver.execute_script(script, *arguments)


def wait(ready: Callable[[], Any], seconds: float = 60) -> Any:
    end = time.monotonic() + seconds
    while not (value := ready()):
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)
    return value


def tiles(driver: Any) -> list[str]:
    """The names under the tiles on the screen, in their order."""
    script = """const place = (t) => { const r = t.getBoundingClientRect(); return [Math.round(r.top), r.left]; };
    const order = (a, b) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1];
    return [...document.querySelectorAll('.tile')].sort(order)
      .map((t) => t.querySelector('.name').textContent)"""
    return js(driver, script)


def choose(driver: Any, control: str, text: str) -> None:
    """Take what a list offers under this text."""
    script = """const s = document.getElementById(arguments[0]);
    s.value = [...s.options].find((o) => o.textContent === arguments[1]).value;
    s.dispatchEvent(new Event('input', { bubbles: true }))"""
    js(driver, script, control, text)


def type_in(driver: Any, control: str, text: str) -> None:
    script = """document.getElementById(arguments[0]).value = arguments[1];
    document.getElementById('controls').dispatchEvent(new Event('input'))"""
    js(driver, script, control, text)


def shown(driver: Any) -> str:
    return js(driver, "return document.getElementById('shown').textContent")


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def focused(driver: Any) -> str:
    return js(driver, "const a = document.activeElement; return a.title || a.id")


def large(driver: Any) -> str:
    """The name of the face that is enlarged; empty where none is."""
    return js(
        driver, "const d = document.getElementById('large'); return d.open ? d.querySelector('strong').textContent : ''"
    )


def test_it_loads_with_pictures_and_points(page):
    assert shown(page) == "24 faces and 2 images without one shown"
    script = "return [...document.querySelectorAll('.tile img')].every((i) => i.complete && i.naturalWidth > 50)"
    wait(lambda: js(page, script))
    assert js(page, "return document.querySelectorAll('.tile svg.face path').length") > 20
    assert js(page, "return document.querySelectorAll('.tile.low').length") > 0


def test_nobody_runs_what_a_name_says(page):
    from selenium.common.exceptions import NoAlertPresentException

    type_in(page, "search", "onerror")
    assert wait(lambda: tiles(page)) == [EVIL]
    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert.text


def test_sort(page):
    choose(page, "sort", "name")
    assert tiles(page)[1:4] == ["broken.png", "face 0.png", "face 1.png"]
    choose(page, "sort", "quality, lowest first")
    assert set(tiles(page)[:3]) == {"face 0.png", "face 10.png", "face 20.png"}
    choose(page, "sort", "quality, highest first")
    assert set(tiles(page)[:3]) == {"face 9.png", "face 19.png", EVIL}


def test_filters(page):
    choose(page, "status", "unreadable")
    assert tiles(page) == ["broken.png"] and shown(page) == "0 faces and 1 image without one shown"
    choose(page, "status", "any")
    choose(page, "is-glasses", "glasses")
    some = int(shown(page).split()[0])
    choose(page, "is-smile", "smiling")
    assert 0 < int(shown(page).split()[0]) < some < 24
    js(page, "document.querySelector('#controls [type=reset]').click()")
    wait(lambda: shown(page).startswith("24 faces"))
    type_in(page, "quality-to", "0.2")
    assert shown(page) == "6 faces shown"
    type_in(page, "quality-to", "0.01")
    assert js(page, "return !document.getElementById('none').hidden") and tiles(page) == []


def test_a_click_enlarges_with_all_values(page):
    choose(page, "sort", "name")
    js(page, "[...document.querySelectorAll('.tile')].find((t) => t.title.startsWith('face 7.')).click()")
    assert large(page) == "face 7.png, face 0"
    text = js(page, "return document.getElementById('large-values').textContent")
    for word in (
        "quality0.750",
        "detector score0.900",
        "expected error3.0 %",
        "frontal",
        "left eye",
        "mouth right",
        "160 \u00d7 160",
    ):
        assert word in text
    assert "gender" not in text
    assert js(page, "return document.querySelectorAll('#large-picture circle').length") == 5
    js(page, "document.getElementById('close').click()")
    wait(lambda: not large(page))


def test_keys_alone(page):
    from selenium.webdriver.common.keys import Keys

    choose(page, "sort", "name")
    press(page, "/")
    assert focused(page) == "search"
    press(page, *"face 1", Keys.ENTER)
    assert focused(page) == "face 1.png, face 0" and shown(page) == "11 faces shown"
    press(page, Keys.ARROW_RIGHT)
    assert focused(page) == "face 10.png, face 0"
    press(page, Keys.ARROW_DOWN)
    assert focused(page).startswith("face 1") and focused(page) != "face 10.png, face 0"
    press(page, Keys.ARROW_UP, Keys.ENTER)
    wait(lambda: large(page) == "face 10.png, face 0")
    press(page, Keys.ARROW_RIGHT)
    assert large(page) == "face 11.png, face 0"
    press(page, Keys.ESCAPE)
    wait(lambda: not large(page) and focused(page) == "face 11.png, face 0")
    press(page, "p")
    assert js(page, "return getComputedStyle(document.querySelector('.tile svg.face')).display") == "none"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_screen(page, width):
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        wait(lambda: js(page, "return document.documentElement.scrollWidth") <= width)
        ground = js(page, "return getComputedStyle(document.body).backgroundColor")
        assert (int(ground.split("(")[1].split(",")[0]) > 128) == (scheme == "light")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
