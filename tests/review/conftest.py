"""A run and the server of its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from landmarks.corrections import CorrectionLog
from tests.helpers.browser import console_errors
from tests.helpers.drawn_runs import DrawnRun, make_run
from tests.helpers.packages import needs
from tests.helpers.review_page import FakeProposals, Page, served

needs("fastapi", "review")
needs("httpx", "test")


@pytest.fixture
def drawn(tmp_path) -> DrawnRun:
    return make_run(tmp_path)


@pytest.fixture
def opened() -> Iterator:
    """Opens a run: its session, application, guarded application, and a client that knows the token."""
    from fastapi.testclient import TestClient

    from landmarks.review.guard import Guard
    from landmarks.review.pictures import Pictures
    from landmarks.review.run import read_run, sources_of
    from landmarks.review.server import MOST_BYTES, allowed_hosts, create_app
    from landmarks.review.session import Session

    with ExitStack() as stack:

        def open_it(path: Path, who: str = "ann", side_by_side=None) -> SimpleNamespace:
            run = read_run(path)
            log = stack.enter_context(CorrectionLog(path))
            session = Session(run, log, who)
            app = create_app(session, Pictures(sources_of(path), 10**8), FakeProposals(), side_by_side)
            guarded = Guard(app, "token", allowed_hosts("127.0.0.1", 8000), MOST_BYTES)
            client = TestClient(guarded, base_url="http://127.0.0.1:8000/token/", follow_redirects=False)
            return SimpleNamespace(run=run, log=log, session=session, guarded=guarded, client=client, close=log.close)

        yield open_it


@pytest.fixture
def page(drawn, driver):
    with served(drawn) as address:
        one = Page(driver, address)
        yield one
        driver.get("about:blank")  # Before the server is gone.
        assert console_errors(driver) == []
