"""Text and names of files that cannot do harm."""

import pytest

from landmarks.formats.text import csv_text, from_csv_text, safe_path
from tests.helpers.results import NAMES


@pytest.mark.parametrize("text", ["", "a", "'", "''", "=1", "'=1", "-", "\n", "\uff1dx"])
def test_guarded_text_comes_back(text):
    guarded = csv_text(text)
    assert from_csv_text(guarded) == text and not guarded.startswith(tuple("=+-@\t\n\r\uff1d"))


def test_paths_stay_inside_and_apart():
    paths = [safe_path(name) for name in NAMES] + [
        safe_path(n) for n in ("a//b", "a/b", "a/./b", "a/../b", "a/%/b", "%/b", "/b")
    ]
    assert len(set(paths)) == len(paths)
    for path in paths:
        parts = path.split("/")
        assert not set(parts) & {"", ".", ".."} and max(len(part.encode()) for part in parts) <= 200
