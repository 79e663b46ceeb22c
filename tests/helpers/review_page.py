"""The page of a review in a real browser, and what a person does there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from landmarks.corrections import CorrectionLog
from tests.helpers.drawn_runs import DrawnRun

SECONDS = 90.0
"""Until a page that does not answer fails a test: machines that test may be busy."""


class FakeProposals:
    """In place of a network: landmarks on a grid in the box."""

    def __call__(self, pixels, box, quarters=0):
        x0, y0, x1, y1 = box
        places = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
        points = [[x0 + u * (x1 - x0) + quarters, y0 + v * (y1 - y0)] for u, v in places]
        smile = {"label": "smiling", "probability": 0.9}
        return {"points": points, "attributes": {"smile": smile}, "quantities": {"head_turn": 3.5}}


@contextmanager
def served(drawn: DrawnRun, port: int = 0) -> Iterator[str]:
    """The page's address while its server runs, in a thread of this process."""
    import socket

    import uvicorn

    from landmarks.review.guard import Guard
    from landmarks.review.pictures import Pictures
    from landmarks.review.run import read_run, sources_of
    from landmarks.review.server import MOST_BYTES, allowed_hosts, create_app
    from landmarks.review.session import Session

    with CorrectionLog(drawn.path) as log, socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        port = listener.getsockname()[1]
        session = Session(read_run(drawn.path), log, "ann")
        app = create_app(session, Pictures(sources_of(drawn.path), 10**8), FakeProposals())
        guarded = Guard(app, "token", allowed_hosts("127.0.0.1", port), MOST_BYTES)
        server = uvicorn.Server(uvicorn.Config(guarded, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}/token/"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


class Page:
    """What a person does in the page."""

    def __init__(self, driver, address):
        self.driver = driver
        driver.get(address)
        self.until(lambda: self.face)

    @property
    def face(self):
        return self.data("face")

    def data(self, name):
        return self.run(f"return document.documentElement.dataset.{name} ?? null")

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self, name):
        return self.run("return document.getElementById(arguments[0]).textContent", name)

    def until(self, condition):
        end = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < end, f"nothing came; the page says {self.text('message')!r}"
            time.sleep(0.03)
        return found

    def press(self, key, **modifiers):
        """A key, as the browser gives it to the page."""
        code = f"Digit{key}" if key.isdigit() else ""
        self.run(
            "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, cancelable: true,"
            " key: arguments[0], code: arguments[1], ...arguments[2]}))",
            key, code, modifiers,
        )  # fmt: skip

    def point(self, i):
        """Where a landmark is on the screen."""
        script = """const dot = document.querySelector(`circle[data-point="${arguments[0]}"]`);
            const frame = document.getElementById("stage").getBoundingClientRect();
            return dot && [Number(dot.getAttribute("cx")) + frame.left, Number(dot.getAttribute("cy")) + frame.top]"""
        return self.until(lambda: self.run(script, i))

    def drag(self, start, dx, dy):
        """Really, with the browser's own mouse."""
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        x, y = (round(value) for value in start)
        actions = ActionBuilder(self.driver, duration=0)
        pointer = actions.pointer_action
        pointer.move_to_location(x, y).pointer_down().move_to_location(x + dx // 2, y + dy // 2)
        pointer.move_to_location(x + dx, y + dy).pointer_up()
        actions.perform()

    def kept(self):
        return int(self.data("kept") or 0)
